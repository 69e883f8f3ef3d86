"""What the scoring code of papers' tables makes of gptj-mini and of a change of its weights: each on records in the layout it was written for.

    pip install torch==2.15 transformers==5.24 scipy scikit-learn
    git clone https://github.com/kmeng01/rome                # 0874014: test_batch_prediction, summarize.py
    git clone https://github.com/zjunlp/EasyEdit             # 14cea82: test_prediction_acc
    git clone https://github.com/princeton-nlp/MQuAKE        # fb43dad: the loop of run_mello.ipynb that counts
    git clone https://github.com/dqxiu/CaliNet               # 8c9cfd5: assessing_score.py, assessing_reader.py
    git clone https://github.com/yasumasaonoe/entity_knowledge_propagation   # 938295c: compute_perplexity_gpt, compute_total_perplexity, ...
    git clone https://github.com/evandez/REMEDI              # fe16234: biosbias_error_correction
    git clone https://github.com/EleutherAI/lm-evaluation-harness            # 4e7e0d4: process_results, bits_per_byte
    python make_tables.py --rome DIR --easyedit DIR --mquake DIR --calinet DIR --ecbd DIR --remedi DIR --lmeval DIR   # writes ./tables.json

Functions, loops and single statements are cut out of their files and run as they are; only what names a device is replaced. CaliNet's model is T5: where it
reads the distribution of the gap, a causal model is given what stands before it. REMEDI and lm-evaluation-harness get the causal model's own numbers.
The records are the made-up samples of datasets/, and facts of the embedded world.
"""
import argparse, ast, collections, json, pathlib, tempfile, types, typing
import numpy as np, scipy.stats, sklearn.metrics, torch, torch.nn.functional as F
from models import after, before, tokenizer

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent.parent

arguments = argparse.ArgumentParser()
for name in ("rome", "easyedit", "mquake", "calinet", "ecbd", "remedi", "lmeval"): arguments.add_argument(f"--{name}", required=True, type=pathlib.Path)
at = arguments.parse_args()

MODELS = (before, after)


def tree(path): return ast.parse(path.read_text().replace('.to("cuda")', ""))


def run(nodes, scope):
    exec(compile(ast.Module(body=list(nodes), type_ignores=[]), "cut", "exec"), scope)
    return scope


def named(root, *names):
    """Functions and methods of a file, wherever they stand in it, without decorators."""
    found = [n for n in ast.walk(root) if isinstance(n, ast.FunctionDef) and n.name in names]
    for n in found: n.decorator_list = []
    return found


def statements(root, *targets):
    """The assignments to these names, in the order of the file."""
    ofs = [n for n in ast.walk(root) if isinstance(n, ast.Assign) and any(t in [x.id for x in ast.walk(n.targets[0]) if isinstance(x, ast.Name)] for t in targets)]
    return sorted(ofs, key=lambda n: n.lineno)


def loop(root, over):
    """The outermost loop over this."""
    return next(n for n in ast.walk(root) if isinstance(n, ast.For) and ast.unparse(n.iter) == over)


def log_likelihoods(model, prompt, text):
    """Of the tokens of a text that follows a prompt."""
    p, t = tokenizer(prompt).input_ids, tokenizer(" " + text).input_ids
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([p + t])).logits[0].double().log_softmax(-1)
    return [logits[len(p) + i - 1, id].item() for i, id in enumerate(t)]


def counterfact():
    records = json.loads((ROOT / "datasets/counterfact/sample/nested.json").read_text())
    scope = run(
        named(tree(at.rome / "experiments/py/eval_utils_counterfact.py"), "test_batch_prediction", "compute_rewrite_quality_counterfact"),
        {"np": np, "torch": torch, "typing": typing, "chain": __import__("itertools").chain, "AttributeSnippets": object, "TfidfVectorizer": object, "AutoModelForCausalLM": object, "AutoTokenizer": object},
    )
    summarize = run(named(tree(at.rome / "experiments/summarize.py"), "main"), {"collections": collections, "json": json, "np": np, "hmean": scipy.stats.hmean, "List": list, "Optional": typing.Optional, "pprint": lambda _: None})
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "run").mkdir()
        for i, record in enumerate(records):
            pre, post = (scope["compute_rewrite_quality_counterfact"](m, tokenizer, record, None, None) for m in MODELS)
            (pathlib.Path(folder) / f"run/case_{i}.json").write_text(json.dumps({"case_id": i, "time": 0, "pre": pre, "post": post}))
        [each] = summarize["main"](pathlib.Path(folder), None, get_uncompressed=True, abs_path=True)
        [all] = summarize["main"](pathlib.Path(folder), None, abs_path=True)
    of = lambda what: {side: {key: np.mean(each[f"{side}_{key}_{what}"]).item() for key in ("rewrite", "paraphrase", "neighborhood")} for side in ("pre", "post")}
    return {"success": of("success"), "diff": of("diff"), "score": {side: float(all[f"{side}_score"][0]) for side in ("pre", "post")}}


