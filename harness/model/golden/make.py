"""Makes tiny random checkpoints of every architecture and what transformers computes with them.

    pip install torch==2.15 transformers==5.23 tokenizers==0.23 safetensors
    python make.py            # writes a folder for every architecture and ./expected.json
    python make.py NAME ...   # only these, added to what is there

Versions used for the committed files are in expected.json.
"""
import json, pathlib, shutil, sys
import tokenizers, torch, transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (GPT2Config, GPT2LMHeadModel, GPTJConfig, GPTJForCausalLM, LlamaConfig, LlamaForCausalLM,
                          PreTrainedTokenizerFast)

HERE = pathlib.Path(__file__).parent
TEXTS = ["The capital of France is Paris, and the zebra's stripes are black and white. 12345 times 67 is 827115?",
         "Model editing writes one fact into a language model without training it again; what else changes?",
         "\u4eba\u5de5\u667a\u80fd\u548c\u8bed\u8a00\u6a21\u578b \U0001F600 caf\u00e9 na\u00efve \u0440\u0443\u0441\u0441\u043a\u0438\u0439"] * 3

PROMPTS = ["The", "The capital of France is", "What is the zebra's colour? It is black and", "12 times 3 is"]


def tokenizer(vocab):
    tk = Tokenizer(models.BPE())
    tk.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tk.decoder = decoders.ByteLevel()
    tk.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=vocab, special_tokens=["<|endoftext|>"],
                           initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=tk, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def awkward():
    """200 strings that tokenizers get wrong."""
    fixed = ["", " ", "  ", "   a", "a ", "a  b", "\t", "\n", "\n\n", " \n ", "\r\n", "a\nb", "\u00a0", "\u3000", "\u200b",
             "\u200d", "\ufeff", "\x00", "\x01\x02", "\x7f", "\x1b[0m", "'s", "it's", "IT'S", "'S", "don't", "we'll've",
             "'", "''", "\u2019s", "<|endoftext|>", "a<|endoftext|>b", "<|endoftext|> x", "< |endoftext|>", "<s>", "{}", "{0}",
             "\U0001F600", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F1E9\U0001F1EA", "\u2764\ufe0f", "e\u0301", "\u00e9",
             "\u1e9e", "\u00df", "\u0130", "\u01c5", "\u4eba\u5de5\u667a\u80fd", "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
             "\ud55c\uad6d\uc5b4", "\u0639\u0631\u0628\u064a", "\u05e2\u05d1\u05e8\u05d9\u05ea", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e44\u0e17\u0e22",
             "\u2160\u00b2\u00bd", "\u0661\u0662\u0663", "1", "12345678901234567890", "1,234.56", "1e-5", "0x1F", "3.14", "a1b2", "A" * 300,
             "ab" * 150, "https://example.org/a?b=c&d=%20#e", "user@example.org", "C:\\a\\b", "a_b-c.d", "#hash @at $1 ^x &y *z",
             "!!!???...", "\u2014\u2013-", "\u201cquoted\u201d", "\u00ab\u00bb", "(a)[b]{c}<d>", "\\n", "\\", "/", "|", "~`", "\u20ac\u00a3\u00a5",
             "\u2200x\u2208\u211d", "\u2192\u21d2", "\U0001D4D0\U0001D4D1", "\ud7a3", "\uffff", "\U0010ffff", "a\u0300\u0301\u0302", "\u0f0b",
             "  leading", "trailing  ", " both ", "tab\tin", "new\n\nline ", "mixed \t \n ws", "CamelCaseWord", "ALL CAPS", "x" * 7 + " " * 5 + "y"]
    words = ["The", " capital", "\u4eba", " \U0001F600", "'s", " 12", "\n", "  ", "\u00e9", "zebra", "\x00", "\u200d", "?", " a"]
    out, i = fixed[:], 0
    while len(out) < 200:
        out.append("".join(words[(i * 7 + k * (k + 3 + i)) % len(words)] for k in range(2 + i % 6)))
        i += 1
    return out[:200]


