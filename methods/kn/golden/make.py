"""What EasyEdit's Knowledge Neurons code (EleutherAI's) computes on the tiny random GPT-2 of harness/model/golden.

    pip install torch==2.15 transformers==5.24 einops

    git clone https://github.com/zjunlp/EasyEdit                   # 14cea82: attributions, coarse neurons and edits of KN
    python make.py --easyedit DIR                   # writes ./expected.json

KnowledgeNeurons is EasyEdit's class, untouched; its hook is on what goes into the activation function, and for the paper's neurons on what comes out of it
(the same class with another `input_ff_attr`). Answers are of one token: for several the class asks the same prompt again, and tokenises the bytes of its own choices anew.
"""
import argparse, contextlib, importlib.util, io, json, pathlib, sys, types
import torch, transformers

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent.parent / "harness/model/golden/gpt2"
FACTS = [("Paris is the capital of", " the", " it"), ("The colour of the zebra is", " a", " is"), ("The cat likes", " in", " and")]
args = argparse.ArgumentParser()
for name in ("easyedit",): args.add_argument(f"--{name}", type=pathlib.Path, required=True)
args = args.parse_args()
folder = args.easyedit / "easyeditor/models/kn/knowledge_neurons/knowledge_neurons"
package = types.ModuleType("kn"); package.__path__ = [str(folder)]; sys.modules["kn"] = package
def load(name, path):
    source = path.read_text()
    module = types.ModuleType(f"kn.{name}"); module.__package__ = "kn"; sys.modules[f"kn.{name}"] = module
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module
load("patch", folder / "patch.py")
KnowledgeNeurons = load("knowledge_neurons", folder / "knowledge_neurons.py").KnowledgeNeurons

tok = transformers.AutoTokenizer.from_pretrained(MODEL)
model = lambda: transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
out = []
for unit, attribute in (("pre-activation", "mlp.c_fc"), ("activation", "mlp.act")):
    for prompt, old, new in FACTS:
        kn = KnowledgeNeurons(model(), tok, model_type="gpt2", device="cpu")
        kn.input_ff_attr = attribute
        with contextlib.redirect_stdout(io.StringIO()):
            old_ids, new_ids = tok.encode(old), tok.encode(new)
            scores = kn.get_scores(prompt, old, batch_size=4, steps=20, pbar=False)
            neurons = kn.get_coarse_neurons(prompt, old, batch_size=4, steps=20, adaptive_threshold=0.2, pbar=False)
            before = [b.mlp.c_proj.weight.detach().clone() for b in kn.model.transformer.h]
            with torch.no_grad(): kn.edit_knowledge(prompt, target=new, neurons=neurons, undo_modification=False)
            after = [b.mlp.c_proj.weight.detach() for b in kn.model.transformer.h]
        delta = torch.stack([a - b for a, b in zip(after, before)])
        out.append(dict(unit=unit, prompt=prompt, old=old.strip(), new=new.strip(), old_ids=old_ids, new_ids=new_ids, neurons=neurons,
            scores=[float(f"{x:.6g}") for x in scores.flatten().tolist()],
            rows={f"{l} {j}": [float(f"{x:.6g}") for x in delta[l, j].tolist()] for l, j in neurons[:3]}, norm=delta.norm().item()))
(HERE / "expected.json").write_text(json.dumps(dict(cases=out)) + "\n")
print([(c["unit"], c["old_ids"], c["new_ids"], len(c["neurons"]), max(c["scores"])) for c in out])