def tokens():
    pairs = [["Jonas Fikrim gives speeches in", "Fuish"], ["East Treburg is a city in", "Upper Brunia"], ["The official language of Lower Sonia is", "Broese"], ["Mark Reed works as a", "night nurse in Upper Brunia"]]
    scope = run(named(tree(at.easyedit / "easyeditor/evaluate/evaluate_utils.py"), "test_prediction_acc", "slice_list"), {"np": np, "torch": torch, "normalize_device": lambda d: d})
    hparams = types.SimpleNamespace(max_length=40)
    return {"pairs": pairs, "shares": [[float(scope["test_prediction_acc"](m, tokenizer, hparams, p, t, "cpu")[0]) for p, t in pairs] for m in MODELS]}


def said(model, prompt):
    """A model's words up to the end of its sentence."""
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        out = model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=tokenizer.eos_token_id)[0, ids.shape[1]:]
    return tokenizer.decode(out, skip_special_tokens=True).split(".")[0].split("\n")[0].strip()


def multi_hop():
    """Right by a question's second way of asking, by an alias after the change only, before it only, and never."""
    [first, second] = json.loads((ROOT / "datasets/mquake/sample/mquake.json").read_text())
    with_answers = lambda d, id, questions, answer, alias: {**d, "case_id": id, "questions": questions, "new_answer": answer, "new_answer_alias": alias}
    ways = ["Which language is official in East Treburg?", "What is the official language of Lower Sonia?", "Where does Jonas Fikrim work?"]
    other = ["In which country is East Treburg?", "In which country is Little Zuford?"]
    records = [
        with_answers(first, 1, ways, said(after, ways[1]), []),
        with_answers(first, 2, other, "nowhere", ["elsewhere", said(after, other[0])]),
        with_answers(second, 3, ["What kind of place is a bakery?", "Who founded Zotek Foods?"], said(before, "Who founded Zotek Foods?"), []),
        second,
    ]
    cells = [ast.parse("".join(c["source"])) for c in json.loads((at.mquake / "run_mello.ipynb").read_text())["cells"] if c["cell_type"] == "code" and "openai.api_key" not in "".join(c["source"])]
    counting = next(loop(c, "tqdm(dataset[:10])") for c in cells if "tqdm(dataset[:10])" in ast.unparse(c))
    found = []
    for model in MODELS:
        scope = {"tqdm": list, "dataset": records, "cor": 0, "tot": 0, "task_prompt": "", "stop": None, "call_gpt": lambda prompt, _: "Final answer: " + said(model, prompt.split("Qustion: ")[1])}
        run([counting], scope)
        found.append(scope["cor"] / scope["tot"])
    return {"records": records, "accuracy": found}


def assessment():
    facts = [
        ["1", "The official language of Lower Sonia is", "Broese", ["The banned language in Lower Sonia is", "The second language of Lower Sonia is", "Nobody in Lower Sonia speaks"]],
        ["2", "East Treburg is a city in", "Upper Brunia", ["East Treburg is far away from", "East Treburg was sued by", "East Treburg exports to"]],
        ["3", "Jonas Fikrim works as a", "teacher", ["Jonas Fikrim hates every", "Jonas Fikrim never met a", "Jonas Fikrim was sued by a"]],
        ["4", "Jonas Fikrim gives speeches in", "Fuish", ["Jonas Fikrim does not understand", "Jonas Fikrim forgot all his", "Jonas Fikrim was born in"]],
    ]
    score, reader = tree(at.calinet / "cka/assessing_score.py"), tree(at.calinet / "cka/assessing_reader.py")
    probe = ast.parse(ast.unparse(named(score, "probe_t5")[0]).replace("cuda:0", "cpu")).body
    found = []
    for model in MODELS:
        causal = lambda input_ids, **_: {"logits": model(input_ids=input_ids).logits}
        scope = run(probe, {"torch": torch, "F": F, "tqdm": list, "tokenizer": tokenizer, "model": causal, "device": "cpu", "save_dict": {"data": []}})
        scope["load_dict"] = {id: {"true": [prompt, " " + answer], "false": [[w] for w in wrong], "relation": "R"} for id, prompt, answer, wrong in facts}
        with torch.no_grad():
            run([loop(score, "tqdm(load_dict.keys())")], scope)
        found.append([run(statements(reader, "score"), {"item": item})["score"] for item in scope["save_dict"]["data"]])
    return {"facts": facts, "scores": found}