def main():
    torch.manual_seed(0)
    common = dict(vocab_size=384, bos_token_id=0, eos_token_id=0)
    made = {
        "gpt2": (GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=3, n_head=4, n_positions=64, resid_pdrop=0, embd_pdrop=0,
                                           attn_pdrop=0, initializer_range=0.2, **common)), torch.float32, "5GB"),
        "gptj": (GPTJForCausalLM(GPTJConfig(n_embd=32, n_layer=4, n_head=2, rotary_dim=8, n_positions=64, resid_pdrop=0,
                                           embd_pdrop=0, attn_pdrop=0, initializer_range=0.2, tie_word_embeddings=False, **common)), torch.float16, "5GB"),
        "llama": (LlamaForCausalLM(LlamaConfig(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                                              intermediate_size=80, max_position_embeddings=64, initializer_range=0.2,
                                              rms_norm_eps=1e-5, tie_word_embeddings=False, **common)), torch.bfloat16, "60KB"),
    }
    common_gated = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
                        max_position_embeddings=64, initializer_range=0.2, rms_norm_eps=1e-5, **common)
    T = transformers
    # Windows are shorter than the prompts, so that they matter.
    more = {
        "gpt-neox": lambda: T.GPTNeoXForCausalLM(T.GPTNeoXConfig(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, max_position_embeddings=64, rotary_pct=0.5,
            initializer_range=0.2, hidden_dropout=0, attention_dropout=0, **common)),
        "gpt-neox-sequential": lambda: T.GPTNeoXForCausalLM(T.GPTNeoXConfig(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64, rotary_pct=0.25,
            use_parallel_residual=False, hidden_act="gelu_new", initializer_range=0.2, **common)),
        "opt": lambda: T.OPTForCausalLM(T.OPTConfig(
            hidden_size=32, word_embed_proj_dim=32, num_hidden_layers=3, num_attention_heads=4, ffn_dim=64, max_position_embeddings=64,
            init_std=0.2, dropout=0, pad_token_id=1, **common)),
        "llama3": lambda: T.LlamaForCausalLM(T.LlamaConfig(
            **common_gated, tie_word_embeddings=True, attention_bias=True, mlp_bias=True,
            rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                 original_max_position_embeddings=32))),
        "llama-linear": lambda: T.LlamaForCausalLM(T.LlamaConfig(
            **common_gated, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
        "mistral": lambda: T.MistralForCausalLM(T.MistralConfig(**common_gated, sliding_window=5)),
        "qwen2": lambda: T.Qwen2ForCausalLM(T.Qwen2Config(
            **common_gated, use_sliding_window=True, sliding_window=4, max_window_layers=1, tie_word_embeddings=True)),
        "qwen2-yarn": lambda: T.Qwen2ForCausalLM(T.Qwen2Config(
            **common_gated, rope_parameters=dict(rope_type="yarn", rope_theta=1000.0, factor=4.0, original_max_position_embeddings=16))),
        "qwen3": lambda: T.Qwen3ForCausalLM(T.Qwen3Config(**common_gated, head_dim=16)),
        "gemma": lambda: T.GemmaForCausalLM(T.GemmaConfig(**common_gated, head_dim=16, hidden_activation="gelu_pytorch_tanh")),
        "gemma2": lambda: T.Gemma2ForCausalLM(T.Gemma2Config(
            **common_gated, head_dim=16, query_pre_attn_scalar=24, sliding_window=4, attn_logit_softcapping=3.0, final_logit_softcapping=5.0)),
        "gemma3": lambda: T.Gemma3ForCausalLM(T.Gemma3TextConfig(
            **common_gated, head_dim=16, query_pre_attn_scalar=24, sliding_window=4,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_parameters=dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e4),
                                 sliding_attention=dict(rope_type="default", rope_theta=100.0)))),
        "gptj-tied": lambda: GPTJForCausalLM(GPTJConfig(
            n_embd=32, n_layer=3, n_head=2, rotary_dim=8, n_positions=64, initializer_range=0.2, tie_word_embeddings=True, **common)),
        "gemma3-local": lambda: T.Gemma3ForCausalLM(T.Gemma3TextConfig(
            **common_gated, head_dim=16, query_pre_attn_scalar=24, sliding_window=4, final_logit_softcapping=3.0,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_parameters=dict(full_attention=dict(rope_type="default", rope_theta=1e4),
                                 sliding_attention=dict(rope_type="linear", factor=4.0, rope_theta=1e4)))),
    }
    only = sys.argv[1:]
    strings = awkward()
    expected = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                             "tokenizers": tokenizers.__version__}, "prompts": PROMPTS, "models": {}}
    tk = tokenizer(384)
    def perturb(model):
        with torch.no_grad():
            for p in model.parameters():  # norms and biases should matter too
                p.add_(torch.randn_like(p) * 0.05)
    def save(name, model, dtype, shard):
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        model.to(dtype).save_pretrained(folder, max_shard_size=shard)
        tk.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
    if only:
        made = {}
    for name, (model, dtype, shard) in made.items():
        perturb(model)
        save(name, model, dtype, shard)
    for i, (name, make) in enumerate(more.items()):
        if only and name not in only:
            continue
        torch.manual_seed(100 + i)
        model = make()
        perturb(model)
        save(name, model, torch.float32 if i % 2 else torch.bfloat16, "5GB")
        made[name] = (model, None, None)
    for name, (model, _, _) in made.items():
        folder = HERE / name
        model = type(model).from_pretrained(folder, dtype=torch.float32).eval()
        entry = {"logits": [], "greedy": []}
        for prompt in PROMPTS:
            ids = torch.tensor([tk(prompt, add_special_tokens=False)["input_ids"]])
            with torch.no_grad():
                logits = model(ids).logits[0]
                out = ids
                for _ in range(6):
                    out = torch.cat([out, model(out).logits[:, -1:].argmax(-1)], 1)
            # Every position, a sample of the vocabulary.
            entry["logits"].append([[round(v, 6) for v in row[::16].tolist()] for row in logits])
            entry["greedy"].append(out[0, ids.shape[1]:].tolist())
        expected["models"][name] = entry
    if only:
        before = json.loads((HERE / "expected.json").read_text())
        before["models"].update(expected["models"])
        (HERE / "expected.json").write_text(json.dumps(before) + "\n")
        return
    expected["strings"] = strings
    expected["ids"] = [tk(s, add_special_tokens=False)["input_ids"] for s in strings]
    expected["decoded"] = [tk.decode(i, clean_up_tokenization_spaces=False) for i in expected["ids"]]
    (HERE / "expected.json").write_text(json.dumps(expected) + "\n")


main()
