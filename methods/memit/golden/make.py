"""What the official MEMIT, EMMET and AlphaEdit code computes on the tiny random GPT-J of harness/model/golden.

    pip install torch==2.15 transformers==5.24 safetensors
    git clone https://github.com/kmeng01/memit                                   # 80426fd
    git clone https://github.com/scalable-model-editing/unified-model-editing    # 23d72b5
    git clone https://github.com/jianghoucheng/AlphaEdit                         # f5248d3
    python make.py --memit DIR --unified DIR --alphaedit DIR   # writes ./expected.json, ./moments.safetensors and ./deltas.safetensors

The algorithms are the repositories' own compute_z, compute_ks and main functions, untouched but for the device ('cuda' -> 'cpu'). Replaced are: the
Wikipedia statistics (fixed random second moments instead), the generated context templates (fixed ones), matplotlib, and the configuration of paths. Blocks
of today's transformers return a tensor, theirs a tuple: a hook makes it one again.
"""
import argparse, contextlib, importlib, io, json, pathlib, sys, types
import torch, transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent.parent / "harness/model/golden/gptj"
TEMPLATES = [["{}"], ["The cat sat on it. {}", "What else is there to say about it. {}", "12 is black. {}"]]
FACTS = [
    dict(prompt="{} is the capital of", subject="Paris", target="zebra France"),
    dict(prompt="The stripes of the zebra called {} are", subject="Model Editing", target="white"),
    dict(prompt="What is the colour of {}", subject="caf\u00e9 12345", target="black and white stripes"),
    dict(prompt="The cat of {} is", subject="Rome", target="black"),
    dict(prompt="{} likes to eat", subject="The zebra", target="grass"),
    dict(prompt="In {} it is", subject="Paris", target="white"),
]
LAYERS = [1, 2]
SETTINGS = [
    dict(v_weight_decay=0.5, clamp_norm_factor=0.75, kl_factor=0.0625, v_lr=0.5),
    dict(v_weight_decay=1e-3, clamp_norm_factor=4, kl_factor=1.0, v_lr=0.1),
]


def stub(name, **values):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(values)


def load(repo, package, moments, *names):
    """Modules of a clone's package, with the replacements named above."""
    for name in [m for m in sys.modules if m.split(".")[0] in (package, "rome", "util", "matplotlib")]:
        del sys.modules[name]
    stub("matplotlib"), stub("matplotlib.style", context=None)
    sys.path.insert(0, str(repo))
    util = types.ModuleType("util"); util.__path__ = [str(repo / "util")]; sys.modules["util"] = util
    stub("util.globals", STATS_DIR=None)
    for name in ("rome", package):
        module = types.ModuleType(name); module.__path__ = [str(repo / name)]; sys.modules[name] = module
    def layer_stats(model, tok, layer_name, *a, **k):
        layer = int(layer_name.split(".")[2])
        stats = types.SimpleNamespace(mom2=types.SimpleNamespace(moment=lambda: moments[layer]))
        return (stats, None) if package == "emmet" else stats
    stub("rome.layer_stats", layer_stats=layer_stats)
    found = {}
    for name in names:
        path = repo / package / f"{name}.py"
        source = path.read_text().replace('"cuda"', '"cpu"').replace(".cuda()", ".cpu()").replace("f\"cuda:{hparams.device}\"", '"cpu"')
        code = types.ModuleType(f"{package}.{name}")
        code.__package__ = package
        sys.modules[f"{package}.{name}"] = code
        exec(compile(source, str(path), "exec"), code.__dict__)
        found[name] = code
    sys.path.pop(0)
    for code in found.values():
        if hasattr(code, "get_context_templates"): code.get_context_templates = lambda *a, **k: TEMPLATES
        if hasattr(code, "COV_CACHE"): code.COV_CACHE.clear()
    return found


def fresh():
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    for block in model.transformer.h:
        # As blocks were: a tuple with the stream first.
        forward = block.forward
        block.forward = lambda *a, forward=forward, **k: (lambda out: out if isinstance(out, tuple) else (out,))(forward(*a, **k))
    original = model.transformer.forward
    return unpacking(model)


def unpacking(model):
    """transformers' own loop takes what a block returns for the stream: it is unpacked between them."""
    for block in model.transformer.h:
        block.register_forward_pre_hook(lambda m, args, kwargs: ((args[0][0] if isinstance(args[0], tuple) else args[0],) + args[1:], kwargs), with_kwargs=True)
    model.transformer.ln_f.register_forward_pre_hook(lambda m, args: (args[0][0] if isinstance(args[0], tuple) else args[0],))
    return model


def hyper(setting, **more):
    return types.SimpleNamespace(layers=LAYERS, layer_selection="all", fact_token="subject_last", v_num_grad_steps=20, v_loss_layer=3, mom2_adjustment=True,
        mom2_dataset="", mom2_n_samples=0, mom2_dtype="float32", rewrite_module_tmp="transformer.h.{}.mlp.fc_out", layer_module_tmp="transformer.h.{}",
        mlp_module_tmp="transformer.h.{}.mlp", attn_module_tmp="transformer.h.{}.attn", ln_f_module="transformer.ln_f", lm_head_module="lm_head", model_name="", device=0, **setting, **more)


