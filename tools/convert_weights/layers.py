"""Turn the layer files of three public repositories into state dicts of the project's networks.

The authors publish one file of little-endian float32 for each filter, bias or layer. Nothing is
fetched here: whoever fetches asks ``files`` for names and sizes and hands the bytes to ``convert``.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import numpy as np
import torch
from torch import nn
from torchvision.models import vgg16

from practicals.networks.googlenet import GoogLeNet
from practicals.networks.inception import Trunk
from practicals.networks.packed import fold_caffe_input

State = dict[str, torch.Tensor]
BATCH_NORM_EPS = 1e-3
VGG_MEAN_BGR = (103.939, 116.779, 123.68)
VGG_LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Places of conv1_1 to conv5_3 in torchvision's ``features``."""
VGG_SHA256 = {
    2: ("6081d90b6aca6161", "4b72fa1a0ca6aaf2"),
    5: ("491a8e30a4c76a08", "9319bfabce800a0e"),
    7: ("cbb517762fcfe5bc", "753369cbe1f3df5c"),
    10: ("fc70f93781697472", "bfb7228878910873"),
    12: ("b39ec176edc51201", "2dfcb4bb7f8a1bfe"),
    14: ("da140d479f33d3d9", "bd23367d71708929"),
    17: ("30b22f47a7a6f1ac", "c33c2dcc6290bb0f"),
    19: ("132fc2c8cae6306c", "c36252293630a716"),
    21: ("300ab4ad4bb9385b", "59a2abf76b13ac13"),
    24: ("d4f6aa1ba73f44e0", "312ab22d6dece721"),
    26: ("657b49dc03073c86", "16bb5bca01eefdf7"),
    28: ("7518c45f768317b9", "384c7a4f72e853a0"),
}
"""First digits of the SHA-256 of each later layer's kernel and bias, float32, in torch's order."""
PIECE = 4 << 20
"""Bytes after which the repository of VGG16 cuts a layer's file."""
VGG_FIRST = ("features.0.weight", "features.0.bias")
CAFFE_LAYERS = {
    "conv1": "conv1/7x7_s2",
    "conv2_reduce": "conv2/3x3_reduce",
    "conv2": "conv2/3x3",
    "fc": "loss3/classifier",
}
INCEPTION_STEM = tuple(f"Conv2d_{name}" for name in "1a_3x3 2a_3x3 2b_3x3 3b_1x1 4a_3x3".split())
INCEPTION_BLOCKS = tuple(f"Mixed_{name}" for name in "5b 5c 5d 6a 6b 6c 6d 6e 7a".split())
TOWERS = {
    "branch1x1": "",
    "branch5x5": "tower_",
    "branch7x7": "tower_",
    "branch3x3dbl": "tower_1_",
    "branch7x7dbl": "tower_1_",
    "branch_pool": "tower_2_",
}
TOWERS_OF = {
    "Mixed_6a": {"branch3x3": "", "branch3x3dbl": "tower_"},
    "Mixed_7a": {"branch3x3": "tower_", "branch7x7x3": "tower_1_"},
}


class ConversionError(ValueError):
    """Raised for layer files that are absent, of another size, or hold what is not a number."""


@dataclass(frozen=True)
class Part:
    """A run of numbers in a file: the ``key`` it becomes, its stored ``shape``, the new ``order``.

    ``order`` lists the stored axes as torch wants them.
    """

    key: str
    shape: tuple[int, ...]
    order: tuple[int, ...]


Layout = dict[str, tuple[Part, ...]]


@dataclass(frozen=True)
class Source:
    """Where the layer files of one weights file lie, how they are stored, what is left to do."""

    url: str
    """The folder that holds the files; a name of ``layout`` goes behind it."""
    layout: Callable[[], Layout]
    finish: Callable[[State], State]
    in_pieces: bool = False
    """Whether a file is cut into pieces of ``PIECE`` bytes, ``NAME-shardKofM``."""


def _shapes(make: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's state dict, which takes no memory."""
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in make().state_dict().items()}


