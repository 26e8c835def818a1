"""Batch norm for batches that hold two domains, in the three ways that are in use."""

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
