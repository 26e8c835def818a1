"""The pictures and digits of chapter 3: what is read right, and who tries what on which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from provenance import cache

from ..data import digits, images, pictures
from ..networks import backbones, smallvgg
from ..networks.backbones import Backbone
from ..networks.gradients import outputs

SIBLING = "sibling"
"""In the sample profile: the small network, trained on half of the patches."""


def load_all(names: Sequence[str]) -> dict[str, Backbone]:
    """Return the networks of ``names`` whose weights are at hand, in single precision.

    The small network alone would have nobody to be compared with, so a sibling joins it.
    """
    here = [name for name in names if backbones.is_complete(name)]
    nets = {name: backbones.load(name) for name in here}
    if here == ["smallvgg"]:
        state = cache.once(smallvgg.train, smallvgg.PER_PHOTO // 2, smallvgg.EPOCHS)
        nets[SIBLING] = backbones.from_state("smallvgg", state, "half of the patches")
        nets[SIBLING].title = "its sibling"
    return {name: backbones.prepare(net, torch.float32) for name, net in nets.items()}


@dataclass(frozen=True)
class Cases:
    """Pictures (n, 3, s, s) that a network reads right, their classes (n,), and their origin."""

    x: torch.Tensor
    y: torch.Tensor
    index: np.ndarray
    views: np.ndarray
    """Which view of the picture each is: 0 is the usual centre crop."""

    def __len__(self) -> int:
        return len(self.y)

    def first(self, n: int) -> "Cases":
        """Return the first ``n`` cases; their order is random."""
        return Cases(self.x[:n], self.y[:n], self.index[:n], self.views[:n])


def views_of(source: images.Source, side: int) -> torch.Tensor:
    """Return six views of a picture, 8-bit pixels in [0, 1], (6, 3, side, side).

    They are the centre crop, the whole picture squeezed into a square, and the four corners of the
    centre square.
    """
    big = images.preprocess(source, round(side * images.RESIZE_RATIO))
    far = big.shape[-1] - side
    whole = images.to_tensor(images.squash(images.read(source), side)).float() / 255
    corners = [big[:, i : i + side, j : j + side] for i in (0, far) for j in (0, far)]
    return torch.stack([images.preprocess(source, side), whole, *corners])


def find(net: Backbone, data: pictures.ImageSet, side: int, count: int, seed: int) -> Cases:
    """Return up to ``count`` pictures in random order that the network classifies correctly.

    A picture takes part with the first of its six views that is read right, so that every case is
    another picture. Those that only a later view saves lie nearer to a border than the others.
    """
    order = np.random.default_rng(seed).permutation(len(data))
    kept: list[tuple[torch.Tensor, int, int, int]] = []
    for i in order:
        if len(kept) == count:
            break
        views = views_of(data.images[i], side)
        right = (outputs(net, views).argmax(1) == int(data.y[i])).numpy()
        if right.any():
            first = int(right.argmax())
            kept.append((views[first], int(data.y[i]), int(i), first))
    x, y, index, which = zip(*kept, strict=True)
    return Cases(torch.stack(x), torch.tensor(y), np.array(index), np.array(which))


def drawn(real: bool, count: int, seed: int) -> pictures.ImageSet:
    """Return the pictures that cases come from: all ImageNet samples, or sample patches."""
    if real:
        return pictures.imagenet_samples()
    return pictures.held_out_patches(-(-2 * count // len(pictures.COLOUR)), seed)


def common(
    nets: Mapping[str, Backbone], data: pictures.ImageSet, side: int, count: int, seed: int
) -> Cases:
    """Return up to ``count`` pictures whose centre all networks read right, in random order."""
    order = np.random.default_rng(seed).permutation(len(data))
    x = torch.stack([images.preprocess(data.images[i], side) for i in order])
    y = torch.from_numpy(data.y[order]).long()
    right = torch.stack([outputs(net, x).argmax(1) == y for net in nets.values()]).all(0)
    rows = torch.nonzero(right)[:count, 0]
    return Cases(x[rows], y[rows], order[rows.numpy()], np.zeros(len(rows), int))


@dataclass(frozen=True)
class Split:
    """Pictures that a patch is trained on, and others (n, 3, s, s), with classes, to try it on."""

    train: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor

    def without(self, target: int, net: Backbone) -> Cases:
        """Return the pictures to try it on that neither are nor are taken for the target."""
        rows = (self.y != target) & (outputs(net, self.x).argmax(1) != target)
        return Cases(
            self.x[rows], self.y[rows], np.arange(len(self.y))[rows], np.zeros(len(self.y))
        )


def split(data: pictures.ImageSet, side: int, train: int, test: int, seed: int) -> Split:
    """Return ``train`` and ``test`` pictures at random, none in both."""
    order = np.random.default_rng(seed).permutation(len(data))[: train + test]
    x = torch.stack([images.preprocess(data.images[i], side) for i in order])
    return Split(x[:train], x[train:], torch.from_numpy(data.y[order[train:]]).long())


def class_of(data: pictures.ImageSet, name: str) -> int:
    """Return the class called ``name``, or where there is none, one by its first letter."""
    known = {text: place for place, text in enumerate(data.classes)}
    return known.get(name, ord(name[0]) % len(data.classes))


def photo_of(data: pictures.ImageSet, label: int, side: int) -> torch.Tensor:
    """Return the set's first picture of a class, (3, side, side)."""
    return images.preprocess(data.images[int(np.flatnonzero(data.y == label)[0])], side)


def grey_digits(real: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return training digits uint8 (n, 1, 28, 28), labels, test digits, labels; shuffled once."""
    x, y, x_test, y_test = digits.mnist() if real else digits.small_digits()
    rng = np.random.default_rng(0)
    train, test = rng.permutation(len(x)), rng.permutation(len(x_test))
    parts = (
        x[train][:, None],
        y[train].astype(int),
        x_test[test][:, None],
        y_test[test].astype(int),
    )
    pixels, labels, test_pixels, test_labels = map(torch.from_numpy, parts)
    return pixels, labels, test_pixels, test_labels


def every_digit(x: torch.Tensor, y: torch.Tensor, count: int) -> Cases:
    """Return the first ``count`` of shuffled digits, pixels in [0, 1], right or wrong."""
    rows = np.arange(len(x))[:count]
    return Cases(x[:count].float() / 255, y[:count], rows, np.zeros_like(rows))


def right_digits(net: nn.Module, x: torch.Tensor, y: torch.Tensor, count: int) -> Cases:
    """Return the first ``count`` of shuffled digits that the network reads right."""
    found = every_digit(x, y, 3 * count)
    rows = torch.nonzero(outputs(net, found.x).argmax(1) == found.y)[:count, 0]
    return Cases(found.x[rows], found.y[rows], rows.numpy(), np.zeros(len(rows)))
