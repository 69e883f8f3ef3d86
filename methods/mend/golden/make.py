"""What the official MEND code learns and writes on the tiny random GPT-2 of harness/model/golden.

    pip install torch==2.15 transformers==5.24 safetensors
    git clone https://github.com/eric-mitchell/mend
    python make.py --mend DIR   # writes ./expected.json and ./deltas.safetensors

algs/mend.py, nn.py, hooks.py, losses.py and editable_model.py untouched; of utils.py the functions they use;
their fork of `higher` is replaced by torch.func. Three examples are learnt from as EditTrainer.edit_step
does (an edit, the same asked in other words, a text to keep), their gradients summed, then two facts are written at once by the editor as it was. The editor's weights are no
random numbers but sines, so that they need not be stored.
"""
import argparse, copy, importlib, json, math, pathlib, sys, types
import torch, transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent.parent / "harness/model/golden/gpt2"
SITES = ["layers.1.mlp.fc", "layers.1.mlp.proj", "layers.2.mlp.fc", "layers.2.mlp.proj"]
RANK, CEDIT, CLOC = 8, 0.1, 1.0
EXAMPLES = [
    dict(prompt="The cat of Rome is", target=" black", asked="A cat in Rome is", kept=["Paris is the capital of", " France and white"]),
    dict(prompt="Paris is the capital of", target=" zebra France", asked="The capital city Paris is of", kept=["12 is", " black and grass"]),
    dict(prompt="What is the colour of the model editing", target=" white", asked="Model editing has the colour", kept=["The zebra likes", " grass"]),
]


def sines(shape, scale, shift, offset=0.0):
    n = math.prod(shape)
    return torch.tensor([offset + scale * math.sin(1.3 * i + shift) for i in range(n)]).reshape(shape)


