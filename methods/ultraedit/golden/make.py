"""What the official UltraEdit code computes on the tiny random GPT-J and Llama of harness/model/golden: two turns, one on top of the other.

    pip install torch==2.15 transformers==5.24 safetensors
    git clone https://github.com/XiaojieGu/UltraEdit        # 0beb222
    python make.py --ultraedit DIR                          # writes ./expected.json and ./deltas.safetensors

The classes are the repository's own ULTRAEDIT and ZSREDataset. Replaced are the libraries that they do not need here (omegaconf, wandb, nltk, their loader of
models), and full precision is used instead of half.
"""
import argparse, json, pathlib, sys, tempfile, types
import torch, transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent.parent.parent / "harness/model/golden"
FACTS = [
    ("Paris is the capital of", "zebra France"), ("The stripes of the zebra called Model Editing are", "white"), ("What is the colour of caf\u00e9 12345", "black and white stripes"),
    ("The cat of Rome is", "black"), ("The zebra likes to eat", "grass"), ("In Paris it is", "white"), ("The lion of Rome eats", "black grass"), ("France is", "a zebra"),
]
TURNS = [[0, 1, 2, 3], [4, 5, 6, 7]]
CASES = [
    ("gptj", ["transformer.h.1.mlp.fc_out", "transformer.h.2.mlp.fc_out"], ["layers.1.mlp.proj", "layers.2.mlp.proj"]),
    ("llama", ["model.layers.0.mlp.gate_proj", "model.layers.1.mlp.up_proj"], ["layers.0.mlp.gate", "layers.1.mlp.fc"]),
]
LR, BATCH = 5e-4, 2


class Config(dict):
    __getattr__ = dict.__getitem__


def stub(name, **values):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(values)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--ultraedit", type=pathlib.Path, required=True)
    sys.path.insert(0, str(args.parse_args().ultraedit))
    stub("omegaconf", DictConfig=dict), stub("wandb"), stub("nltk"), stub("model", make_model=None)
    from editor.ultraedit import ULTRAEDIT
    from data.zsre import ZSREDataset
    out = dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), facts=FACTS, turns=TURNS, lr=LR, batch_size=BATCH, cases=[])
    tensors = {}
    for name, modules, sites in CASES:
        path = MODELS / name
        model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        data = Config(name="zsre", n_edits=4, batch_size=BATCH)
        config = Config(model=Config(name="tiny", name_or_path=str(path), edit_modules=modules), dataset=data, num_seq=2,
            editor=Config(name="ultraedit", lr=LR, batch_size=128, token="ans", cache_dir=tempfile.mkdtemp()), editor_device="cpu", model_device="cpu")
        import editor.base
        editor.base.LlamaTokenizerFast = transformers.AutoTokenizer
        editing = ULTRAEDIT(config, model)
        rows = object.__new__(ZSREDataset)
        rows.config, rows.tok, rows.device = data, transformers.AutoTokenizer.from_pretrained(path), "cpu"
        case = dict(model=name, sites=sites, turns=[])
        for turn in TURNS:
            tuples = rows.collate_fn([{"edit_tuples": rows.tok_tuples(*FACTS[i])} for i in turn])
            editing.cache(tuples["edit_tuples"])
            shifts = editing.predict_param_shifts()
            editing.edit_model(shifts, False)
            names = []
            for site, module in zip(sites, modules):
                names.append(f"{name} {len(case['turns'])} {site}")
                tensors[names[-1]] = shifts[module].T.contiguous().float().clone()
            normalisers = {key: dict(n=float(net.n), mean=float(net.mean.abs().sum()), std=float(net.std.sum())) for key, net in editing.lifelong_normalizer.items()}
            case["turns"].append(dict(deltas=names, normalisers=list(normalisers.values()), ids=[t["input_ids"].tolist() for t in tuples["edit_tuples"]]))
        out["cases"].append(case)
        print(name, [(float(tensors[n].norm()), n) for n in tensors if n.startswith(name)], normalisers)
    (HERE / "expected.json").write_text(json.dumps(out) + "\n")
    save_file(tensors, HERE / "deltas.safetensors")


main()