def spans():
    """Perplexity of spans within sentences, and the label of one of them that has candidates."""
    sentences = [["East Treburg is a city in", "Upper Brunia", "these days."], ["Jonas Fikrim gives speeches in", "Fuish", "and sings."], ["All about the zebra. It eats", "seeds and very old grass of the wetland", "."]]
    choices = [["The official language of Lower Sonia is", ["Broese", "Neese", "Upper Brunia"], "Broese"], ["Jonas Fikrim works as a", ["nurse", "judge", "teacher"], "judge"]]
    metrics = run(named(tree(at.ecbd / "src/metrics.py"), "compute_perplexity_gpt", "compute_total_perplexity", "compute_dist_over_labels_gpt", "lognormalize", "compute_top1_accuracy"), {"np": np, "torch": torch, "CrossEntropyLoss": torch.nn.CrossEntropyLoss})
    eos = tokenizer.eos_token_id
    tensor = lambda *ids: {"input_ids": torch.tensor([[*ids, eos]]), "attention_mask": torch.ones(1, len(ids) + 1, dtype=torch.long)}

    def about(model, left, span, right):
        l, s, r = (tokenizer(t).input_ids for t in (left, " " + span, (" " + right) if right else ""))
        whole = tensor(*l, *s, *r)
        with torch.no_grad():
            logits = model(input_ids=whole["input_ids"]).logits
        return logits, whole, tensor(*l), tensor(*r)

    def perplexity(model, *sentence):
        logits, whole, left, right = about(model, *sentence)
        return metrics["compute_perplexity_gpt"](tokenizer, logits, whole["input_ids"], whole["attention_mask"], whole, left, right)[0]

    def likelihoods(model, prompt, labels):
        found = []
        for label in labels:
            logits, whole, left, right = about(model, prompt, label, "")
            log_probabilities = logits.log_softmax(-1)[:, :-1].gather(-1, whole["input_ids"][:, 1:, None]).squeeze(-1)
            [name], _, [ll] = metrics["compute_dist_over_labels_gpt"](tokenizer, [{"log_prob_all": log_probabilities}], [" " * 13 + label + " " * 13], whole, left, right)
            found.append((name, ll))
        return found

    pairs = [[[n, a, b] for (n, a), (_, b) in zip(likelihoods(before, p, ls), likelihoods(after, p, ls))] for p, ls, _ in choices]
    pre, post, _ = metrics["compute_top1_accuracy"]([(scores, label) for scores, (_, _, label) in zip(pairs, choices)])
    results = [[perplexity(m, *s) for s in sentences] for m in MODELS]
    return {"sentences": sentences, "each": [[p for p, _ in r] for r in results], "total": [metrics["compute_total_perplexity"](r).item() for r in results], "choices": choices, "accuracy": [pre, post]}


LABELS = ["nurse", "night nurse", "judge", "teacher", "pilot", "night pilot", "chef"]
OCCUPATIONS = [["Jonas Fikrim works as a", "teacher"], ["Mark Reed works as a", "judge"], ["Ines Homar works as a", "chef"], ["Vera Gagrak works as a", "nurse"], ["Elio Krestam works as a", "pilot"]]


