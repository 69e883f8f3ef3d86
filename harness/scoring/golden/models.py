"""gptj-mini as it is, and with a change of one of its weights, or a part of it: what the scripts beside this file score."""
import pathlib
import torch, transformers

MODEL = pathlib.Path(__file__).parent.parent.parent / "model/embedded/gptj-mini"

tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token


def changed(part):
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    weight = model.transformer.h[2].mlp.fc_out.weight
    with torch.no_grad():
        u = torch.tensor([2.0 * ((7 * i) % 11 - 5) for i in range(weight.shape[0])])
        v = torch.tensor([0.02 * ((5 * i) % 13 - 6) for i in range(weight.shape[1])])
        weight += part * torch.outer(u, v)
    return model


before, after = changed(0.0), changed(1.0)
