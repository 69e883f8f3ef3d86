"""What the official ROME code computes on the tiny random GPT-J of harness/model/golden.

    pip install torch==2.15 transformers==5.23 safetensors
    git clone https://github.com/kmeng01/rome                                   # 0874014cd9837e4365f3e6f3c71400ef11509e04
    git clone https://github.com/scalable-model-editing/rebuilding-rome         # 4095d048607292ec0ac3c1333124a94bb61a3bcb
    python make.py --rome DIR --rebuilding-rome DIR   # writes ./expected.json and ./second-moment.safetensors

The algorithm is the repositories' own compute_u and compute_v, untouched but for the device ('cuda' -> 'cpu'). Replaced are: the Wikipedia
statistics (a fixed random second moment instead), matplotlib (imported, never used), and the configuration of paths.
"""
import argparse, importlib, io, json, pathlib, re, sys, types, contextlib
import torch, transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent.parent / "harness/model/golden/gptj"
TEMPLATES = ["{}", "The cat sat on it. {}", "What else is there to say about it. {}", "12 is black. {}"]
FACTS = [
    dict(prompt="{} is the capital of", subject="Paris", target=" zebra France"),
    dict(prompt="The stripes of the zebra called {} are", subject="Model Editing", target=" white"),
    dict(prompt="What is the colour of {}", subject="caf\u00e9 12345", target=" black and white stripes"),
]
SETTINGS = [
    dict(v_weight_decay=0.5, clamp_norm_factor=4, kl_factor=0.0625, v_lr=0.5),
    dict(v_weight_decay=1e-3, clamp_norm_factor=0.75, kl_factor=1.0, v_lr=0.1),
]


def load(repo, moment):
    """compute_u and compute_v of a clone, with the replacements named above."""
    for name in [m for m in sys.modules if m.split(".")[0] in ("rome", "util", "matplotlib")]:
        del sys.modules[name]
    def module(name, **values):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(values)
    module("matplotlib"), module("matplotlib.style", context=None)
    module("util.globals", STATS_DIR=None)
    package = types.ModuleType("rome")
    package.__path__ = [str(repo / "rome")]
    sys.modules["rome"] = package
    stats = types.SimpleNamespace(mom2=types.SimpleNamespace(moment=lambda: moment))
    module("rome.layer_stats", layer_stats=lambda *a, **k: stats)
    sys.path.insert(0, str(repo))
    found = {}
    for name in ("compute_u", "compute_v"):
        source = (repo / "rome" / f"{name}.py").read_text().replace('"cuda"', '"cpu"')
        code = types.ModuleType(f"rome.{name}")
        code.__package__ = "rome"
        sys.modules[f"rome.{name}"] = code
        exec(compile(source, str(repo / "rome" / f"{name}.py"), "exec"), code.__dict__)
        found[name] = code
    sys.path.pop(0)
    return found


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--rome", type=pathlib.Path, required=True)
    args.add_argument("--rebuilding-rome", type=pathlib.Path, required=True)
    args = args.parse_args()
    tok = transformers.AutoTokenizer.from_pretrained(MODEL)
    tok.pad_token, tok.padding_side = tok.eos_token, "right"
    torch.manual_seed(1)
    keys = torch.randn(600, 128) @ torch.diag(torch.rand(128) + 0.1)
    moment = (keys.T @ keys / 600).float()
    save_file({"C": moment}, HERE / "second-moment.safetensors")
    def edit(code, model, fact, layer, setting):
        """One edit by the repository's code: its directions, and what it printed on the way."""
        hparams = types.SimpleNamespace(layers=[layer], fact_token="subject_last", v_num_grad_steps=20, v_loss_layer=3,
            mom2_adjustment=True, mom2_dataset="", mom2_n_samples=0, mom2_dtype="float32", enable_random_prefix_keys=True, original_implementation=False,
            rewrite_module_tmp="transformer.h.{}.mlp.fc_out", layer_module_tmp="transformer.h.{}",
            mlp_module_tmp="transformer.h.{}.mlp", **setting)
        request = dict(prompt=fact["prompt"], subject=fact["subject"], target_new=dict(str=fact["target"]))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            if hasattr(code["compute_u"], "inv_mom2_cache"): code["compute_u"].inv_mom2_cache.clear()
            left = code["compute_u"].compute_u(model, tok, request, hparams, layer, TEMPLATES)
            # The loss is printed to three digits; the full number is wanted.
            losses = []
            original_round = code["compute_v"].np.round
            code["compute_v"].np = types.SimpleNamespace(round=lambda x, d: losses.append(float(x)) or original_round(x, d))
            right = code["compute_v"].compute_v(model, tok, request, hparams, layer, left, TEMPLATES)
            code["compute_v"].np = importlib.import_module("numpy")
        steps = [losses[i:i + 4] for i in range(0, len(losses), 4)]
        return left, right, dict(fact, layer=layer, **setting, lookup=int(re.search(r"Lookup index found: (\d+)", said.getvalue())[1]),
            losses=[s[0] for s in steps], nll=[s[1] for s in steps], kl=[s[2] for s in steps],
            left=[round(x, 7) for x in left.detach().tolist()], right=[round(x, 6) for x in right.detach().tolist()])

    def fresh():
        return transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()

    cases, sequences = [], []
    for repo, key in ((args.rome, "original"), (args.rebuilding_rome, "mean")):
        code = load(repo, moment)
        for setting in SETTINGS:
            for layer in (1, 2):
                for fact in FACTS:
                    cases.append(dict(edit(code, fresh(), fact, layer, setting)[2], key=key))
        # One edit on top of the other, as execute_rome inserts them.
        model, edits = fresh(), []
        for fact in FACTS:
            left, right, found = edit(code, model, fact, 1, SETTINGS[0])
            with torch.no_grad():
                model.transformer.h[1].mlp.fc_out.weight += torch.outer(right, left)
            edits.append(found)
        sequences.append(dict(key=key, edits=edits))
    out = dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), templates=TEMPLATES, cases=cases, sequences=sequences)
    (HERE / "expected.json").write_text(json.dumps(out) + "\n")
    print(len(cases), "cases;", *[f"{c['losses'][0]:.3f}->{c['losses'][-1]:.3f}" for c in cases])


main()
