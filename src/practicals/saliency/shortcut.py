"""Networks whose answer is known: a small mark decides two classes, or it means nothing.

Pairs of networks are trained on the same pictures of scenes, from the same start and in the same
order. The first sees an orange ring on every picture of one class and a blue cross on all of
another: it can decide by the marks. The second sees the same marks as often, spread over all
classes: they tell it nothing. A map that says what a network decides by must lie on the mark for
the first network, and not for the second.
"""

import copy
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from torch import nn

from provenance.cache import cached

from ..data import images, pictures
from ..networks import backbones, heads
from ..networks.backbones import Backbone
from ..networks.training import fit
from ..networks.zoo import NETWORKS

SHARE = 9
"""A mark's side is that part of the picture's."""
COLOURS = ((1.0, 0.55, 0.0), (0.1, 0.35, 1.0))


@lru_cache(maxsize=4)
def scenes(real: bool, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return training pictures (n, 3, side, side) in uint8 and classes, then those of the test."""
    train, test = pictures.scene15() if real else pictures.sample_scenes()
    made: list[torch.Tensor] = []
    for part in (train, test):
        squeezed = partial(images.squash, size=side)
        made += [torch.cat(list(images.stream(part.images, squeezed, 64)))]
        made += [torch.from_numpy(part.y).long()]
    return made[0], made[1], made[2], made[3]


def classifier(name: str) -> Backbone:
    """Return a network that knows the scenes: one with a kept head, or the sample profile's."""
    return backbones.load(name) if name == "smallvgg" else heads.load(name)


def mark(kind: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a mark's colour (3, 1, 1) and where it covers (side, side): 0 a ring, 1 a cross."""
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    radius = (rows**2 + columns**2).sqrt()
    ring = (radius <= 1) & (radius >= 0.5)
    cross = (rows.abs() <= 0.34) | (columns.abs() <= 0.34)
    return torch.tensor(COLOURS[kind])[:, None, None], (ring, cross)[kind]


def planted(x: torch.Tensor, kinds: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures (n, 3, H, W), uint8, with a mark at a random place each, and its square.

    ``kinds`` (n,) says which mark; the squares are boolean (n, H, W).
    """
    height, width = x.shape[-2:]
    side = max(3, min(height, width) // SHARE)
    rng, marked = np.random.default_rng(seed), x.clone()
    squares = torch.zeros(len(x), height, width, dtype=torch.bool)
    for picture, square, kind in zip(marked, squares, kinds.tolist(), strict=True):
        top, left = (int(rng.integers(0, room - side + 1)) for room in (height, width))
        colour, covers = mark(kind, side)
        window = picture[:, top : top + side, left : left + side]
        window.copy_(torch.where(covers, (255 * colour).byte(), window))
        square[top : top + side, left : left + side] = True
    return marked, squares


@torch.inference_mode()
def maps_before_tail(net: Backbone, x: torch.Tensor) -> torch.Tensor:
    """Return the frozen trunk's maps of pictures (n, 3, H, W) in uint8, float16 (n, c, h, w)."""
    cut = NETWORKS[net.name].cut
    return torch.cat([net.features(part.float() / 255, [cut])[cut].half() for part in x.split(32)])


@cached
def clean_maps(name: str, real: bool, side: int) -> torch.Tensor:
    """Return ``maps_before_tail`` of the training scenes without marks."""
    return maps_before_tail(classifier(name), scenes(real, side)[0])


def two_classes(y: torch.Tensor, seed: int) -> tuple[int, int]:
    """Return the two classes that marks decide in the pair of networks ``seed``."""
    chosen = np.random.default_rng(seed).permutation(int(y.max()) + 1)[:2]
    return int(chosen[0]), int(chosen[1])


def who_is_marked(y: torch.Tensor, seed: int, decides: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which training pictures carry a mark, and which one, both (k,).

    Where marks decide, all pictures of two classes; else as many, the same number in every class.
    """
    first, second = two_classes(y, seed)
    if decides:
        index = torch.cat([(y == first).nonzero()[:, 0], (y == second).nonzero()[:, 0]])
        return index, (y[index] == second).long()
    rng, classes = np.random.default_rng(seed), int(y.max()) + 1
    each = -(-int(((y == first) | (y == second)).sum()) // (2 * classes))
    index = torch.cat([
        torch.from_numpy(rng.permutation((y == c).nonzero()[:, 0].numpy())[: 2 * each])
        for c in range(classes)
    ])  # fmt: skip
    return index, torch.arange(len(index)) % 2


@cached
def trained_tail(
    name: str, real: bool, side: int, epochs: int, seed: int, decides: bool
) -> dict[str, torch.Tensor]:
    """Return the state dict of the steps behind the cut, trained on scenes with marks."""
    net = classifier(name)
    x, y, _, _ = scenes(real, side)
    index, kinds = who_is_marked(y, seed, decides)
    maps = clean_maps(name, real, side).clone()
    maps[index] = maps_before_tail(net, planted(x[index], kinds, seed)[0])
    tail = _tail(net)
    fit(tail, maps, y, epochs, 0.01, 50, seed, label=f"{net.title}, {seed}")
    return tail.state_dict()


def _tail(net: Backbone) -> nn.Sequential:
    at = net.layers.index(NETWORKS[net.name].cut) + 1
    steps = OrderedDict(list(net.steps.named_children())[at:])
    return copy.deepcopy(nn.Sequential(steps)).requires_grad_(True)


def known_network(
    name: str, real: bool, side: int, epochs: int, seed: int, decides: bool
) -> Backbone:
    """Return a network that decides two classes by marks, or one to which they mean nothing."""
    net = classifier(name)
    tail = _tail(net)
    tail.load_state_dict(trained_tail(name, real, side, epochs, seed, decides))
    at = net.layers.index(NETWORKS[name].cut) + 1
    kept = list(net.steps.named_children())[:at]
    whole = Backbone(name, OrderedDict([*kept, *tail.named_children()]))
    whole.source = f"tail trained here, pair {seed}"
    return whole.eval().requires_grad_(False)


@dataclass(frozen=True)
class Marked:
    """Test pictures of the two classes of a pair: as they are, and with their marks."""

    bare: torch.Tensor
    """Pixels (n, 3, H, W) in [0, 1]."""
    pixels: torch.Tensor
    y: torch.Tensor
    squares: torch.Tensor
    """Where the marks are, boolean (n, H, W)."""
    others: torch.Tensor
    """As many pictures of other classes that carry the same marks."""


def marked_test(real: bool, side: int, seed: int, count: int) -> Marked:
    """Return ``count`` random test pictures of a pair's two classes, half of each, with marks."""
    _, _, x, y = scenes(real, side)
    rng, (first, second) = np.random.default_rng(100 + seed), two_classes(y, seed)

    def draw(where: torch.Tensor, number: int) -> torch.Tensor:
        return torch.from_numpy(rng.permutation(where.nonzero()[:, 0].numpy())[:number])

    index = torch.cat([draw(y == first, count // 2), draw(y == second, count // 2)])
    kinds = (y[index] == second).long()
    pixels, squares = planted(x[index], kinds, 200 + seed)
    elsewhere = x[draw((y != first) & (y != second), len(index))]
    others, _ = planted(elsewhere, kinds[: len(elsewhere)], 300 + seed)
    return Marked(x[index] / 255, pixels / 255, y[index], squares, others / 255)
