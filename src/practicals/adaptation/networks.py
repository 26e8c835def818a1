"""Networks for domain adaptation: one body of features, a head for the label, one for the domain.

Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand & Lempitsky: Domain-adversarial
training of neural networks, JMLR 17 (2016).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

BATCH_NORMS = ("joint", "separate", "own", "none")
"""Whose statistics normalise a training batch, and whose an evaluation: see ``DomainNorm``."""


class DomainNorm(nn.BatchNorm2d):
    """Batch norm for a batch whose first half is source and whose second half is target.

    ``mode`` decides whose mean and variance are used.
    ``joint``: those of the whole batch, as in one forward pass.
    ``separate``: each half its own, with one running average of both for evaluation: what two
    forward passes through an ordinary layer do.
    ``own``: each half its own, and for evaluation a running average of each (Li et al., Adaptive
    batch normalization, 2018); ``side`` says which one.
    A batch without a target half (``halves`` False) is one domain.
    """

    source_mean: torch.Tensor
    source_var: torch.Tensor
    running_mean: torch.Tensor
    running_var: torch.Tensor
    momentum: float

    def __init__(self, channels: int, mode: str) -> None:
        super().__init__(channels)
        self.mode = mode
        self.halves = True
        self.side = "target"
        self.register_buffer("source_mean", torch.zeros(channels))
        self.register_buffer("source_var", torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise maps (n, channels, H, W)."""
        if not self.training:
            return self.evaluated(x)
        if self.mode == "joint" or not self.halves:
            found = super().forward(x)
            self.source_mean.copy_(self.running_mean)
            self.source_var.copy_(self.running_var)
            return found
        source, target = x.chunk(2)
        if self.mode == "separate":
            return torch.cat([super().forward(source), super().forward(target)])
        averages = self.source_mean, self.source_var
        source = F.batch_norm(source, *averages, self.weight, self.bias, True, self.momentum)
        return torch.cat([source, super().forward(target)])

    def evaluated(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise maps of one domain by a running average."""
        own = self.mode == "own" and self.side == "source"
        mean, var = (
            (self.source_mean, self.source_var) if own else (self.running_mean, self.running_var)
        )
        return F.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps)


def norm_layer(channels: int, mode: str) -> nn.Module:
    """Return the batch norm of that mode, or nothing for ``none``; raise ValueError else."""
    if mode not in BATCH_NORMS:
        raise ValueError(f"unknown batch norm {mode!r}: expected one of {BATCH_NORMS}")
    return nn.Identity() if mode == "none" else DomainNorm(channels, mode)


CLASSES = 10


class GradientReversal(torch.autograd.Function):
    """The identity forward; backward, the gradient times −λ (Ganin et al. 2016, §4.2)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, lam: float) -> torch.Tensor:
        """Return ``x`` itself."""
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return −λ times the gradient of what comes after; λ itself gets none."""
        return -ctx.lam * grad, None


def reverse_gradient(x: torch.Tensor, lam: float) -> torch.Tensor:
    """Return ``x`` such that its gradient is reversed and scaled by ``lam``; negative helps."""
    return GradientReversal.apply(x, lam)


def standardise(x: torch.Tensor) -> torch.Tensor:
    """Give each channel of each picture mean 0 and variance 1 (instance norm without weights)."""
    return F.instance_norm(x, eps=1e-3)


@dataclass(frozen=True)
class Design:
    """What a network is made of. ``Design("paper")`` is the published one."""

    body: str = "strided"
    """``paper``: Ganin's MNIST body; ``strided``: three convolutions of stride 2."""
    batch_norm: str = "own"
    standardised: bool = True
    """Whether pictures are standardised, channel by channel, before the first convolution."""


PAPER = Design("paper", "none", standardised=False)


class AdaptationNet(nn.Module):
    """A body with two heads; the body of ``Design`` decides the number of features."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        build = {"paper": paper_body, "strided": strided_body}
        if design.body not in build:
            raise ValueError(f"unknown body {design.body!r}: expected one of {sorted(build)}")
        self.body = build[design.body](design.batch_norm)
        width = self.body(torch.zeros(2, 3, 28, 28)).shape[1]
        hidden = (100, 100) if design.body == "paper" else (128,)
        self.label_head = head(width, hidden, CLASSES)
        self.domain_head = head(width, (100,), 1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what both heads see, (n, width), of pixels (n, 3, 28, 28) in [0, 1]."""
        x = standardise(x) if self.design.standardised else 2 * x - 1
        return self.body(x.contiguous(memory_format=torch.channels_last))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of the ten labels, shape (n, 10)."""
        return self.label_head(self.features(x))

    def domains(self, features: torch.Tensor, lam: float) -> torch.Tensor:
        """Return the logits that ``features`` come from the target, behind the reversal, (n,)."""
        return self.domain_head(reverse_gradient(features, lam)).squeeze(1)

    def set_norms(self, **state: bool | str) -> None:
        """Set ``halves`` (do training batches hold both domains?) or ``side`` of every norm."""
        for module in self.modules():
            if isinstance(module, DomainNorm):
                for name, value in state.items():
                    setattr(module, name, value)

    @contextmanager
    def reading(self, side: str) -> Iterator[None]:
        """Evaluate pictures of the ``source`` inside a ``with``; elsewhere, of the ``target``."""
        self.set_norms(side=side)
        try:
            yield
        finally:
            self.set_norms(side="target")


def head(width: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Return fully connected layers with ReLUs between them."""
    sizes = (width, *hidden)
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


def paper_body(batch_norm: str = "none") -> nn.Sequential:
    """Return the features of Ganin's MNIST network (figure 4a of the paper): 768 of them."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 5),
        norm_layer(32, batch_norm),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(32, 48, 5),
        norm_layer(48, batch_norm),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
    )


class Magnitude(nn.Module):
    """|x|: an edge counts alike whether ink is darker or brighter than what surrounds it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the absolute values of maps of any shape."""
        return x.abs()


def strided_body(
    batch_norm: str = "own", widths: tuple[int, int, int] = (32, 48, 128)
) -> nn.Sequential:
    """Return three convolutions with stride 2 in place of pooling: 2,048 features.

    A strided convolution computes only the outputs that pooling would keep.
    """
    one, two, three = widths
    return nn.Sequential(
        nn.Conv2d(3, one, 6, stride=2, padding=2),
        norm_layer(one, batch_norm),
        Magnitude(),
        nn.Conv2d(one, two, 3, stride=2, padding=1),
        norm_layer(two, batch_norm),
        nn.ReLU(),
        nn.Conv2d(two, three, 3, stride=2, padding=1),
        norm_layer(three, batch_norm),
        nn.ReLU(),
        nn.Flatten(),
    )
