"""The features of a whole picture set under one view, kept: the costly part of chapter 1.

Nothing else of the chapter lives here, so that a change elsewhere voids no kept features.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from provenance import cache

from ..data.images import centre_crop, squash
from ..data.pictures import ImageSet
from ..networks import backbones
from ..networks.backbones import Backbone
from ..networks.zoo import NETWORKS
from . import features

SINGLE = ("mobilenet_v2",)
"""Networks that stay in single precision: in bfloat16 these features move by 12 % (others 1 %)."""
COARSE = 32
"""Side, in pixels, to which the view ``coarse`` shrinks a picture before it is enlarged again."""
FINER = 4
"""Last layers with positions of which quarters and deviations are kept as well."""
VIEWS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "crop": centre_crop,
    "whole": squash,
    "mirror": lambda image, side: squash(ImageOps.mirror(image), side),
    "coarse": lambda image, side: squash(squash(image, COARSE), side),
}
"""Ways to show a picture to a network as a square of a given side."""
View = tuple[str, str, int]
"""A network's name, a way to show pictures to it, and the side of its input in pixels."""


class _Response(nn.Module):
    """Local response normalisation as sums of shifted squares, in single precision.

    torch's own has no bfloat16, and its pool over channels is slow on processors.
    """

    def __init__(self, known: nn.LocalResponseNorm) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = known.size, known.alpha, known.beta, known.k

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps (n, c, h, w) divided by a power of their neighbours' mean square."""
        squares = x.float().square()
        total, channels = squares.clone(), x.shape[1]
        for shift in range(1, min(self.size // 2 + 1, channels)):
            total[:, shift:] += squares[:, :-shift]
            total[:, :-shift] += squares[:, shift:]
        root = total.mul_(self.alpha / self.size).add_(self.k)
        # Powers are slow, and every network here has 3/4: two roots.
        scale = root.rsqrt_() * root.sqrt() if self.beta == 0.75 else root.pow_(-self.beta)
        return (x * scale).to(x.dtype)


def ready(name: str, dtype: torch.dtype | None = None) -> Backbone:
    """Return a network for feature extraction: only the layers with weights, fast, prepared.

    ``dtype`` overrides the fastest safe precision.
    """
    whole = backbones.load(name, backbones.FIRST_BLOCKS if name == "vgg16" else ())
    steps = OrderedDict((layer, whole.steps.get_submodule(layer)) for layer in whole.covered)
    for layer, step in steps.items():
        if isinstance(step, nn.LocalResponseNorm):
            steps[layer] = _Response(step)
    net = Backbone(name, steps).eval().requires_grad_(False)
    net.source = whole.source
    return backbones.prepare(net, dtype or (torch.float32 if name in SINGLE else None))


def finer(net: Backbone) -> tuple[str, ...]:
    """Return the last layers with positions, at most ``FINER``: ends of stages, and the last."""
    last = NETWORKS[net.name].grad_cam
    end = net.layers.index(last) + 1 if last in net.layers else len(net.layers)
    return tuple(x for x in net.layers[:end] if x in net.stages or x == last)[-FINER:]


@dataclass(frozen=True)
class Bank:
    """Features of n pictures under one view.

    ``means`` holds each layer's average over positions, float32 (n, c), or its vector (n, d);
    ``parts`` the deviation and the averages of four quarters of the last layers with positions,
    float16 (n, 5, c); ``seconds`` what the extraction took.
    """

    means: dict[str, np.ndarray]
    parts: dict[str, np.ndarray]
    seconds: float


def bank(net: Backbone, pictures: ImageSet, kind: str, side: int) -> Bank:
    """Return the features of every stage, with the pictures shown as ``VIEWS[kind]``."""
    began, show, detailed = time.perf_counter(), VIEWS[kind], finer(net)
    pools = dict.fromkeys(net.stages, features.average) | dict.fromkeys(detailed, features.parts)
    label = f"{net.title}, {kind}, {side} px"
    found = features.extract(net, pictures.images, lambda p: show(p, side), pools, label=label)
    means = {layer: x[:, 0] if layer in detailed else x for layer, x in found.items()}
    small = {layer: found[layer][:, 1:].astype(np.float16) for layer in detailed}
    order = [layer for layer in net.layers if layer in means]
    return Bank({layer: means[layer] for layer in order}, small, time.perf_counter() - began)


def is_whole(net: Backbone) -> bool:
    """Return whether a network has all its layers, and not only the leading ones with weights."""
    return len(net.layers) == len(backbones.build(net.name, "meta").layers)


def collect(
    nets: Mapping[str, Backbone], pictures: ImageSet, views: Sequence[View]
) -> dict[View, Bank]:
    """Return the bank of each view whose network is in ``nets``, several at once, all kept.

    A network of which only leading layers are at hand is shown pictures of half the side.
    """
    wanted = []
    for name, kind, side in views:
        if name in nets:
            wanted.append((name, kind, side if is_whole(nets[name]) else side // 2))
    settings = [
        {"net": nets[name], "pictures": pictures, "kind": kind, "side": side}
        for name, kind, side in wanted
    ]
    return dict(zip(wanted, cache.run(bank, settings, label="features"), strict=True))


def grey_variants(net: Backbone) -> dict[str, Backbone]:
    """Return copies of a network that take a grey picture in as many ways.

    ``replicated``: the grey level in all channels, each with its own mean and deviation;
    ``common``: the three channels' average mean and deviation, as if the first convolution's
    weights were summed without care; ``none``: no mean and no deviation taken out.
    """
    mean, std = net.normalise.mean.float().mean().item(), net.normalise.std.float().mean().item()
    return {
        "replicated": net,
        "common": restated(net, [mean] * 3, [std] * 3),
        "none": restated(net, [0.0] * 3, [1.0] * 3),
    }


def restated(net: Backbone, mean: Sequence[float], std: Sequence[float]) -> Backbone:
    """Return a copy of a network that takes out other channel means and deviations (3 each)."""
    other = deepcopy(net)
    known = other.normalise.mean
    for buffer, values in ((other.normalise.mean, mean), (other.normalise.std, std)):
        buffer.copy_(torch.tensor(values, dtype=known.dtype, device=known.device).view(1, 3, 1, 1))
    return other