def _channels_last(key: str, shape: tuple[int, ...]) -> Part:
    """Return how a tensor is stored whose filters lie as (out, kh, kw, in)."""
    if len(shape) != 4:
        return Part(key, shape, tuple(range(len(shape))))
    out, before, height, width = shape
    return Part(key, (out, height, width, before), (0, 3, 1, 2))


def googlenet_layout() -> Layout:
    """Return GoogLeNet's 116 files: a filter and a bias for each of Caffe's layers."""
    layout: Layout = {}
    for key, shape in _shapes(GoogLeNet).items():
        layer, kind = key.rsplit(".", 1)
        module, _, branch = layer.partition(".")
        name = f"inception_{module[1:]}/{branch[1:]}" if branch else CAFFE_LAYERS[layer]
        file = f"{name}_{'filter' if kind == 'weight' else 'bias'}.bin"
        layout[file] = (_channels_last(key, shape),)
    return layout


def _inception_name(layer: str) -> str:
    """Return TensorFlow's name of a convolution of the trunk: mixed_4_tower_1_conv_2."""
    if layer in INCEPTION_STEM:
        block, tower, step = "", "", INCEPTION_STEM.index(layer)
    else:
        module, path = layer.split(".")
        branch, number = re.findall(r"^(\w+?)(?:_(\d))?$", path)[0]
        at = INCEPTION_BLOCKS.index(module)
        block = f"mixed_{at}_" if at else "mixed_"
        tower = TOWERS_OF.get(module, TOWERS)[branch]
        step = int(number or 1) - 1
    return f"{block}{tower}conv" + (f"_{step}" if step else "")


def inception_layout() -> Layout:
    """Return the files of Inception v3's trunk: weights and folded bias of each convolution."""
    layout: Layout = {}
    for key, shape in _shapes(Trunk).items():
        if key.endswith(".conv.weight"):
            layer = key.removesuffix(".conv.weight")
            name = _inception_name(layer)
            layout[f"weights_{name}.dat"] = (_channels_last(key, shape),)
            layout[f"bias_{name}.dat"] = (Part(f"{layer}.bn.bias", shape[:1], (0,)),)
    return layout


def vgg16_layout(convolutions: int = len(VGG_LAYERS)) -> Layout:
    """Return VGG16's first layers, a file each: a kernel (kh, kw, in, out), then a bias."""
    shapes = _shapes(vgg16)
    layout: Layout = {}
    for number, place in enumerate(VGG_LAYERS[:convolutions], 1):
        key = f"features.{place}.weight"
        out, before, height, width = shapes[key]
        kernel = Part(key, (height, width, before, out), (3, 2, 0, 1))
        bias = Part(f"features.{place}.bias", (out,), (0,))
        layout[f"group{number}"] = (kernel, bias)
    return layout


def _halved(state: State) -> State:
    """Return the weights in half precision."""
    return {key: value.half() for key, value in state.items()}


def _with_batch_norms(state: State) -> State:
    """Return the trunk with filters halved and batch norms that add the bias and scale by one."""
    whole: State = {}
    for key, value in state.items():
        if not key.endswith(".bn.bias"):
            whole[key] = value.half()
            continue
        norm = key.removesuffix("bias")
        whole |= {key: value, f"{norm}weight": torch.ones_like(value)}
        whole[f"{norm}running_mean"] = torch.zeros_like(value)
        whole[f"{norm}running_var"] = torch.full_like(value, 1 - BATCH_NORM_EPS)
    return whole


def _with_torchvision_input(state: State) -> State:
    """Return VGG16's weights with its first convolution for torchvision's normalisation."""
    weight, bias = (state[key] for key in VGG_FIRST)
    folded = fold_caffe_input(weight, bias, VGG_MEAN_BGR)
    return state | dict(zip(VGG_FIRST, folded, strict=True))


