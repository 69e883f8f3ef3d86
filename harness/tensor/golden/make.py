"""Numbers of torch.optim.AdamW for harness/tensor/optimizer.test.ts.

    pip install torch && python harness/tensor/golden/make.py
"""

import json
from pathlib import Path

import torch

torch.manual_seed(0)


def run(decay, clip, rates):
    start = torch.randn(5, dtype=torch.float64)
    p = start.clone().requires_grad_(True)
    optimizer = torch.optim.AdamW([p], lr=rates[0], betas=(0.9, 0.95), eps=1e-8, weight_decay=decay)
    gradients, steps = [], []
    for rate in rates:
        gradient = torch.randn(5, dtype=torch.float64)
        gradients.append(gradient.tolist())
        p.grad = gradient.clone()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_([p], clip)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        steps.append(p.detach().tolist())
    return {"decay": decay, "clip": clip, "rates": rates, "start": start.tolist(), "gradients": gradients, "steps": steps}


cases = [run(0.0, None, [0.5] * 6), run(0.1, 1.0, [0.1, 0.2, 0.05, 0.01]), run(0.3, None, [2e-3] * 5)]
Path(__file__).with_name("adamw.json").write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1) + "\n")
