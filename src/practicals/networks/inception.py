"""Inception v3's trunk (Szegedy et al., CVPR 2016) up to ``Mixed_7a``: features, no classifier.

The weights are TensorFlow's of December 2015 with batch norm folded; pixels come in −1 … 1.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn
from torchvision.models import inception_v3

LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1"),
    *("Conv2d_4a_3x3", "maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b"),
    *("Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a"),
)


BEYOND = ("Mixed_7b.", "Mixed_7c.", "fc.", "AuxLogits.")
"""What torchvision's file holds beyond the trunk."""


class _Pooling(nn.Module):
    """A module of the network whose average pool leaves the padding out, as TensorFlow's does."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the module's output for maps ``x``."""
        with _CountingNoPadding():
            return self.module(x)


class _CountingNoPadding(torch.overrides.TorchFunctionMode):
    """While active, average pools divide by the number of pixels and not by the window's size."""

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> torch.Tensor:
        kwargs = dict(kwargs or {})
        if func is torch.nn.functional.avg_pool2d:
            kwargs["count_include_pad"] = False
        return func(*args, **kwargs)


class Trunk(nn.Module):
    """The leading layers of torchvision's Inception v3, under its names."""

    def __init__(self) -> None:
        super().__init__()
        whole = inception_v3(weights=None, aux_logits=False, init_weights=False)
        for name in LAYERS:
            setattr(self, name, getattr(whole, name))


def steps(net: Trunk) -> "OrderedDict[str, nn.Module]":
    """Return the trunk's layers in order, and the mean over positions at the end."""
    named: OrderedDict[str, nn.Module] = OrderedDict()
    for name in LAYERS:
        layer = getattr(net, name)
        pools = name.startswith(("Mixed_5", "Mixed_6")) and name != "Mixed_6a"
        named[name] = _Pooling(layer) if pools else layer
    named["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return named
