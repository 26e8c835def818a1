"""Training from scratch on few pictures: a small network of VGG's kind, and its learning curve."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .. import runtime
from ..data.images import squash, stream
from ..data.pictures import ImageSet
from ..networks import training
from . import classifiers

WIDTHS = (24, 48, 96, 192)
"""Maps of the four blocks; each halves the side."""
BATCH = 50
VARIANTS = {
    "plain": (False, False),
    "augmented": (False, True),
    "batch norm": (True, False),
    "batch norm, augmented": (True, True),
}
"""Whether a variant has batch norm, and whether its pictures are mirrored and shifted."""


class Standardise(nn.Module):
    """Bring grey levels in [0, 1] to about zero mean and unit deviation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pixels (n, 3, H, W) shifted and scaled."""
        return (x - 0.45) / 0.25


def small_net(classes: int, side: int, batch_norm: bool) -> nn.Sequential:
    """Return a network of VGG's kind (Simonyan and Zisserman, 2015), small: 3 × 3 and pools.

    Four convolutions, each with ReLU and a pool that halves ``side``; one linear layer.
    """
    steps: OrderedDict[str, nn.Module] = OrderedDict(standardise=Standardise())
    before = 3
    for block, width in enumerate(WIDTHS, 1):
        steps[f"conv{block}"] = nn.Conv2d(before, width, 3, padding=1)
        if batch_norm:
            steps[f"norm{block}"] = nn.BatchNorm2d(width)
        steps[f"relu{block}"] = nn.ReLU()
        steps[f"pool{block}"] = nn.MaxPool2d(2)
        before = width
    steps["flatten"] = nn.Flatten()
    steps["fc"] = nn.Linear(before * (side // 2 ** len(WIDTHS)) ** 2, classes)
    return training.he_initialise(nn.Sequential(steps))


def pixels(pictures: ImageSet, side: int) -> torch.Tensor:
    """Return whole pictures squeezed to a square, uint8 of shape (n, 3, side, side)."""
    return torch.cat(list(stream(pictures.images, lambda image: squash(image, side), 256)))


@dataclass(frozen=True)
class Effort:
    """How long a network is trained: at least so many epochs and so many steps."""

    epochs: int
    steps: int

    def of(self, n: int) -> int:
        """Return the epochs for ``n`` training pictures."""
        return max(self.epochs, -(-self.steps // -(-n // BATCH)))


@dataclass(frozen=True)
class Fit:
    """A trained network: accuracy on its own training pictures, and what it guessed elsewhere."""

    train_accuracy: float
    predicted: np.ndarray
    lr: float
    steps: int


@dataclass(frozen=True)
class Pixels:
    """Training and test pictures, uint8 (n, 3, side, side), with labels (n,)."""

    x: torch.Tensor
    y: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor

    @property
    def classes(self) -> int:
        """Return the number of classes."""
        return int(self.y.max()) + 1


def train(
    data: Pixels, effort: Effort, variant: str, index: np.ndarray, lr: float, seed: int
) -> Fit:
    """Train a variant on the pictures ``index`` from a random start, and classify the test ones."""
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}: expected one of {tuple(VARIANTS)}")
    batch_norm, augmented = VARIANTS[variant]
    runtime.seed_everything(seed)
    net = small_net(data.classes, data.x.shape[-1], batch_norm).to(runtime.device())
    x, y = data.x[index], data.y[index]
    epochs = effort.of(len(x))
    augment = training.flip_and_shift if augmented else None
    label = f"{variant}, {len(x)} pictures"
    training.fit(net, x, y, epochs, lr, BATCH, seed, augment=augment, label=label)
    guesses = training.scores(net, data.x_test).argmax(1).numpy()
    return Fit(training.accuracy(net, x, y), guesses, lr, epochs * -(-len(x) // BATCH))


def curve_fit(
    data: Pixels, effort: Effort, variant: str, lr: float, per_class: int, seed: int
) -> Fit:
    """Train a variant on ``per_class`` pictures of each class, drawn by ``seed``."""
    index = classifiers.draw(data.y.numpy(), per_class, seed)
    return train(data, effort, variant, index, lr, seed)


def try_lr(
    data: Pixels, effort: Effort, variant: str, lr: float, per_class: int, seed: int
) -> float:
    """Return the accuracy on the training pictures that a draw of ``per_class`` left out.

    The test pictures have no part in it.
    """
    y = data.y.numpy()
    index = classifiers.draw(y, per_class, seed)
    rest = np.setdiff1d(np.arange(len(y)), index)
    inside = Pixels(data.x, data.y, data.x[rest], data.y[rest])
    found = train(inside, effort, variant, index, lr, seed)
    return float((found.predicted == y[rest]).mean())


def best_lr(tries: Sequence[float], lrs: Sequence[float]) -> float:
    """Return the step size with the highest accuracy; the smaller one of two equal ones."""
    return lrs[int(np.argmax(tries))]
