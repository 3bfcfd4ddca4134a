"""Writes the .bin files of this folder with PyTorch (2.15 made the ones that are here).

The tests know the values by rule: element i of each tensor is i - 2 (before any transposition).
"""

import collections
import pathlib

import torch

folder = pathlib.Path(__file__).parent


def values(*shape, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    return (torch.arange(count) - 2).to(dtype).reshape(shape)


shared = values(10)
state = collections.OrderedDict(
    f32=values(2, 3),
    f16=values(2, 3, dtype=torch.float16),
    bf16=values(2, 3, dtype=torch.bfloat16),
    transposed=values(2, 3).t(),
    transposed_f16=values(2, 3, 4, dtype=torch.float16).permute(2, 0, 1),
    tail=shared[4:],
    every_second=shared[::2],
    scalar=torch.tensor(7.0),
    empty=torch.zeros(0, 4),
    parameter=torch.nn.Parameter(values(3)),
)
state["embeddings.position_ids"] = torch.arange(5)[None]
state._metadata = collections.OrderedDict({"": {"version": 1}})

torch.save(state, folder / "zip.bin")
torch.save({"state_dict": dict(state), "step": 3}, folder / "nested.bin")
torch.save(state, folder / "legacy.bin", _use_new_zipfile_serialization=False)
torch.save({"weights": torch.arange(4)}, folder / "integers.bin")