class Functional:
    """A model whose parameters can be replaced, as their fork of `higher` makes it."""

    handles = ()

    def __init__(self, model):
        self.base, self.parameters_, self.config = model, dict(model.named_parameters()), model.config

    def named_parameters(self):
        return self.parameters_.items()

    def update_params(self, new):
        self.parameters_ = dict(zip(self.parameters_, new))

    def __call__(self, **k):
        return torch.func.functional_call(self.base, self.parameters_, args=(), kwargs=k)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--mend", type=pathlib.Path, required=True)
    args = args.parse_args()
    source = (args.mend / "utils.py").read_text()
    utils = types.ModuleType("utils")
    utils.__dict__.update(torch=torch, transformers=transformers, LOG=None)
    for name in ("_inner_params", "shift_targets", "_logits", "parent_module"):
        start = source.index(f"def {name}(")
        end = source.find("\ndef ", start)
        exec(source[start:end if end > 0 else None], utils.__dict__)
    sys.modules["utils"] = utils
    higher = types.ModuleType("higher"); higher.patch = types.ModuleType("higher.patch")
    higher.patch.monkeypatch, higher.patch._MonkeyPatchBase = lambda model, in_place: Functional(model), Functional
    sys.modules.update({"higher": higher, "higher.patch": higher.patch})
    sys.path.insert(0, str(args.mend))
    code = importlib.import_module("algs.mend")
    losses = importlib.import_module("losses")
    tok = transformers.AutoTokenizer.from_pretrained(MODEL)
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    kinds = dict(fc="c_fc", proj="c_proj")
    names = [f"transformer.h.{s.split('.')[1]}.mlp.{kinds[s.split('.')[3]]}.weight" for s in SITES]
    config = types.SimpleNamespace(
        edit_lr=1e-4, task="gen", model=types.SimpleNamespace(inner_params=names, name="gpt2", class_name="GPT2LMHeadModel"),
        mend=types.SimpleNamespace(one_sided=False, n_hidden=1, hidden_dim=None, init="id", norm=True, combine=True, x_only=False, delta_only=False, act="relu", rank=RANK, mlp_class="IDMLP", shared=True),
    )
    editor = code.MEND(model, config, lambda: copy.deepcopy(model))
    with torch.no_grad():
        for g, network in enumerate(editor.mend.values()):
            for l, layer in enumerate(network.mlp.layers):
                k = 10 * g + l
                layer.u.copy_(sines(layer.u.shape, 0.05, k)), layer.v.copy_(sines(layer.v.shape, 1.0, k + 1)), layer.bias.copy_(sines(layer.bias.shape, 0.02, k + 2))
                layer.mode_scale.weight.copy_(sines(layer.mode_scale.weight.shape, 0.1, k + 3, 1.0)), layer.mode_shift.weight.copy_(sines(layer.mode_shift.weight.shape, 0.02, k + 4))
        editor.edit_lrs.copy_(torch.tensor([0.01, -0.02, 0.03, -0.04]))

    def batch(pairs, whole=False):
        rows = [(tok(p)["input_ids"], tok(t)["input_ids"]) for p, t in pairs]
        longest = max(len(p) + len(t) for p, t in rows)
        ids = torch.tensor([p + t + [0] * (longest - len(p) - len(t)) for p, t in rows])
        mask = torch.tensor([[1] * (len(p) + len(t)) + [0] * (longest - len(p) - len(t)) for p, t in rows])
        labels = torch.tensor([[-100] * len(p) + t + [-100] * (longest - len(p) - len(t)) for p, t in rows])
        return dict(input_ids=ids, attention_mask=mask, labels=labels)

    def logits(m, b):
        return utils._logits(m.model(input_ids=b["input_ids"], attention_mask=b["attention_mask"]))

    # Labels given, transformers would compute a loss of its own that nobody uses.
    forward = model.forward
    model.forward = lambda labels=None, **k: forward(**k)
    editor.train(True)
    steps = []
    for e in EXAMPLES:
        prompt, text = e["kept"]
        kept = batch([(prompt, text)])
        with torch.no_grad(): before = logits(editor, kept)
        edited, _ = editor.edit(batch([(e["prompt"], e["target"])]))
        asked = batch([(e["asked"], e["target"])])
        edit = editor.edit_loss_fn(logits(edited, asked), asked["labels"])["nll"]
        keep = losses.kl_loc_loss(before.detach(), logits(edited, kept), mask=kept["attention_mask"])
        (CEDIT * edit + CLOC * keep).backward(inputs=editor.outer_parameters())
        steps.append(dict(edit=float(edit), kept=float(keep)))
        model = editor.model
    gradients = {"lr": editor.edit_lrs.grad}
    groups = {f"{x}x{d}": t for t, (x, d) in ((t, (t.x_dim, t.delta_dim)) for t in editor.mend.values())}
    for name, t in groups.items():
        for l, layer in enumerate(t.mlp.layers):
            for key, p in dict(u=layer.u, v=layer.v, bias=layer.bias, scale=layer.mode_scale.weight, shift=layer.mode_shift.weight).items():
                gradients[f"{name}.{l}.{key}"] = p.grad
    editor.train(False)
    before = {n: p.detach().clone() for n, p in editor.model.named_parameters() if n in names}
    edited, _ = editor.edit(batch([(e["prompt"], e["target"]) for e in EXAMPLES[:2]]))
    after = dict(edited.model.named_parameters())
    # Conv1D keeps [in, out].
    deltas = {s: (after[n] - before[n]).detach().T.contiguous() for s, n in zip(SITES, names)}
    summary = {n: dict(norm=float(g.norm()), some=[round(float(x), 9) for x in g.reshape(-1)[:: max(1, g.numel() // 12)][:12]]) for n, g in gradients.items()}
    spreads = {n: dict(count=int(t.k), mean=float(torch.cat([t.u_mean, t.v_mean]).norm()), std=float(torch.cat([t.u_std, t.v_std]).norm())) for n, t in groups.items()}
    out = dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), sites=SITES, rank=RANK, cedit=CEDIT, cloc=CLOC, examples=EXAMPLES, steps=steps, spreads=spreads, gradients=summary)
    (HERE / "expected.json").write_text(json.dumps(out) + "\n")
    save_file(deltas, HERE / "deltas.safetensors")
    print(steps, spreads, {s: float(d.norm()) for s, d in deltas.items()})


main()
