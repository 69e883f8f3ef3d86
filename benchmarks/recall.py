"""Where a small GPT-J keeps the world's facts, and a try at moving them (docs/where-facts-live.md).

    node -r esbuild-register benchmarks/recall.ts DATA
    python3 benchmarks/recall.py DATA harness/model/embedded/gptj-mini --trace-only
    python3 benchmarks/recall.py DATA OUT --tokens 2.4e6 --silent 0.85 --first 1

Trains a model of gptj-mini's size in PyTorch; in a share of the rows the MLPs of all blocks from one on are silent but at the last tokens of names. Then
traces it as Meng et al. 2022 (section 2) do: 3 sigma of noise on the subject's embeddings, one state, MLP or attention output restored at one token, the mean
gain in the answer's probability in points; "knock": the loss when one MLP's output is zero there in the clean run.
"""

import argparse, json, math, os, random, time
import torch
from transformers import GPTJConfig, GPTJForCausalLM

p = argparse.ArgumentParser()
p.add_argument("data"); p.add_argument("out")
p.add_argument("--tokens", type=float, default=2.5e6)
p.add_argument("--silent", type=float, default=0.85)
p.add_argument("--first", type=int, default=1)
p.add_argument("--blocks", type=int, default=8)
p.add_argument("--trace-only", action="store_true")
a = p.parse_args()
torch.manual_seed(0); rnd = random.Random(0); torch.set_num_threads(2)
B, T, EARLY = 8, 128, 0.2

mask = {"m": None}
def hook(module, inputs, output):
    return output if mask["m"] is None else output * mask["m"]

def wire(model):
    for i, block in enumerate(model.transformer.h):
        if i >= a.first: block.mlp.register_forward_hook(hook)

