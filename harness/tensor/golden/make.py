"""Numbers of torch.optim.AdamW and Muon for harness/tensor/optimizer.test.ts and muon.test.ts.

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


def muon():
    """torch's Muon casts to bfloat16 before Newton-Schulz: here the same function in 64 bits."""
    import torch.optim._muon as module

    class Wide:
        bfloat16 = torch.float64

        def __getattr__(self, name):
            return getattr(torch, name)

    module.torch = Wide()
    cases = []
    for shape in [(3, 3), (4, 6), (6, 4), (3, 8), (8, 3)]:
        start = torch.randn(shape, dtype=torch.float64)
        p = start.clone().requires_grad_(True)
        optimizer = torch.optim.Muon([p], lr=1.0, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
        rates, gradients, steps = [0.1, 0.05, 0.02], [], []
        for rate in rates:
            gradient = torch.randn(shape, dtype=torch.float64)
            gradients.append(gradient.flatten().tolist())
            p.grad = gradient.clone()
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            steps.append(p.detach().flatten().tolist())
        cases.append({"shape": shape, "rates": rates, "start": start.flatten().tolist(), "gradients": gradients, "steps": steps})
    return cases


Path(__file__).with_name("muon.json").write_text(json.dumps({"torch": torch.__version__, "cases": muon()}, indent=1) + "\n")
