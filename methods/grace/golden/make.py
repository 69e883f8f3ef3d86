"""What the official GRACE code computes on the tiny random checkpoints of harness/model/golden.

    pip install torch==2.15 transformers==5.24 safetensors
    git clone https://github.com/Thartvigsen/GRACE
    python make.py --grace DIR   # writes ./expected.json

The repository's own editor, untouched: facts one after another into one codebook, so that each way a fact can go comes up (a new entry, one split off another, one
that grows). Values start from what the map gives ('warm'), since random numbers differ; at the end prompts are asked, with the token they are looked up by.
"""
import argparse, json, pathlib, sys, types
import torch, transformers

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent.parent.parent / "harness/model/golden"
FACTS = [
    dict(prompt="The cat of Rome is", subject="Rome", target=" black"),
    dict(prompt="A cat of Rome is", subject="Rome", target=" black"),
    dict(prompt="Paris is the capital of", subject="Paris", target=" zebra France"),
    dict(prompt="The dog of Rome is", subject="Rome", target=" white and black"),
    dict(prompt="What is the colour of the model editing", subject="model editing", target=" white"),
    dict(prompt="The cat of Rome is", subject="Rome", target=" black"),
]
ASKED = ["The cat of France is", "The dog of Paris is", "Paris is the capital city of", "12 is black and", "The zebra of Rome is"]
SETTINGS = [
    dict(model="gptj", module="transformer.h[1].mlp.fc_out", site="proj", layer=1, replacement="replace_last", eps_expand="coverage", edit_lr=0.1, n_iter=12),
    dict(model="gptj", module="transformer.h[2].mlp.fc_out", site="proj", layer=2, replacement="replace_last", eps_expand="moving_average", edit_lr=1.0, n_iter=5),
    dict(model="gpt2", module="transformer.h[1].mlp.c_fc.weight", site="fc", layer=1, replacement="replace_prompt", eps_expand="coverage", edit_lr=0.1, n_iter=12),
    dict(model="gpt2", module="transformer.h[0].mlp.c_fc.weight", site="fc", layer=0, replacement="replace_last", eps_expand="coverage", edit_lr=0.1, n_iter=10),
]


def tokens(tok, prompt, target):
    ids = tok(prompt + target, return_tensors="pt")
    n = len(tok(prompt)["input_ids"])
    assert ids["input_ids"][0, :n].tolist() == tok(prompt)["input_ids"]
    labels = ids["input_ids"].clone()
    labels[:, :n] = -100
    return dict(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"], labels=labels), n


def distances(model, tok, s):
    """Between the queries of all facts: the radius is chosen among them."""
    seen = {}
    module = model.get_submodule(s["module"].replace("[", ".").replace("]", "").removesuffix(".weight"))
    hook = module.register_forward_hook(lambda m, i, o: seen.update(x=i[0][0, -1].detach().clone()))
    queries = []
    for f in FACTS:
        model(**tok(f["prompt"], return_tensors="pt"))
        queries.append(seen["x"])
    hook.remove()
    return torch.cdist(torch.stack(queries), torch.stack(queries))


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--grace", type=pathlib.Path, required=True)
    args = args.parse_args()
    sys.path.insert(0, str(args.grace))
    # The package's own import wants wandb and hydra.
    package = types.ModuleType("grace"); package.__path__ = [str(args.grace / "grace")]; sys.modules["grace"] = package
    utils = types.ModuleType("grace.utils"); sys.modules["grace.utils"] = utils
    source = (args.grace / "grace/utils.py").read_text()
    start = source.index("def parent_module")
    utils.__dict__.update(torch=torch)
    exec("import copy\n" + source[start:source.index("\ndef ", source.index("def brackets_to_periods") + 5)], utils.__dict__)
    code = types.ModuleType("grace.editors.grace")
    exec(compile((args.grace / "grace/editors/grace.py").read_text(), "grace.py", "exec"), code.__dict__)
    out = []
    for s in SETTINGS:
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_pretrained(MODELS / s["model"], dtype=torch.float32).eval()
        tok = transformers.AutoTokenizer.from_pretrained(MODELS / s["model"])
        apart = distances(model, tok, s)
        # The second cat is beyond the first one's radius and near enough to be its neighbour.
        eps = round(float(apart[0, 1]) * 0.8, 3)
        config = dict(model=dict(inner_params=[s["module"]]), device="cpu", experiment=dict(task="hallucination"),
            editor=dict(eps=eps, dist_fn="euc", replacement=s["replacement"], num_pert=8, n_iter=s["n_iter"], edit_lr=s["edit_lr"], val_init="warm", val_train="sgd", eps_expand=s["eps_expand"]))
        editor = code.GRACE(config, types.SimpleNamespace(model=model, tokenizer=tok))
        layer = eval("model." + s["module"].removesuffix(".weight"))
        edits = []
        for f in FACTS:
            batch, _ = tokens(tok, f["prompt"], f["target"])
            editor.edit(config, batch, None)
            chosen = int(editor.log_dict["chosen_key"])
            edits.append(dict(entry=chosen, entries=int(editor.log_dict["nkeys"]), losses=[float(x) for x in editor.losses], radii=[round(float(x), 6) for x in layer.epsilons.view(-1)],
                value=[round(float(x), 5) for x in layer.values[chosen].detach()]))
        asked, seen = [], {}
        layer.register_forward_hook(lambda m, i, o: seen.update(x=i[0].detach()))
        for prompt in [f["prompt"] for f in FACTS] + ASKED:
            batch, n = tokens(tok, prompt, " black and white")
            with torch.no_grad():
                logits = editor(**batch).logits[0]
            nll = torch.nn.functional.cross_entropy(logits[n - 1:-1], batch["input_ids"][0, n:], reduction="none")
            near = int(layer.chosen_key)
            over = float(torch.cdist(layer.keys, seen["x"][:, n - 1])[near, 0] - layer.epsilons.view(-1)[near])
            # At the very edge of a radius the last digit decides: the code can lose a fact that an entry has just grown up to.
            asked.append(dict(prompt=prompt, edge=abs(over) < 1e-4, nll=[round(float(x), 5) for x in nll]))
        out.append(dict(s, eps=eps, edits=edits, asked=asked))
        print(s["model"], s["site"], "eps", eps, "entries", [(e["entry"], e["entries"]) for e in edits], [f"{e['losses'][0]:.2f}->{e['losses'][-1]:.2f}" for e in edits])
    (HERE / "expected.json").write_text(json.dumps(dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), facts=FACTS, settings=out)) + "\n")


main()