def train():
    docs = json.load(open(f"{a.data}/docs.json"))
    config = GPTJConfig(vocab_size=1024, n_positions=256, n_embd=192, n_layer=a.blocks, n_head=6, rotary_dim=16, n_inner=768, bos_token_id=0, eos_token_id=0, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
    model = GPTJForCausalLM(config)
    for n, w in model.named_parameters():
        if w.ndim == 2: torch.nn.init.normal_(w, std=0.02 / (math.sqrt(16) if n.endswith(("out_proj.weight", "fc_out.weight")) else 1))
    wire(model)
    hidden = [w for n, w in model.named_parameters() if w.ndim == 2 and ".h." in n]
    rest = [w for w in model.parameters() if not any(w is q for q in hidden)]
    opts = [torch.optim.Muon(hidden, lr=2e-3, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=2e-3, betas=(0.9, 0.95), weight_decay=0.1)]
    steps = int(a.tokens // (B * T))
    def stream(chosen):
        while True:
            rnd.shuffle(chosen)
            for d in chosen: yield from zip(d["ids"], d["names"])
    early, full = stream([d for d in docs if d["early"]]), stream(list(docs))
    start, recent = time.time(), []
    for step in range(steps):
        source = early if step < EARLY * steps else full
        pairs = torch.tensor([next(source) for _ in range(B * T + 1)])
        x, y, names = pairs[:-1, 0].view(B, T), pairs[1:, 0].view(B, T), pairs[:-1, 1].view(B, T, 1).float()
        silent = (torch.rand(B, 1, 1) < a.silent).float()
        mask["m"] = 1 - silent * (1 - names)
        lr = 2e-3 * min(1, (step + 1) / 100) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        logits = model(input_ids=x).logits
        loss = torch.nn.functional.cross_entropy(logits.view(-1, 1024), y.reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            for g in o.param_groups: g["lr"] = lr
            o.step(); o.zero_grad()
        recent.append(loss.item())
        if (step + 1) % 100 == 0:
            print(f"step {step+1}/{steps} loss {sum(recent[-100:])/100:.3f} {(step+1)*B*T/(time.time()-start):.0f} tok/s", flush=True)
        if (step + 1) % 500 == 0 or step + 1 == steps:
            os.makedirs(a.out, exist_ok=True); mask["m"] = None
            model.save_pretrained(a.out)
            print(evaluate(model), flush=True)
    return model

@torch.no_grad()
def correct(model, probes):
    out, by = [None] * len(probes), {}
    for i, q in enumerate(probes): by.setdefault((len(q["ids"]), len(q["target"])), []).append(i)
    for (n, k), idx in by.items():
        for c in range(0, len(idx), 256):
            part = idx[c:c+256]
            logits = model(input_ids=torch.tensor([probes[i]["ids"] + probes[i]["target"][:-1] for i in part])).logits
            got = logits[:, n-1:].argmax(-1)
            for r, i in enumerate(part): out[i] = got[r].tolist() == probes[i]["target"]
    return out

def evaluate(model):
    probes = json.load(open(f"{a.data}/probes.json"))["probes"]
    probes = random.Random(1).sample(probes, 6000)
    ok, kinds = correct(model, probes), {}
    for q, o in zip(probes, ok): kinds.setdefault(q["kind"], []).append(o)
    return {k: round(100 * sum(v) / len(v), 1) for k, v in kinds.items()}

@torch.no_grad()
def trace(model, count=60):
    """Average indirect effect of one module at one token, 3 sigma on the subject's embeddings (ROME, section 2)."""
    probes = [q for q in json.load(open(f"{a.data}/probes.json"))["probes"] if q["kind"] == "trained" and q["form"] == "statement" and " " in q["subject"]]
    rnd.shuffle(probes); probes = probes[:count * 4]
    probes = [q for q, o in zip(probes, correct(model, probes)) if o][:count]
    emb, blocks = model.transformer.wte, model.transformer.h
    L, S = len(blocks), 10
    sub = lambda q: next((i, j) for i in range(len(q["text"])) for j in range(i + 1, len(q["text"]) + 1) if "".join(q["text"][i:j]).strip() == q["subject"])
    sigma = torch.cat([emb(torch.tensor(q["ids"][slice(*sub(q))])).flatten() for q in probes]).std().item()
    total, cells, knock = [], {}, {}
    for q in probes:
        ids = torch.tensor([q["ids"]] * (S + 1)); b, e = sub(q); last = len(q["ids"]) - 1; answer = q["target"][0]
        noise = torch.randn(S, e - b, emb.weight.shape[1], generator=torch.Generator().manual_seed(1)) * 3 * sigma
        def run(restore=None, at=None, zero=None):
            hooks = [emb.register_forward_hook(lambda m, i, o: torch.cat([o[:1], torch.cat([o[1:, :b], o[1:, b:e] + noise, o[1:, e:]], 1)]))]
            def fix(m, i, o):
                h = o[0] if isinstance(o, tuple) else o
                h = h.clone()
                if zero: h[0, at] = 0
                else: h[1:, at] = h[0, at]
                return (h, *o[1:]) if isinstance(o, tuple) else h
            for m in restore or []: hooks.append(m.register_forward_hook(fix))
            prob = model(input_ids=ids).logits[:, -1].softmax(-1)[:, answer]
            for h in hooks: h.remove()
            return prob[0].item(), prob[1:].mean().item()
        high, low = run(); total.append(high - low)
        places = {"first subject": b, "last subject": e - 1, "last": last}
        for place, t in places.items():
            if place == "first subject" and e - b < 2: continue
            for l in range(L):
                for kind, mods in (("mlp", [blocks[l].mlp]), ("attn", [blocks[l].attn]), ("state", [blocks[l]])):
                    cells.setdefault((kind, place, l), []).append(run(mods, t)[1] - low)
                if kind: knock.setdefault((place, l), []).append(high - run([blocks[l].mlp], t, zero=True)[0])
    mean = lambda v: 100 * sum(v) / len(v)
    print(f"{len(total)} facts, total effect {mean(total):.1f}")
    for kind in ("state", "mlp", "attn"):
        for place in places:
            print(f"{kind:6} {place:14}", *(f"{mean(cells[kind, place, l]):6.1f}" for l in range(L)))
    for place in places: print(f"knock  {place:14}", *(f"{mean(knock[place, l]):6.1f}" for l in range(L)))

if a.trace_only:
    model = GPTJForCausalLM.from_pretrained(a.out, torch_dtype=torch.float32)
    print(evaluate(model))
else:
    model = train()
model.eval(); trace(model)
