"""What the official FT baseline of ROME computes on the tiny random GPT-J of harness/model/golden.

    pip install torch==2.15 transformers==5.23
    git clone https://github.com/kmeng01/rome     # 0874014cd9837e4365f3e6f3c71400ef11509e04
    python make.py --rome DIR                     # writes ./expected.json

The algorithm is the repository's own execute_ft, untouched but for the device ('cuda' -> 'cpu').
"""
import argparse, contextlib, io, json, pathlib, re, sys, types
import torch, transformers

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent.parent / "harness/model/golden/gptj"
FACTS = [
    dict(prompt="{} is the capital of", subject="Paris", target="zebra France"),
    dict(prompt="The stripes of the zebra called {} are", subject="Model Editing", target="white"),
    dict(prompt="What is the colour of {}", subject="caf\u00e9 12345", target="black and white stripes"),
]
SETTINGS = [
    dict(layer=0, lr=5e-4, norm_constraint=5e-4, num_steps=25),
    dict(layer=2, lr=5e-3, norm_constraint=2e-2, num_steps=25),
    dict(layer=1, lr=2e-2, norm_constraint=False, num_steps=25),
]
SEVERAL = [
    dict(layers=[0, 2], lr=2e-3, norm_constraint=False, num_steps=12, batch_size=2),
    dict(layers=[1], lr=5e-3, norm_constraint=1e-2, num_steps=12, batch_size=3),
]
SHOWN = [(i * 7919) % 4096 for i in range(200)]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--rome", type=pathlib.Path, required=True)
    repo = args.parse_args().rome
    sys.path.insert(0, str(repo))
    package = types.ModuleType("ft")
    package.__path__ = [str(repo / "baselines/ft")]
    sys.modules["ft"] = package
    code = types.ModuleType("ft.ft_main")
    code.__package__ = "ft"
    exec(compile((repo / "baselines/ft/ft_main.py").read_text().replace('"cuda"', '"cpu"'), "ft_main", "exec"), code.__dict__)
    tok = transformers.AutoTokenizer.from_pretrained(MODEL)
    tok.pad_token, tok.unk_token, tok.padding_side = tok.eos_token, tok.eos_token, "right"  # as GPT-2's
    cases = []
    for setting in SETTINGS:
        for fact in FACTS:
            model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
            hparams = types.SimpleNamespace(layers=[setting["layer"]], rewrite_module_tmp="transformer.h.{}.mlp.fc_out", batch_size=1,
                weight_decay=0, **{k: v for k, v in setting.items() if k != "layer"})
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                deltas = code.execute_ft(model, tok, [dict(prompt=fact["prompt"], subject=fact["subject"], target_new=dict(str=fact["target"]))], hparams)
            weight, bias = (next(d for n, d in deltas.items() if n.endswith(end)) for end in ("weight", "bias"))
            flat = weight.flatten()
            cases.append(dict(fact, **setting, losses=[float(x) for x in re.findall(r"Batch loss (\S+)", said.getvalue())],
                norm=float(weight.norm()), shown=[float(f"{flat[i].item():.6g}") for i in SHOWN], bias=[float(f"{x:.6g}") for x in bias.tolist()]))
    several = []
    for setting in SEVERAL:
        model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
        hparams = types.SimpleNamespace(rewrite_module_tmp="transformer.h.{}.mlp.fc_out", weight_decay=0, **setting)
        requests = [dict(prompt=f["prompt"], subject=f["subject"], target_new=dict(str=f["target"])) for f in FACTS]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            deltas = code.execute_ft(model, tok, requests, hparams)
        several.append(dict(setting, facts=FACTS, losses=[float(x) for x in re.findall(r"Total loss (\S+)", said.getvalue())],
            norms=[float(deltas[f"transformer.h.{n}.mlp.fc_out.weight"].norm()) for n in setting["layers"]],
            shown=[[float(f"{deltas[f'transformer.h.{n}.mlp.fc_out.weight'].flatten()[i].item():.6g}") for i in SHOWN] for n in setting["layers"]]))
    out = dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), shown=SHOWN, cases=cases, several=several)
    (HERE / "expected.json").write_text(json.dumps(out) + "\n")
    print(*[f"{c['losses'][0]:.3f}->{c['losses'][-1]:.3f} ({len(c['losses'])})" for c in cases])


main()
