"""What the official T-Patcher modules compute on the tiny random GPT-J of harness/model/golden.

    pip install torch==2.15 transformers==5.24
    git clone https://github.com/ZeroYuHuang/Transformer-Patcher       # fec629a
    python make.py --patcher DIR   # writes ./expected.json

The repository edits BERT and BART; its patches (src/models/patch.py, untouched) are put around the two linear maps of the last MLP here, with its losses, its
optimizer, its clipping and its schedule, on copies of the example as it makes them. The loss of the target is the plain cross-entropy of its tokens (BART's own
smoothing belongs to how that model was trained). Values start from numbers that are written down.
"""
import argparse, json, math, pathlib, sys, types
import torch, transformers

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent.parent / "harness/model/golden/gptj"
FACTS = [
    dict(prompt="The cat of Rome is", target=" black"),
    dict(prompt="Paris is the capital of", target=" zebra France and more"),
    dict(prompt="What is the colour of the model editing", target=" white"),
]
TEXTS = ["The zebra is black and white, and it likes grass.", "12 cats sat on the mat in Paris, and one more in Rome.", "Model editing changes what a model says of one thing."]
SETTINGS = [
    dict(act_margin_val=0.0, margin_val1=3.0, margin_val2=-3.0, alc=1.0, mlc=5.0, lr=0.01, weight_decay=0.01, repeat=8, steps=60),
    dict(act_margin_val=0.5, margin_val1=0.0, margin_val2=0.0, alc=2.0, mlc=10.0, lr=0.0003, weight_decay=0.0, repeat=1, steps=110),
]


def values(n, dim, seed):
    return torch.tensor([[math.sin(seed + 0.7 * p + 1.3 * i) for i in range(dim)] for p in range(n)])


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--patcher", type=pathlib.Path, required=True)
    args = args.parse_args()
    patch = types.ModuleType("patch")
    exec(compile((args.patcher / "src/models/patch.py").read_text(), "patch.py", "exec"), patch.__dict__)
    tok = transformers.AutoTokenizer.from_pretrained(MODEL)
    fresh = lambda: transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()

    def queries(model, ids):
        seen = {}
        hook = model.transformer.h[-1].mlp.fc_in.register_forward_hook(lambda m, i, o: seen.update(x=i[0][0].detach()))
        logits = model(input_ids=torch.tensor([ids])).logits[0].detach()
        hook.remove()
        return seen["x"], logits

    with torch.no_grad():
        memory = torch.cat([queries(fresh(), tok(t)["input_ids"])[0][1:] for t in TEXTS])
    cases = []
    for s in SETTINGS:
        for number, f in enumerate(FACTS):
            model = fresh()
            for p in model.parameters(): p.requires_grad = False
            prompt, target = tok(f["prompt"])["input_ids"], tok(f["target"])["input_ids"]
            ids = prompt + target[:-1]
            x, logits = queries(model, ids)
            places = [len(prompt) - 1 + j for j in range(len(target))]
            wrong = [j for j, at in enumerate(places) if int(logits[at].argmax()) != target[j]][:5]
            at = [places[j] for j in wrong]
            mlp = model.transformer.h[-1].mlp
            mlp.fc_in = patch.ModifyLinearOutput(mlp.fc_in, init_weight=x[at], activate_loss="top5_exp", memory_loss="top1000_exp+top1000_exp",
                train_memories=memory, val_memories=memory, act_loc=at, add_neuron_num=len(at), act_margin_val=s["act_margin_val"], margin_val1=s["margin_val1"], margin_val2=s["margin_val2"])
            mlp.fc_out = patch.ModifyLinearInput(mlp.fc_out, amplify=True, amplify_con=10.0, add_neuron_num=len(at))
            start = values(len(at), x.size(1), number)
            mlp.fc_out.extra_input.data = start.T.clone()
            trained = [p for p in model.parameters() if p.requires_grad]
            assert len(trained) == 4
            optimizer = torch.optim.Adam(trained, lr=s["lr"], weight_decay=s["weight_decay"])
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1, threshold=0.05)
            batch = torch.tensor([ids] * s["repeat"])
            losses = []

            def loss():
                logits = model(input_ids=batch).logits[:, places]
                return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.size(-1)), torch.tensor(target * s["repeat"]))

            for step in range(1, s["steps"] + 1):
                model.train()
                mlp.fc_in.train()
                edit = loss()
                act, memo = mlp.fc_in.get_act_loss(), mlp.fc_in.get_memo_loss()
                losses.append([round(float(v), 5) for v in (edit, act, memo)])
                optimizer.zero_grad()
                (edit + s["alc"] * act + s["mlc"] * memo).backward()
                torch.nn.utils.clip_grad_norm_(trained, 5.0)
                optimizer.step()
                if step % 25 == 0:
                    model.eval()
                    with torch.no_grad(): schedule.step(loss())
            out = mlp.fc_out
            rounded = lambda t: [round(float(v), 5) for v in t.detach().reshape(-1)]
            cases.append(dict(s, **f, wrong=wrong, target_ids=target, losses=losses, rate=optimizer.param_groups[0]["lr"], start=rounded(start), keys=rounded(mlp.fc_in.extra_output.weight),
                biases=rounded(mlp.fc_in.extra_output.bias), values=rounded((out.extra_input * out.a).T)))
            print(f["prompt"], wrong, losses[0], losses[-1], optimizer.param_groups[0]["lr"])
    (HERE / "expected.json").write_text(json.dumps(dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), texts=TEXTS, cases=cases)) + "\n")


main()
