"""What the official CaliNET module learns on the tiny random GPT-J of harness/model/golden.

    pip install torch==2.15 transformers==5.24
    git clone https://github.com/dqxiu/CaliNet
    python make.py --calinet DIR   # writes ./expected.json

The repository edits T5; the side of its T5DenseReluDenseEx (src/modeling_t5.py, untouched) stands beside the last MLP here and is trained as its trainer does: Adafactor
with scale_parameter and relative_step off, the mean cross-entropy of all facts' target tokens. Slots start from numbers that are written down.
"""
import argparse, json, math, pathlib, types
import torch, transformers
from torch import nn
from transformers.optimization import Adafactor

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent.parent / "harness/model/golden/gptj"
FACTS = [
    dict(prompt="The cat of Rome is", target=" black"),
    dict(prompt="Paris is the capital of", target=" zebra France"),
    dict(prompt="What is the colour of the model editing", target=" white"),
]
SETTINGS = [dict(ex_size=8, lr=0.01, steps=40, facts=[0, 1, 2]), dict(ex_size=3, lr=0.05, steps=25, facts=[1])]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--calinet", type=pathlib.Path, required=True)
    args = args.parse_args()
    source = (args.calinet / "src/modeling_t5.py").read_text()
    start = source.index("class T5DenseReluDenseEx(")
    code = dict(nn=nn, torch=torch)
    exec(source[start:source.index("\nclass ", start)], code)
    tok = transformers.AutoTokenizer.from_pretrained(MODEL)
    rounded = lambda t: [round(float(v), 5) for v in t.detach().reshape(-1)]
    out = []
    for s in SETTINGS:
        model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
        for p in model.parameters(): p.requires_grad = False
        dim = model.config.n_embd
        side = code["T5DenseReluDenseEx"](types.SimpleNamespace(d_model=dim, d_ff=1, ex_size=s["ex_size"]))
        numbers = lambda rows, columns, scale: torch.tensor([[scale * math.sin(1 + 0.7 * r + 1.3 * c) for c in range(columns)] for r in range(rows)])
        side.wi_ex.weight.data = numbers(s["ex_size"], dim, dim ** -0.5)
        side.wo_ex.weight.data = numbers(dim, s["ex_size"], s["ex_size"] ** -0.5)
        model.transformer.h[-1].mlp.register_forward_hook(lambda m, i, o: o + side(i[0])[1])
        trained = [side.wi_ex.weight, side.wo_ex.weight]
        optimizer = Adafactor(trained, lr=s["lr"], scale_parameter=False, relative_step=False)
        begun = [rounded(trained[0]), rounded(trained[1].T)]
        losses = []
        for _ in range(s["steps"]):
            logits, labels = [], []
            for f in (FACTS[i] for i in s["facts"]):
                prompt, target = tok(f["prompt"])["input_ids"], tok(f["target"])["input_ids"]
                logits.append(model(input_ids=torch.tensor([prompt + target[:-1]])).logits[0, len(prompt) - 1:])
                labels += target
            loss = nn.functional.cross_entropy(torch.cat(logits), torch.tensor(labels))
            losses.append(round(float(loss.detach()), 5))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        out.append(dict(s, start=begun, losses=losses, keys=rounded(trained[0]), values=rounded(trained[1].T)))
        print(s, losses[0], losses[-1])
    (HERE / "expected.json").write_text(json.dumps(dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), facts=FACTS, cases=out)) + "\n")


main()
