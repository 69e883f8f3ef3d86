"""What `tokenizers` makes of every part of a tokenizer.json that is accepted (components.ts).

    pip install tokenizers==0.23
    python components.py      # writes ./components.json
"""
import json, pathlib
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
TEXTS = ["The capital of France is Paris, and the zebra's stripes are black and white. 12345 times 67 is 827115?",
         "Model editing writes one fact into a language model without training it again; what else changes?",
         "  two  spaces,   three; caf\u00e9 cafe\u0301 na\u00efve \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u4eba\u5de5\u667a\u80fd\u548c\u8bed\u8a00 \u00bd \u2167"] * 4
# What JavaScript and Rust see otherwise: white space, and digits of other scripts.
ODD = ["\ufeff!", " \ufeff!", "a\ufeff!", "\u0085 !", "!\u0085", "a\u00bd", "\u06639", "x\u0663", "9\u00bd\u2167", "\u2167a"]
STRINGS = [*ODD, "The zebra", " a", "a  b", "  ", "a ", "\n", "a\n\nb", "\t x", "it's we'll IT'S", "12 1234567", "x1y22", "\u0661\u0662\u0663 \u00bd\u00b2 \u2167x", "caf\u00e9",
           "cafe\u0301", "e\u0301\u0301", "\ufb01ne \uff21", "a\ufeffb \ufeff!", "a\u0085b \u0085!", "a\u00a0b", "\u3000x", "\u200d", "\U0001F600", "\u4eba\u5de5",
           "<s>", "a<s>b", "a <s> b", "</s></s>", "<X>", "a <X> b", "<L>", "a  <L>  b", "\u2581", "a\u2581b", " \u2581 ", "\x00", "\uffff",
           "don't stop. Now, go!", "A" * 40, "ab" * 30, "tab\tin", "mixed \t \n ws", "!!!???", "new\r\nline", "\u1e9e\u00df\u0130", "a<", "<0x41>", "$1"]
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)


def byte_level():
    """With merges across words, digits and white space, so that every split matters."""
    tk = Tokenizer(models.BPE())
    tk.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tk.train_from_iterator(TEXTS + ODD * 20, trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "</s>"],
                           initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return json.loads(tk.to_str())["model"]


def pieces():
    """With byte fallback, merges that cross word starts, and no unknown characters."""
    tk = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tk.normalizer = normalizers.Replace(" ", "\u2581")
    tk.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=480, show_progress=False,
                           special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]))
    return json.loads(tk.to_str())["model"]


def main():
    base = {"bytes": byte_level(), "pieces": pieces()}
    bl = lambda **k: pre_tokenizers.ByteLevel(add_prefix_space=False, **k)
    raw = bl(use_regex=False)
    split = lambda p, behavior, invert=False: pre_tokenizers.Sequence([pre_tokenizers.Split(p, behavior, invert), raw])
    llama = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    mark = normalizers.Replace(" ", "\u2581")
    meta = pre_tokenizers.Metaspace
    variants = {
        "byte level": ("bytes", None, bl(), decoders.ByteLevel(), {}),
        "byte level with a prefix space": ("bytes", None, pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel(), {}),
        "byte level, whole texts": ("bytes", None, raw, decoders.ByteLevel(), {}),
        "ignored merges": ("bytes", None, bl(), decoders.ByteLevel(), {"ignore_merges": True}),
        "NFC, Qwen's pattern": ("bytes", normalizers.NFC(), split(Regex(QWEN), "isolated"), decoders.ByteLevel(), {}),
        "Llama 3's pattern": ("bytes", None, split(Regex(LLAMA3), "isolated"), decoders.ByteLevel(), {}),
        **{form: ("bytes", getattr(normalizers, form)(), bl(), decoders.ByteLevel(), {}) for form in ["NFD", "NFKC", "NFKD"]},
        **{f"split {b}{' inverted' if i else ''}": ("bytes", None, split(Regex(r"\s+|\p{N}"), b, i), decoders.ByteLevel(), {})
           for b in ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"] for i in [False, True]},
        "split at a text": ("bytes", None, split("a", "merged_with_previous"), decoders.ByteLevel(), {}),
        "digits": ("bytes", None, pre_tokenizers.Sequence([pre_tokenizers.Digits(False), raw]), decoders.ByteLevel(), {}),
        "digits one by one": ("bytes", None, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), raw]), decoders.ByteLevel(), {}),
        "Llama 2": ("pieces", normalizers.Sequence([normalizers.Prepend("\u2581"), mark]), None, llama, {}),
        "fused unknowns": ("pieces", mark, None, llama, {"byte_fallback": False, "fuse_unk": True}),
        "unknowns": ("pieces", mark, None, llama, {"byte_fallback": False}),
        "Gemma": ("pieces", mark, pre_tokenizers.Split(" ", "merged_with_previous"), decoders.Sequence(
            [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]), {}),
        "replace by a pattern": ("bytes", normalizers.Replace(Regex(r"\s+"), " "), bl(), decoders.ByteLevel(), {}),
        **{f"metaspace {s}{', whole' if not c else ''}": ("pieces", None, meta(prepend_scheme=s, split=c), decoders.Metaspace(prepend_scheme=s), {})
           for s in ["always", "first", "never"] for c in [True, False]},
    }
    out = {"version": tokenizers.__version__, "strings": STRINGS, "models": base, "variants": {}}
    for name, (model, normalizer, pre, decoder, flags) in variants.items():
        tk = Tokenizer(models.BPE())
        if normalizer is not None:
            tk.normalizer = normalizer
        if pre is not None:
            tk.pre_tokenizer = pre
        tk.decoder = decoder
        whole = json.loads(tk.to_str())
        whole["model"] = {**base[model], **flags}
        tk = Tokenizer.from_str(json.dumps(whole))
        special = [t for t in ["<unk>", "<s>", "</s>"] if tk.token_to_id(t) is not None]
        tk.add_special_tokens(special)
        tk.add_tokens([AddedToken("<X>", normalized=False), AddedToken("<L>", lstrip=True, rstrip=True, normalized=True)])
        whole = json.loads(tk.to_str())
        ids = [tk.encode(s, add_special_tokens=False).ids for s in STRINGS]
        out["variants"][name] = {"json": {**whole, "model": model}, "flags": flags, "ids": ids,
                                 "decoded": [tk.decode(i, skip_special_tokens=False) for i in ids]}
    (HERE / "components.json").write_text(json.dumps(out) + "\n")


main()
