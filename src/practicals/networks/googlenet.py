"""GoogLeNet (Szegedy et al., CVPR 2015) as BVLC trained it in Caffe.

Local response normalisation, pools that round up, no batch norm: not torchvision's class of that
name. Pixels come as RGB in 0–255 minus Caffe's mean; ``zoo`` says so in its record.
"""

from collections import OrderedDict

import torch
from torch import nn

WIDTHS = {
    "i3a": (192, 64, 96, 128, 16, 32, 32),
    "i3b": (256, 128, 128, 192, 32, 96, 64),
    "i4a": (480, 192, 96, 208, 16, 48, 64),
    "i4b": (512, 160, 112, 224, 24, 64, 64),
    "i4c": (512, 128, 128, 256, 24, 64, 64),
    "i4d": (512, 112, 144, 288, 32, 64, 64),
    "i4e": (528, 256, 160, 320, 32, 128, 128),
    "i5a": (832, 256, 160, 320, 32, 128, 128),
    "i5b": (832, 384, 192, 384, 48, 128, 128),
}
"""Of each module: channels in, 1×1, 3×3 reduced, 3×3, 5×5 reduced, 5×5, after the pool."""


def pool() -> nn.MaxPool2d:
    """Return Caffe's pool between modules: 3 × 3, stride 2, sizes rounded up."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def normalisation() -> nn.LocalResponseNorm:
    """Return the local response normalisation over five channels (Krizhevsky et al., 2012)."""
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)


class Inception(nn.Module):
    """Four branches on the same maps, joined by channel: 1×1, 3×3, 5×5 and a pool."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        before, one, small3, three, small5, five, after = widths
        self.c1x1 = nn.Conv2d(before, one, 1)
        self.c3x3_reduce = nn.Conv2d(before, small3, 1)
        self.c3x3 = nn.Conv2d(small3, three, 3, padding=1)
        self.c5x5_reduce = nn.Conv2d(before, small5, 1)
        self.c5x5 = nn.Conv2d(small5, five, 5, padding=2)
        self.cpool = nn.MaxPool2d(3, 1, padding=1)
        self.cpool_proj = nn.Conv2d(before, after, 1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps (n, channels out, H, W) of maps (n, channels in, H, W)."""
        relu = self.relu
        branches = (
            self.c1x1(x),
            self.c3x3(relu(self.c3x3_reduce(x))),
            self.c5x5(relu(self.c5x5_reduce(x))),
            self.cpool_proj(self.cpool(x)),
        )
        return torch.cat([relu(branch) for branch in branches], 1)


class GoogLeNet(nn.Module):
    """The network's weights under Caffe's names; ``steps`` puts them in order."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.conv2_reduce = nn.Conv2d(64, 64, 1)
        self.conv2 = nn.Conv2d(64, 192, 3, padding=1)
        for name, widths in WIDTHS.items():
            setattr(self, name, Inception(widths))
        self.fc = nn.Linear(1024, classes)


def steps(net: GoogLeNet) -> "OrderedDict[str, nn.Module]":
    """Return the network's layers in order, from conv1 to fc."""
    named: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=net.conv1, relu1=nn.ReLU(), pool1=pool(), norm1=normalisation()
    )
    named |= {"conv2_reduce": net.conv2_reduce, "relu2_reduce": nn.ReLU(), "conv2": net.conv2}
    named |= {"relu2": nn.ReLU(), "norm2": normalisation(), "pool2": pool()}
    for name in WIDTHS:
        named[name] = getattr(net, name)
        if name in ("i3b", "i4e"):
            named[f"pool{name[1]}"] = pool()
    named["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    named["drop"] = nn.Dropout(0.4)
    named["fc"] = net.fc
    return named


def from_caffe(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights whose first convolution expects RGB where Caffe's expects BGR."""
    return state | {"conv1.weight": state["conv1.weight"].flip(1)}
