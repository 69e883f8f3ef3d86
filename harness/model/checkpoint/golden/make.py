"""Small PyTorch checkpoints of every kind, and a hostile one, for harness/model/checkpoint/torch.test.ts.

    pip install torch && python harness/model/checkpoint/golden/make.py
"""

import json
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch

HERE = Path(__file__).parent
torch.manual_seed(0)


def tensors():
    base = torch.randn(4, 3)
    return OrderedDict(
        f32=base,
        tied=base,  # shares the storage
        f16=torch.randn(5).half(),
        bf16=torch.randn(2, 2).bfloat16(),
        f64=torch.randn(3).double(),
        part=torch.randn(6, 2)[2:4],  # starts inside its storage
        parameter=torch.nn.Parameter(torch.randn(2)),
        scalar=torch.tensor(1.5),
        empty=torch.zeros(0, 3),
        mask=torch.tensor([True, False]),
        ids=torch.arange(3),
    )


state = tensors()
torch.save(state, HERE / "zip.bin")
torch.save(state, HERE / "stream.bin", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "state_dict": state, "lr": 0.1, "name": "run"}, HERE / "training.bin")
transposed = torch.randn(3, 2).t()
torch.save({"t": transposed}, HERE / "transposed.bin")
torch.save(torch.nn.Linear(2, 2), HERE / "module.bin")  # a pickled class, not a dictionary of tensors


class Hostile:
    def __reduce__(self):
        return (os.system, ("touch /tmp/owned-by-a-checkpoint",))


with zipfile.ZipFile(HERE / "hostile.bin", "w", zipfile.ZIP_STORED) as archive:
    archive.writestr("archive/data.pkl", pickle.dumps({"w": Hostile()}, protocol=2))
with zipfile.ZipFile(HERE / "compressed.bin", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}, protocol=2) * 50)
(HERE / "hostile-stream.bin").write_bytes(pickle.dumps(Hostile(), protocol=2))

expected = {
    "torch": torch.__version__,
    "transposed": {"shape": list(transposed.shape), "values": transposed.double().flatten().tolist()},
    "tensors": {
        name: {"shape": list(t.shape), "values": t.detach().double().flatten().tolist()}
        for name, t in state.items()
        if t.dtype.is_floating_point
    },
    "others": ["mask", "ids"],
}
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