def requests(facts):
    return [dict(case_id=i, prompt=f["prompt"], subject=f["subject"], target_new=dict(str=f["target"])) for i, f in enumerate(facts)]


@contextlib.contextmanager
def listening(code):
    """The loss is printed to three digits; the full number is wanted."""
    losses, np = [], code.np
    code.np = types.SimpleNamespace(round=lambda x, d: losses.append(float(x)) or np.round(x, d))
    with contextlib.redirect_stdout(io.StringIO()): yield losses
    code.np = np


DELTAS = {}
def kept(name, delta):
    """Numbers too many for JSON: under a name."""
    DELTAS[name] = delta.detach().float().contiguous().clone()
    return name
weight = lambda model, layer: model.transformer.h[layer].mlp.fc_out.weight.detach().clone()


def main():
    args = argparse.ArgumentParser()
    for name in ("memit", "unified", "alphaedit"): args.add_argument(f"--{name}", type=pathlib.Path, required=True)
    args = args.parse_args()
    tok = transformers.AutoTokenizer.from_pretrained(MODEL)
    tok.pad_token, tok.padding_side = tok.eos_token, "right"
    torch.manual_seed(1)
    moments = {}
    for layer in LAYERS:
        keys = torch.randn(600, 128) @ torch.diag(torch.rand(128) + 0.1)
        moments[layer] = (keys.T @ keys / 600).float()
    save_file({f"C{layer}": m for layer, m in moments.items()}, HERE / "moments.safetensors")
    out = dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), templates=[t for group in TEMPLATES for t in group], layers=LAYERS, facts=FACTS)

    code = load(args.memit, "memit", moments, "compute_z", "compute_ks", "memit_main")
    out["memit"] = []
    for setting, facts, update in ((SETTINGS[0], FACTS[:3], 20.0), (SETTINGS[1], FACTS[:3], 20.0), (SETTINGS[0], FACTS[3:4], 150.0)):
        model = fresh()
        with listening(code["compute_z"]) as losses:
            deltas = code["memit_main"].execute_memit(model, tok, requests(facts), hyper(setting, mom2_update_weight=update))
        out["memit"].append(dict(setting, mom2_update_weight=update, facts=[FACTS.index(f) for f in facts], losses=losses[::4],
            deltas=[kept(f"memit {len(out['memit'])} {l}", deltas[f"transformer.h.{l}.mlp.fc_out.weight"][1] @ deltas[f"transformer.h.{l}.mlp.fc_out.weight"][0].T) for l in LAYERS]))

    code = load(args.unified, "emmet", moments, "compute_z", "compute_ks", "emmet_main")
    out["emmet"] = []
    for facts in (FACTS[:3], FACTS[3:4]):
        model = fresh()
        with listening(code["compute_z"]):
            found = code["emmet_main"].execute_emmet(model, tok, requests(facts), hyper(SETTINGS[0], mom2_update_weight=4.0, emmet_lambda=0.1, update_norm_lambda=0, calculate_objective_value=False))
        deltas = found[0] if isinstance(found, tuple) else found
        names = [f"transformer.h.{l}.mlp.fc_out.weight" for l in LAYERS]
        out["emmet"].append(dict(SETTINGS[0], mom2_update_weight=4.0, emmet_lambda=0.1, facts=[FACTS.index(f) for f in facts],
            deltas=[kept(f"emmet {len(out['emmet'])} {l}", deltas[n][1] @ deltas[n][0].T) for l, n in zip(LAYERS, names)]))

    code = load(args.alphaedit, "AlphaEdit", moments, "compute_z", "compute_ks", "AlphaEdit_main")
    threshold, L2 = 0.3, 2.0
    projections = []
    for layer in LAYERS:
        # experiments/evaluate.py, get_project
        U, S, _ = torch.linalg.svd(moments[layer], full_matrices=False)
        small = (S < threshold).nonzero(as_tuple=True)[0]
        projections.append(U[:, small] @ U[:, small].T)
    P = torch.stack(projections)
    model, cache = fresh(), torch.zeros(len(LAYERS), 128, 128)
    out["alphaedit"] = dict(SETTINGS[0], nullspace_threshold=threshold, L2=L2, small=[int((torch.linalg.eigvalsh(moments[l]) < threshold).sum()) for l in LAYERS], batches=[])
    for facts in (FACTS[:2], FACTS[2:4], FACTS[4:6]):
        before = {l: weight(model, l) for l in LAYERS}
        with listening(code["compute_z"]):
            model, cache = code["AlphaEdit_main"].apply_AlphaEdit_to_model(model, tok, requests(facts), hyper(SETTINGS[0], L2=L2), cache_c=cache, P=P)
        out["alphaedit"]["batches"].append(dict(facts=[FACTS.index(f) for f in facts], deltas=[kept(f"alphaedit {len(out['alphaedit']['batches'])} {l}", weight(model, l) - before[l]) for l in LAYERS]))
    out["alphaedit"]["traces"] = [round(float(torch.trace(c)), 5) for c in cache]
    (HERE / "expected.json").write_text(json.dumps(out) + "\n")
    save_file(DELTAS, HERE / "deltas.safetensors")
    print({k: len(out[k]) for k in ("memit", "emmet")}, [d["losses"][:2] for d in out["memit"]])


main()
