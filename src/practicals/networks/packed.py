"""Decode SqueezeNet 1.0 from its Deep Compression file (Han, Mao & Dally, ICLR 2016).

The file prunes, quantises and packs every layer: per layer a codebook of 256 values, the biases,
one 8-bit code per stored entry and the 4-bit gap to the entry before it. It is decoded once, into
the data folder. The decoder is in the package since a first load must not need a second command;
``tools/convert_weights`` calls the same.
"""

import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torchvision.models import squeezenet1_0

from ..data import fetch
from ..data.images import IMAGENET_MEAN, IMAGENET_STD
from ..paths import atomic_path, data_dir

PACKED, DECODED = "compressed_SqueezeNet.net", "squeezenet1_0-packed.pth"
"""The published file, and what becomes of it, by their names in the registry."""
CODEBOOK = 256
CAFFE_MEAN_BGR = (104.0, 117.0, 123.0)


class DecodeError(ValueError):
    """Raised for a file that is not a whole, unaltered Deep Compression SqueezeNet."""


class _Reader:
    """Sequential reads from a buffer, each checked against what is left."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, dtype: str, count: int, what: str) -> np.ndarray:
        size = np.dtype(dtype).itemsize * count
        if self.at + size > len(self.data):
            raise DecodeError(
                f"the file ends inside {what}: {size:,} bytes expected at offset {self.at:,}, "
                f"{len(self.data) - self.at:,} left. It is truncated; fetch it again."
            )
        self.at += size
        return np.frombuffer(self.data, dtype, count, self.at - size)


def _layer_shapes() -> dict[str, tuple[int, ...]]:
    """Return the 26 convolutions of torchvision's SqueezeNet in network order."""
    with torch.device("meta"):
        state = squeezenet1_0().state_dict()
    return {
        key.removesuffix(".weight"): tuple(value.shape)
        for key, value in state.items()
        if key.endswith(".weight")
    }


def _unpack_nibbles(packed: np.ndarray, count: int) -> np.ndarray:
    """Split bytes into 4-bit numbers, the low half first."""
    return np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[:count]


def _read_layer(reader: _Reader, name: str, shape: tuple[int, ...], stored: int) -> dict:
    """Read one layer's codebook, biases, codes and gaps; return its weight and bias."""
    codebook = reader.take("<f4", CODEBOOK, f"{name}'s codebook")
    bias = reader.take("<f4", shape[0], f"{name}'s biases")
    codes = reader.take("u1", stored, f"{name}'s codes")
    gaps = _unpack_nibbles(reader.take("u1", math.ceil(stored / 2), f"{name}'s gaps"), stored)
    positions = np.cumsum(gaps.astype(np.int64) + 1) - 1
    size = math.prod(shape)
    if stored and positions[-1] >= size:
        raise DecodeError(
            f"{name}: an entry points at position {positions[-1]:,} of {size:,}. "
            "The file is altered or of another network; fetch it again."
        )
    flat = np.full(size, codebook[0], np.float32)
    flat[positions] = codebook[codes]
    if not (np.isfinite(flat).all() and np.isfinite(bias).all()):
        raise DecodeError(f"{name}: a weight is not a number. The file is altered; fetch it again.")
    return {"weight": torch.from_numpy(flat.reshape(shape)), "bias": torch.from_numpy(bias.copy())}


def fold_caffe_input(
    weight: torch.Tensor,
    bias: torch.Tensor,
    mean_bgr: tuple[float, float, float] = CAFFE_MEAN_BGR,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fold Caffe's input convention into a first convolution.

    The given weight (out, 3, kh, kw) expects BGR in 0–255 minus ``mean_bgr``; the returned one
    expects torchvision's normalised RGB. Exact for a convolution without padding; with it the
    border is exact up to the difference of the two means, at most half a grey level for VGG's.
    """
    std, mean = torch.tensor(IMAGENET_STD), torch.tensor(IMAGENET_MEAN)
    rgb = weight.flip(1)
    shift = 255 * mean - torch.tensor(mean_bgr).flip(0)
    return rgb * (255 * std).view(1, 3, 1, 1), bias + (rgb * shift.view(1, 3, 1, 1)).sum((1, 2, 3))


def decode(data: bytes) -> dict[str, torch.Tensor]:
    """Decode a published file's bytes to a state dict of ``torchvision.models.squeezenet1_0``.

    The state dict is float32 and takes torchvision's normalisation. Raise DecodeError for a file
    that is truncated, altered or longer than its header says.
    """
    shapes, reader = _layer_shapes(), _Reader(data)
    counts = reader.take("<u4", len(shapes), "the header of 26 counts")
    for (name, shape), stored in zip(shapes.items(), counts, strict=True):
        if not 0 < stored <= math.prod(shape):
            raise DecodeError(
                f"{name}: {stored:,} stored entries for {math.prod(shape):,} weights. "
                "The file is altered or of another network; fetch it again."
            )
    state: dict[str, torch.Tensor] = {}
    for (name, shape), stored in zip(shapes.items(), counts, strict=True):
        layer = _read_layer(reader, name, shape, int(stored))
        if name == "features.0":
            layer["weight"], layer["bias"] = fold_caffe_input(layer["weight"], layer["bias"])
        state |= {f"{name}.{kind}": value for kind, value in layer.items()}
    if reader.at != len(data):
        raise DecodeError(f"{len(data) - reader.at:,} bytes follow the last layer; fetch it again.")
    return state


def load(path: Path) -> dict[str, torch.Tensor]:
    """Decode the published file at ``path`` and keep the result in the data folder as ``DECODED``.

    Raise DecodeError as ``decode`` does, and where the result is not the network that was measured.
    """
    asset, state = fetch.load()[DECODED], decode(Path(path).read_bytes())
    if wrong := fetch.state_problem(asset, state):
        raise DecodeError(f"{path} is not the SqueezeNet that was measured: {wrong}")
    # A data folder that cannot be written costs a tenth of a second at the next load, no more.
    with suppress(OSError), atomic_path(data_dir() / asset.path) as part, part.open("wb") as file:
        torch.save(state, file)
    return state
