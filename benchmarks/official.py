"""What the official ROME and MEMIT code writes, of the facts that benchmarks/official.ts chose.

    pip install torch==2.15 transformers==5.24 safetensors
    git clone https://github.com/kmeng01/rome        # 0874014
    git clone https://github.com/kmeng01/memit       # 80426fd
    python3 benchmarks/official.py FOLDER --rome DIR --memit DIR      # writes FOLDER/edits.safetensors

The repositories' own compute_u, compute_v and execute_memit, untouched but for the device ('cuda' -> 'cpu'), on the same model, contexts and second
moments as ours: those of FOLDER stand in for the Wikipedia statistics and the generated texts. Blocks of today's transformers return a tensor, theirs a
tuple: hooks make it one again.
"""
import argparse, contextlib, io, json, pathlib, sys, types
import torch, transformers
from safetensors.torch import load_file, save_file

NAMES = dict(
    gpt2=dict(layers="transformer.h.{}", proj="mlp.c_proj", norm="transformer.ln_f", head="transformer.wte"),
    gptj=dict(layers="transformer.h.{}", proj="mlp.fc_out", norm="transformer.ln_f", head="lm_head"),
    llama=dict(layers="model.layers.{}", proj="mlp.down_proj", norm="model.norm", head="lm_head"),
)


def stub(name, **values):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(values)


def load(repo, package, moments, *names):
    stub("matplotlib"), stub("matplotlib.style", context=None)
    sys.path.insert(0, str(repo))
    for name in {"rome", "util", package}:
        module = types.ModuleType(name)
        module.__path__ = [str(repo / name)]
        sys.modules[name] = module
    stub("util.globals", STATS_DIR=None)
    moment = lambda name: moments[int(name.split(".")[2])]
    stub("rome.layer_stats", layer_stats=lambda model, tok, name, *a, **k: types.SimpleNamespace(mom2=types.SimpleNamespace(moment=lambda: moment(name))))
    found = {}
    for name in names:
        path = repo / package / f"{name}.py"
        code = types.ModuleType(f"{package}.{name}")
        code.__package__ = package
        sys.modules[f"{package}.{name}"] = code
        exec(compile(path.read_text().replace('"cuda"', '"cpu"').replace(".cuda()", ".cpu()"), str(path), "exec"), code.__dict__)
        found[name] = code
    return found


def as_it_was(model, names):
    """Blocks return a tuple with the stream first; who reads the stream unpacks it."""
    blocks = [model.get_submodule(names["layers"].format(i)) for i in range(model.config.num_hidden_layers)]
    first = lambda x: x[0] if isinstance(x, tuple) else x
    for block in blocks:
        forward = block.forward
        block.forward = lambda *a, forward=forward, **k: (first(forward(*a, **k)),)
        block.register_forward_pre_hook(lambda m, args, kwargs: ((first(args[0]),) + args[1:], kwargs), with_kwargs=True)
    model.get_submodule(names["norm"]).register_forward_pre_hook(lambda m, args: (first(args[0]),))
    return model


def main():
    args = argparse.ArgumentParser()
    args.add_argument("folder", type=pathlib.Path)
    for name in ("rome", "memit"):
        args.add_argument(f"--{name}", type=pathlib.Path)
    args = args.parse_args()
    torch.set_num_threads(1)
    asked = json.loads((args.folder / "facts.json").read_text())
    h, layers, method = asked["hyperparameters"], asked["layers"], asked["method"]
    moments = {int(k): m for k, m in load_file(args.folder / "moments.safetensors").items()}
    tok = transformers.AutoTokenizer.from_pretrained(asked["model"])
    tok.pad_token, tok.padding_side = tok.eos_token, "right"
    model = transformers.AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32).eval()
    names = NAMES[model.config.model_type]
    model.config.n_embd = model.config.hidden_size
    proj = names["layers"] + "." + names["proj"]
    hparams = types.SimpleNamespace(
        layers=layers, layer_selection="all", fact_token="subject_last", v_loss_layer=model.config.num_hidden_layers - 1,
        mom2_adjustment=True, mom2_dataset="", mom2_n_samples=0, mom2_dtype="float32", rewrite_module_tmp=proj, layer_module_tmp=names["layers"],
        mlp_module_tmp=names["layers"] + ".mlp", ln_f_module=names["norm"], lm_head_module=names["head"], model_name="",
        mom2_update_weight=h.get("mom2_update_weight"), **{k: h[k] for k in ("v_num_grad_steps", "v_lr", "v_weight_decay", "clamp_norm_factor", "kl_factor")},
    )
    if method == "rome":
        code = load(args.rome, "rome", moments, "compute_u", "compute_v")
    else:
        model = as_it_was(model, names)
        code = load(args.memit, "memit", moments, "compute_z", "compute_ks", "memit_main")
        code["memit_main"].get_context_templates = lambda *a, **k: [asked["contexts"][:1], asked["contexts"][1:]]
    edits = {}
    for i, facts in enumerate(asked["edits"]):
        requests = [dict(case_id=j, prompt=f["prompt"], subject=f["subject"], target_new=dict(str=" " + f["target"])) for j, f in enumerate(facts)]
        with contextlib.redirect_stdout(io.StringIO()):
            if method == "rome":
                [request], [layer] = requests, layers
                left = code["compute_u"].compute_u(model, tok, request, hparams, layer, asked["contexts"])
                right = code["compute_v"].compute_v(model, tok, request, hparams, layer, left, asked["contexts"])
                deltas = {layer: (right[:, None], left[:, None])}
            else:
                found = code["memit_main"].execute_memit(model, tok, requests, hparams)
                deltas = {l: (found[proj.format(l) + ".weight"][1], found[proj.format(l) + ".weight"][0]) for l in layers}
        for layer, (u, v) in deltas.items():
            # W += u vT: [out, facts] and [in, facts].
            edits[f"{i}.{layer}.u"], edits[f"{i}.{layer}.v"] = (x.detach().float().contiguous() for x in (u, v))
        print(f"{i + 1} of {len(asked['edits'])}", file=sys.stderr, end="\r")
    save_file(edits, args.folder / "edits.safetensors")


main()
