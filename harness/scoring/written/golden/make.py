"""What kmeng01/rome's own functions make of texts: n-gram entropy over NLTK's words, similarity of TF-IDF weights.

    pip install nltk==3.10 scikit-learn scipy numpy
    git clone https://github.com/kmeng01/rome      # 0874014
    python make.py --rome DIR                      # writes ./expected.json

NLTK cuts texts into sentences by a trained model that must be downloaded; here the sentences are given, and their words are those of the tokenizer that
`word_tokenize` uses for each.
"""
import argparse, ast, json, pathlib
from itertools import chain
import nltk, numpy as np, scipy, scipy.sparse as sp
from nltk.tokenize import NLTKWordTokenizer
from sklearn.feature_extraction.text import TfidfVectorizer

HERE = pathlib.Path(__file__).parent
SENTENCES = [
    "Ada Lovelace (1815-1852) wrote the first program, didn't she?",
    'He said: "It\'s 3.50, isn\'t it -- or $4,000?"',
    "We're gonna see whether they cannot... well, wanna stop!",
    "The dogs' owners; the cat's toys & the `quoted' words.",
    "\u201cSmart quotes\u201d \u2014 and \u00abguillemets\u00bb: l'\u00e9t\u00e9, caf\u00e9s.",
    "More'n enough, 'tis true; gimme 50% of it [now] {soon}.",
    "No end here",
    "Is it? 'Yes', they'd've said.",
]
TEXTS = [
    [SENTENCES[0], SENTENCES[2]],
    ["The bridge is in Oslo.", "The bridge is in Oslo.", "The bridge is in Oslo."],
    [SENTENCES[1]],
    ["Word"],
    ["Two words"],
    ["Marie studied physics in Paris, and physics in Warsaw.", "She won two prizes.", "She died in 1934."],
]
SNIPPETS = ["Ada works as a nurse in a hospital.", "The nurse, Bo_b, was born in Lima; Lima is old.", "A caf\u00e9 in Lima, a Caf\u00e9 in Oslo. X y z 42."]
PAIRS = [
    ["Ada is a nurse. Ada works in Lima.", " ".join(SNIPPETS[:2])],
    ["A caf\u00e9 with 42 nurses in Oslo", SNIPPETS[2]],
    ["hospital", SNIPPETS[0]],
]

arguments = argparse.ArgumentParser()
arguments.add_argument("--rome", required=True)
at = arguments.parse_args()
scope = {"np": np, "scipy": scipy, "nltk": nltk, "TfidfVectorizer": TfidfVectorizer}
source = pathlib.Path(f"{at.rome}/experiments/py/eval_utils_counterfact.py").read_text()
for node in ast.parse(source).body:
    if isinstance(node, ast.FunctionDef) and node.name in ("compute_n_gram_entropy", "compute_freq", "n_gram_entropy", "tfidf_similarity"):
        code = ast.get_source_segment(source, node).replace(".A\n", ".toarray()\n")
        exec(code, scope)

words = NLTKWordTokenizer()
given = {" ".join(text): text for text in TEXTS}
nltk.word_tokenize = lambda text: list(chain(*[words.tokenize(s) for s in given[text]]))

vec = TfidfVectorizer()
vec.fit(SNIPPETS)

expected = {
    "words": [[s, words.tokenize(s)] for s in SENTENCES],
    "entropies": [[" ".join(t), float(scope["compute_n_gram_entropy"](" ".join(t)))] for t in TEXTS],
    "fluency": scope["n_gram_entropy"]([" ".join(t) for t in TEXTS]),
    "snippets": SNIPPETS,
    "similarities": [[a, b, scope["tfidf_similarity"](a, b, vec)] for a, b in PAIRS],
}
(HERE / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")
