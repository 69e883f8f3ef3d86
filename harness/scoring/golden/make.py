"""What official scoring code makes of gptj-mini and of a change of its weights.

    pip install torch==2.15 transformers==5.24
    git clone https://github.com/eric-mitchell/serac      # c963a39: es_sentiment and its helpers
    git clone https://github.com/zjunlp/EasyEdit          # 14cea82: kl_loc_loss, normalize_answer
    git clone https://github.com/Thartvigsen/GRACE        # f674183: PPL
    git clone https://github.com/zjunlp/PitfallsKnowledgeEditing      # 0cf7aca: evaluate_conflictEdit, evaluate_roundEdit, js_div, the sums of summarize.py
    python make.py --serac DIR --easyedit DIR --grace DIR --pitfalls DIR   # writes ./expected.json

The functions are cut out of their files and run as they are. Prompts and texts are tokenised apart, the text with one space before it. Causal models
predict the next token: logits are given to them shifted by one, as PPL's own model does it (SERAC's is an encoder-decoder).
"""
import argparse, ast, json, pathlib, re, string
import numpy as np, torch, torch.nn.functional as F
from models import after, before, changed, tokenizer

HERE = pathlib.Path(__file__).parent
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
for name in ("serac", "easyedit", "grace", "pitfalls"): arguments.add_argument(f"--{name}", required=True)
at = arguments.parse_args()
serac = cut(f"{at.serac}/utils.py", ("masked_mean", "mask_hf_labels", "gather_log_probs"), {"torch": torch})
cut(f"{at.serac}/metrics.py", ("es_sentiment",), serac)
easyedit = cut(f"{at.easyedit}/easyeditor/evaluate/evaluate_utils.py", ("kl_loc_loss", "normalize_answer"), {"torch": torch, "F": F, "regex": re, "string": string})
grace = cut(f"{at.grace}/grace/metrics.py", ("PPL",), {"torch": torch})


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

# Two edits that contradict each other, and one that is taken back: the model before them, with half of the change, and with all of it.
RELATION = {"id": "R", "prompt": "{} works as a"}
PROMPTS = {"R": ["The job of {} is that of a", "By profession {} is a"]}
NAMES = dict(subject="Mark Reed", earlier="nurse", later="judge", tied="chef")
conflicts = cut(f"{at.pitfalls}/experiments/py/eval_utils_conflictedit.py", ("evaluate_conflictEdit",), {"np": np, "torch": torch, "typing": __import__("typing"), "chain": __import__("itertools").chain, "AutoModelForCausalLM": object, "AutoTokenizer": object})
rounds = cut(f"{at.pitfalls}/experiments/py/eval_utils_roundedit.py", ("evaluate_roundEdit",), dict(conflicts))
for scope, file in ((conflicts, "conflictedit"), (rounds, "roundedit")):
    source = pathlib.Path(f"{at.pitfalls}/experiments/py/eval_utils_{file}.py").read_text().replace('.to("cuda")', "")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "test_batch_prediction": exec(ast.get_source_segment(source, node), scope)
summarize = cut(f"{at.pitfalls}/experiments/summarize.py", ("js_div",), {"torch": torch, "F": F})
between = changed(0.5)
probability = lambda found: np.mean(found["generation"] + [found["rewrite"]])
fact = lambda answer: dict(prompt=RELATION["prompt"], relation_id="R", subject=NAMES["subject"], target_new={"str": answer}, target_true={"str": answer})
p = lambda model, answer: probability(conflicts["evaluate_conflictEdit"](model, tokenizer, fact(answer), PROMPTS))
cm_pre, cm_post = p(between, NAMES["earlier"]), p(after, NAMES["earlier"])
fact_0, fact_2 = p(before, NAMES["tied"]), p(after, NAMES["tied"])
OTHERS = ["judge", "chef", "pilot"]


def right(model):
    true = [{"label": o} for o in ["nurse", *OTHERS]]
    found = rounds["evaluate_roundEdit"](model, tokenizer, {**fact("nurse"), "target_true": {"str": "judge"}}, PROMPTS, true)
    return probability(found["target_new"]), [probability(o) for o in found["others"]]


(own_pre, others_pre), (own_post, others_post) = right(before), right(after)
failed = sum(a > b for a, b in zip(others_pre, others_post)) / len(OTHERS)
expected = {
    "conflict": {
        "prompts": [RELATION["prompt"], *PROMPTS["R"]], **NAMES, "others": OTHERS,
        "cs": [int(p(m, NAMES["later"]) > p(m, NAMES["earlier"])) for m in (before, after)],
        "cm": float(max((cm_pre - cm_post) / cm_pre, -1)), "tfd": float((fact_0 - fact_2) / fact_0),
        "d": summarize["js_div"]([own_post] + others_post, [own_pre] + others_pre).item(), "ir": failed, "fr": int(failed > 0.5),
    },
    "pairs": {"wanted": WANTED, "other": OTHER, "elsewhere": ELSEWHERE, "sentence": SENTENCE},
    "es": float(sentiment["acc_sent"]), "z_sent": float(sentiment["z_sent"]), "z_topic": float(sentiment["z_topic"]),
    "kl": kl.item(), "ppl": [ppl(before), ppl(after)],
    "normalised": [[t, easyedit["normalize_answer"](t)] for t in TEXTS],
}
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
