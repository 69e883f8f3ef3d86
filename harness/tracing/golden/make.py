"""The tracing tables of kmeng01/rome on gptj-mini.

    pip install torch==2.15 transformers==5.24 numpy
    git clone https://github.com/kmeng01/rome      # 0874014: experiments/causal_trace.py
    python make.py --rome DIR                      # writes ./expected.json and ./noise.safetensors

trace_with_patch, trace_with_repatch, trace_important_states, trace_important_window and nethook run as they are ('.A' and devices aside). Their noise is
numpy's, drawn anew from one seed by every call: it is stored, in the order of their array. trace_with_repatch draws on in its second pass, so that what is
severed there is of another noise than what is restored; here each of its passes begins at the seed.
"""
import argparse, ast, json, pathlib, re, sys, types
from collections import defaultdict
import numpy, torch, transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent / "model/embedded/gptj-mini"
FACTS = [("Mark Reed works as a", "Mark Reed"), ("The capital of Lorvik Land is", "Lorvik Land"), ("People say that Mark Reed was born in", "Mark Reed")]
SAMPLES, NOISE, WINDOW = 4, 0.15, 3
arguments = argparse.ArgumentParser()
arguments.add_argument("--rome", type=pathlib.Path, required=True)
rome = arguments.parse_args().rome
sys.path.insert(0, str(rome))
sys.modules["util.globals"] = types.ModuleType("util.globals")
from util import nethook
scope = {"torch": torch, "numpy": numpy, "nethook": nethook, "defaultdict": defaultdict, "re": re}
source = (rome / "experiments/causal_trace.py").read_text()
wanted = ("trace_with_patch", "trace_with_repatch", "trace_important_states", "trace_important_window", "layername", "find_token_range", "decode_tokens")
for node in ast.parse(source).body:
    if isinstance(node, ast.FunctionDef) and node.name in wanted:
        code = ast.get_source_segment(source, node)
        again = "    for first_pass in [True, False] if states_to_unpatch else [False]:\n"
        exec(code.replace(again, again + "        rs.seed(1)\n"), scope)

tok = transformers.AutoTokenizer.from_pretrained(MODEL)
model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
# Their noise is in double precision; the sum is cast as the assignment does it.
layers = len(model.transformer.h)
cases, noises = [], {}
for i, (prompt, subject) in enumerate(FACTS):
    ids = tok(prompt, return_tensors="pt").input_ids.repeat(SAMPLES + 1, 1)
    inp = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        shares = torch.softmax(model(**inp).logits[0, -1], 0)
    answer = shares.argmax()
    b, e = scope["find_token_range"](tok, ids[0], subject)
    noises[f"noise {i}"] = torch.from_numpy(numpy.random.RandomState(1).randn(SAMPLES, e - b, model.config.n_embd)).float()
    common = dict(tokens_to_mix=(b, e), noise=NOISE)
    low = scope["trace_with_patch"](model, inp, [], answer, **common).item()
    block = scope["trace_important_states"](model, layers, inp, (b, e), answer, noise=NOISE)
    window = lambda kind: scope["trace_important_window"](model, layers, inp, (b, e), answer, kind, window=WINDOW, noise=NOISE)
    last = e - 1
    def severed(kind):
        return [scope["trace_with_repatch"](model, inp, [(last, scope["layername"](model, l))], [(last, scope["layername"](model, k, kind)) for k in range(layers)], answer, **common).item() for l in range(layers)]
    cases.append(dict(prompt=prompt, subject=subject, range=[b, e], answer=tok.decode([answer]).strip(), high=shares.max().item(), low=low,
        block=block.tolist(), mlp=window("mlp").tolist(), attention=window("attn").tolist(), severed_mlp=severed("mlp"), severed_attention=severed("attn")))
(HERE / "expected.json").write_text(json.dumps(dict(samples=SAMPLES, noise=NOISE, window=WINDOW, cases=cases)) + "\n")
save_file(noises, HERE / "noise.safetensors")
print([(c["answer"], c["high"], c["low"], max(max(r) for r in c["block"])) for c in cases])