def _checked_trunk(state: State) -> State:
    """Return VGG16's trunk halved, for torchvision's input, once every layer is the published one.

    The first layer is judged when it is whole, since nobody publishes a hash of it.
    """
    for place, digests in VGG_SHA256.items():
        for kind, digest in zip(("weight", "bias"), digests, strict=True):
            key = f"features.{place}.{kind}"
            found = sha256(state[key].numpy().tobytes()).hexdigest()
            if not found.startswith(digest):
                raise ConversionError(
                    f"vgg16-oxford-trunk.pth: {key} has sha256 {found[:16]}…, expected {digest}…: "
                    "its pieces are altered or of another network; fetch them again"
                )
    return _halved(_with_torchvision_input(state))


GITHUB = "https://raw.githubusercontent.com"
VGG_REPOSITORY = "SiddhantKapil/js_weights/7c2728ef4469aed36d22352a4d0c6b119b95bf8e"
SOURCES: dict[str, Source] = {
    "googlenet-bvlc.pth": Source(
        url=f"{GITHUB}/chaosmail/caffejs/424d98682b50dd88d0b8cca401c66855709bd013"
        "/models/bvlc_googlenet/weights",
        layout=googlenet_layout,
        finish=_halved,
    ),
    "inception_v3-trunk.pth": Source(
        url=f"{GITHUB}/hollance/Forge/04109c856237faec87deecb55126d4a20fa4f59b"
        "/Examples/Inception/Parameters",
        layout=inception_layout,
        finish=_with_batch_norms,
    ),
    "vgg16-oxford-blocks123.pth": Source(
        url=f"{GITHUB}/{VGG_REPOSITORY}",
        layout=partial(vgg16_layout, 7),
        finish=_with_torchvision_input,
        in_pieces=True,
    ),
    "vgg16-oxford-trunk.pth": Source(
        url=f"{GITHUB}/{VGG_REPOSITORY}",
        layout=vgg16_layout,
        finish=_checked_trunk,
        in_pieces=True,
    ),
}


def files(name: str) -> dict[str, int]:
    """Return the layer files of a weights file of ``SOURCES``, name to size in bytes."""
    found: dict[str, int] = {}
    for file, parts in SOURCES[name].layout().items():
        found |= _pieces(name, file, parts)
    return found


def _pieces(name: str, file: str, parts: tuple[Part, ...]) -> dict[str, int]:
    """Return the pieces that a layer's file is cut into, in order, with their sizes in bytes."""
    size = 4 * sum(math.prod(part.shape) for part in parts)
    if not SOURCES[name].in_pieces:
        return {file: size}
    count = -(-size // PIECE)
    return {f"{file}-shard{k + 1}of{count}": min(PIECE, size - k * PIECE) for k in range(count)}


def convert(name: str, raw: Mapping[str, bytes]) -> State:
    """Return the state dict of a weights file of ``SOURCES`` from the bytes of its layer files.

    ``raw`` maps the names of ``files`` to contents. Raises ConversionError where one is absent, of
    another size, or holds no number, and where a layer is not the published one.
    """
    source = SOURCES[name]
    state: State = {}
    for file, parts in source.layout().items():
        pieces = _pieces(name, file, parts)
        for piece, size in pieces.items():
            if piece not in raw:
                raise ConversionError(f"{name}: {piece} is absent")
            if len(raw[piece]) != size:
                raise ConversionError(
                    f"{name}: {piece} has {len(raw[piece]):,} bytes, expected {size:,}. "
                    "It is cut short or of another network; fetch it again."
                )
        whole = b"".join(raw[piece] for piece in pieces)
        state |= _read(np.frombuffer(whole, "<f4"), parts, f"{name}: {next(iter(pieces))}")
    return source.finish(state)


def _read(numbers: np.ndarray, parts: tuple[Part, ...], what: str) -> State:
    """Cut a file's numbers into its tensors and put their axes in torch's order."""
    if not np.isfinite(numbers).all():
        raise ConversionError(f"{what} holds what is not a number; fetch it again")
    state, at = {}, 0
    for part in parts:
        end = at + math.prod(part.shape)
        stored = numbers[at:end].reshape(part.shape).transpose(part.order)
        state[part.key] = torch.from_numpy(np.array(stored, np.float32, order="C"))
        at = end
    return state
