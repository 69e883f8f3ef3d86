"""What transformers makes of the embedded models: writes ./embedded.json.

    pip install torch==2.15 transformers==5.24 safetensors
    python embedded.py
"""
import json, pathlib
import torch, transformers

HERE = pathlib.Path(__file__).parent
PROMPTS = ["The zebra eats", "What is the main food of the otter?", "All about Dario Hebrin. This person was born in", "How do you view tea?"]
expected = {}
for folder in sorted((HERE.parent / "embedded").iterdir()):
    if not (folder / "config.json").exists(): continue
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    answers = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, -1]
            said = model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=0)[0, ids.shape[1]:]
        top = logits.topk(5)
        answers.append({"prompt": prompt, "ids": ids[0].tolist(), "top": top.indices.tolist(), "logits": [round(x, 5) for x in top.values.tolist()], "said": said.tolist()})
    expected[folder.name] = {"answers": answers, "parameters": sum(p.numel() for p in model.parameters())}
(HERE / "embedded.json").write_text(json.dumps(expected, indent=1) + "\n")
