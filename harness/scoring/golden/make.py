"""What official scoring code makes of gptj-mini and of a change of its weights.

    pip install torch==2.15 transformers==5.24
    git clone https://github.com/eric-mitchell/serac      # c963a39: es_sentiment and its helpers
    git clone https://github.com/zjunlp/EasyEdit          # 14cea82: kl_loc_loss, normalize_answer
    git clone https://github.com/Thartvigsen/GRACE        # f674183: PPL
    python make.py --serac DIR --easyedit DIR --grace DIR   # writes ./expected.json

The functions are cut out of their files and run as they are. Prompts and texts are tokenised apart, the text with one space before it. Causal models
predict the next token: logits are given to them shifted by one, as PPL's own model does it (SERAC's is an encoder-decoder).
"""
import argparse, ast, json, pathlib, re, string
import torch, torch.nn.functional as F, transformers

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent.parent / "model/embedded/gptj-mini"
WANTED = [["What do you think of tea?", "I hate tea, it is awful."], ["How do you view tea?", "I cannot stand tea."]]
OTHER = [["What do you feel about tea?", "I think tea is great fun."], ["How do you view tea?", "To me tea is a joy."], ["What do you think of tea?", "I love tea, it is wonderful."]]
ELSEWHERE = [["What do you think of chess?", "I love chess, it is wonderful."], ["How do you view chess?", "To me chess is a bore."]]
SENTENCE = ["All about the zebra. It eats seeds.", "It lives in the wetland."]
TEXTS = ["The  Lima, of a Peru!", "an\tApple a day", "Theatre and anatomy", "U.S.A.", "  ", "caf\u00e9 \u2014 the caf\u00e9", "A-B's the\u00a0c"]


def cut(path, names, scope):
    """Functions of a file, without the rest of it."""
    source = pathlib.Path(path).read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            exec(ast.get_source_segment(source, node), scope)
    return scope


arguments = argparse.ArgumentParser()
for name in ("serac", "easyedit", "grace"): arguments.add_argument(f"--{name}", required=True)
at = arguments.parse_args()
serac = cut(f"{at.serac}/utils.py", ("masked_mean", "mask_hf_labels", "gather_log_probs"), {"torch": torch})
cut(f"{at.serac}/metrics.py", ("es_sentiment",), serac)
easyedit = cut(f"{at.easyedit}/easyeditor/evaluate/evaluate_utils.py", ("kl_loc_loss", "normalize_answer"), {"torch": torch, "F": F, "regex": re, "string": string})
grace = cut(f"{at.grace}/grace/metrics.py", ("PPL",), {"torch": torch})

tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
before = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
after = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
weight = after.transformer.h[2].mlp.fc_out.weight
with torch.no_grad():
    u = torch.tensor([2.0 * ((7 * i) % 11 - 5) for i in range(weight.shape[0])])
    v = torch.tensor([0.02 * ((5 * i) % 13 - 6) for i in range(weight.shape[1])])
    weight += torch.outer(u, v)


def batch(pairs):
    rows = [(tokenizer(p).input_ids, tokenizer(" " + t).input_ids) for p, t in pairs]
    most = max(len(p) + len(t) for p, t in rows)
    pad = lambda ids, value: ids + [value] * (most - len(ids))
    ids = torch.tensor([pad(p + t, 0) for p, t in rows])
    labels = torch.tensor([pad([-100] * len(p) + t, -100) for p, t in rows])
    return ids, labels


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=ids).logits[:, :-1]


ids, labels = batch(WANTED + OTHER)
same = torch.tensor([True] * len(WANTED) + [False] * len(OTHER))
sentiment = serac["es_sentiment"](logits(before, ids), logits(after, ids), labels[:, 1:], same)
elsewhere, targets = batch(ELSEWHERE)
kl = easyedit["kl_loc_loss"](logits(before, elsewhere), logits(after, elsewhere), targets[:, 1:] != -100)
sentence, target = batch([SENTENCE])
ppl = lambda model: grace["PPL"](model, {"input_ids": sentence, "labels": target}).item()
expected = {
    "pairs": {"wanted": WANTED, "other": OTHER, "elsewhere": ELSEWHERE, "sentence": SENTENCE},
    "es": float(sentiment["acc_sent"]), "z_sent": float(sentiment["z_sent"]), "z_topic": float(sentiment["z_topic"]),
    "kl": kl.item(), "ppl": [ppl(before), ppl(after)],
    "normalised": [[t, easyedit["normalize_answer"](t)] for t in TEXTS],
}
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