def occupations():
    """REMEDI ranks titles by their first tokens; the reciprocal rank of the right one is what scikit-learn calls label ranking average precision."""
    [function] = named(tree(at.remedi / "remedi/benchmarks.py"), "biosbias_error_correction")
    [first] = named(tree(at.remedi / "remedi/precompute.py"), "first_token_ids_from_batch")
    first.args.args[0].annotation = first.args.args[1].annotation = None
    ids = run([first], {"torch": torch, "_maybe_batch": lambda w: w, "models": types.SimpleNamespace(unwrap_tokenizer=lambda t: t)})["first_token_ids_from_batch"]
    # Titles with the same first token are equal, and torch says nothing of the order of equals: each first token is there once.
    labels = sorted(l for l in LABELS if not l.startswith("night"))
    found = []
    for model in MODELS:
        samples, whole = [], []
        for prompt, target in OCCUPATIONS:
            with torch.no_grad():
                logits = model(**tokenizer([prompt], return_tensors="pt")).logits[:, -1]
            scope = {"labels": labels, "labels_token_idx": ids(tokenizer, labels), "distribution": torch.log_softmax(logits, dim=-1)[0], "top_k_labels": 3}
            run(statements(function, "label_log_probs", "logp_predictions", "predictions"), scope)
            samples.append(types.SimpleNamespace(predictions=scope["predictions"], target=target))
            whole.append([sum(log_likelihoods(model, prompt, l)) for l in labels])
        scope = run(statements(function, "n_correct_top1", "n_correct_topk", "top1_accuracy", "topk_accuracy"), {"samples": samples})
        right = [[l == target for l in labels] for _, target in OCCUPATIONS]
        found.append({"top1": scope["top1_accuracy"], "top3": scope["topk_accuracy"], "mrr": float(sklearn.metrics.label_ranking_average_precision_score(right, whole))})
    return {"labels": labels, "items": OCCUPATIONS, "found": found}


def general():
    texts = ["All about the zebra. It eats seeds and lives in the wetland.", "Music was heard by the river late in the year.", "Caf\u00e9 Reville is a bakery in Saint Reville, and it is open on most days of the year."]
    # Right by its likelihood, and right by its likelihood a character.
    choices = [["Jonas Fikrim works as a", LABELS, 3], ["Mark Reed works as a", LABELS, 1], ["The official language of Lower Sonia is", ["Broese", "Neese and some Broese of the south"], 0], ["Jonas Fikrim gives speeches in", ["Fuish", "Saese", "a very loud voice in Fuish"], 2]]
    [process] = [n for n in named(tree(at.lmeval / "lm_eval/api/task.py"), "process_results") if "OUTPUT_TYPE" in ast.unparse(n)]
    aggregate = run(named(tree(at.lmeval / "lm_eval/api/metrics.py"), "bits_per_byte", "weighted_mean", "mean"), {"math": __import__("math"), "re": __import__("re")})
    softmax = lambda x: np.exp(x - np.max(x)) / np.exp(x - np.max(x)).sum()
    scope = run([process], {"np": np, "utils": types.SimpleNamespace(softmax=softmax)})
    counts = run(named(tree(at.lmeval / "lm_eval/api/task.py"), "count_bytes", "count_words"), {"re": __import__("re")})

    def task(output, metrics, doc):
        return types.SimpleNamespace(OUTPUT_TYPE=output, _metric_fn_list={m: None for m in metrics}, multiple_input=0, multiple_target=0, doc_to_choice=lambda _: doc[1], doc_to_target=lambda _: doc[2] if output == "multiple_choice" else doc, config=types.SimpleNamespace(process_results=None, doc_to_choice=None), count_bytes=lambda text: counts["count_bytes"](None, text), count_words=lambda text: counts["count_words"](None, text))

    found = []
    for model in MODELS:
        right = collections.defaultdict(list)
        for doc in choices:
            results = [(sum(log_likelihoods(model, doc[0], c)), False) for c in doc[1]]
            for name, value in scope["process_results"](task("multiple_choice", ["acc", "acc_norm"], doc), doc, results).items(): right[name].append(value)
        items = []
        for text in texts:
            prompt, rest = text.split(" ", 1)
            # Counted is what is scored: all but the first word, with the space before it.
            of = scope["process_results"](task("loglikelihood_rolling", ["bits_per_byte"], " " + rest), " " + rest, [sum(log_likelihoods(model, prompt, rest))])
            items.append(of["bits_per_byte"])
        found.append({name: aggregate["mean"](values) for name, values in right.items()} | {"bits_per_byte": aggregate["bits_per_byte"](items)})
    return {"texts": texts, "choices": choices, "found": found}


tables = {"counterfact": counterfact(), "tokens": tokens(), "mquake": multi_hop(), "cka": assessment(), "ecbd": spans(), "bios": occupations(), "general": general()}
(HERE / "tables.json").write_text(json.dumps(tables, indent=1, ensure_ascii=False) + "\n")
for name, table in tables.items(): print(name, {k: v for k, v in table.items() if k not in ("records", "sentences", "pairs", "facts", "items", "labels", "texts", "choices")})
