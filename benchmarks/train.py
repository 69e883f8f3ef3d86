"""The same model, optimizers and batches in PyTorch, for benchmarks/train.ts: prints tokens a second.

    python3 benchmarks/train.py FOLDER STEPS BATCH SEQ THREADS
"""

import sys
import time

import torch
from transformers import AutoConfig, AutoModelForCausalLM

folder, steps, batch, seq, threads = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(threads)
torch.manual_seed(0)
config = AutoConfig.from_pretrained(folder)
model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
hidden = [p for n, p in model.named_parameters() if p.ndim == 2 and (".h." in n or ".layers." in n)]
rest = [p for p in model.parameters() if not any(p is q for q in hidden)]
optimizers = [
    torch.optim.Muon(hidden, lr=2e-3, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
    torch.optim.AdamW(rest, lr=2e-3, betas=(0.9, 0.95), weight_decay=0.1),
]
times = []
for step in range(steps):
    ids = torch.randint(config.vocab_size, (batch, seq))
    start = time.perf_counter()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    times.append(time.perf_counter() - start)
print(batch * seq / sorted(times[2:])[len(times[2:]) // 2])
