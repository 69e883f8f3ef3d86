"""What the official LocFT-BF code computes on the tiny random GPT-J of harness/model/golden.

    pip install torch==2.15 transformers==5.24
    git clone https://github.com/ICT-STAR/LocFT     # 51db785
    python make.py --locft DIR                      # writes ./expected.json

execute_ft runs as it is, on the CPU. Its shuffling is left out, so that the batches are those of the test; padding is a token that occurs nowhere else
(theirs is a new one, which would change the vocabulary).
"""
import argparse, contextlib, io, json, pathlib, re, sys, types
import torch, transformers

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent.parent / "harness/model/golden/gptj"
FACTS = [("Paris is the capital of", "zebra France"), ("The stripes of the zebra are", "white"), ("What is the colour of Rome", "black and white stripes"), ("The cat likes", "grass")]
SETTINGS = [dict(layer=1, lr=5e-3, batch_size=4, num_steps=10), dict(layer=2, lr=2e-2, batch_size=2, num_steps=6)]
arguments = argparse.ArgumentParser()
arguments.add_argument("--locft", type=pathlib.Path, required=True)
path = arguments.parse_args().locft / "fine-tune.py"
sys.modules["hparams"] = types.ModuleType("hparams"); sys.modules["hparams"].FTHyperParams = object
sys.modules.setdefault("yaml", types.ModuleType("yaml"))
code = types.ModuleType("locft")
exec(compile(path.read_text().replace("torch.device(f'cuda:{config.device}')", "torch.device('cpu')"), str(path), "exec"), code.__dict__)
code.random = types.SimpleNamespace(shuffle=lambda x: None)
tok = transformers.AutoTokenizer.from_pretrained(MODEL)
tok.pad_token = tok.convert_ids_to_tokens(len(tok) - 1)
out = []
for setting in SETTINGS:
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    before = model.transformer.h[setting["layer"]].mlp.fc_out.weight.detach().clone()
    config = types.SimpleNamespace(rewrite_module="transformer.h.{}.mlp.fc_out", weight_decay=0, **setting)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code.execute_ft(model, tok, [dict(prompt=p, target_new=t) for p, t in FACTS], config)
    delta = model.transformer.h[setting["layer"]].mlp.fc_out.weight.detach() - before
    out.append(dict(setting, losses=[float(x) for x in re.findall(r"Total Average Loss: (\S+)", said.getvalue())], norm=delta.norm().item(), shown=[float(f"{x:.6g}") for x in delta.flatten()[::41].tolist()]))
(HERE / "expected.json").write_text(json.dumps(dict(facts=FACTS, cases=out)) + "\n")
print([(c["losses"][0], c["losses"][-1], c["norm"]) for c in out])
