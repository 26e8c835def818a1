"""A small VGG-shaped network, trained on the spot, in place of ImageNet's in the sample profile."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from provenance import cache

from ..data import pictures
from ..data.images import IMAGENET_MEAN, IMAGENET_STD
from . import training

SIZE = 64
"""Side of the square input, in pixels."""
WIDTHS = (16, 32, 48, 64)
HIDDEN = 128
PER_PHOTO = 100
EPOCHS = 8


class SmallVGG(nn.Module):
    """VGG16's shape (Simonyan & Zisserman, 2015) with four narrow blocks of two convolutions."""

    def __init__(self, classes: int = len(pictures.COLOUR)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *WIDTHS), WIDTHS, strict=False):
            for channels in (before, after):
                layers += [nn.Conv2d(channels, after, 3, padding=1), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        side = SIZE // 2 ** len(WIDTHS)
        self.features = nn.Sequential(*layers)
        # Like VGG16's own pool: pictures of any size become the size the classifier reads.
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten())
        self.classifier = nn.Sequential(
            nn.Linear(WIDTHS[-1] * side**2, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) of normalised pixels (n, 3, 64, 64)."""
        return self.classifier(self.pool(self.features(x)))


def steps(net: SmallVGG) -> "OrderedDict[str, nn.Module]":
    """Return the network's layers in order under VGG's readable names."""
    named = OrderedDict()
    per_block = 5
    for i, module in enumerate(net.features):
        block, place = divmod(i, per_block)
        kind = ("conv{}_1", "relu{}_1", "conv{}_2", "relu{}_2", "pool{}")[place]
        named[kind.format(block + 1)] = module
    named["flatten"] = net.pool
    named |= zip(("fc6", "relu6", "fc7", "relu7", "fc8"), net.classifier, strict=True)
    return named


def photographs(per_photo: int, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Return training patches of colour photographs and which photograph each comes from (n,).

    ``per_photo`` counts the patches of each; they are normalised (n, 3, 64, 64), as layers take
    them.
    """
    (x, y, _), _ = pictures.patches(pictures.COLOUR, per_photo, n_test=1, side=SIZE, seed=seed)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 - mean) / std, y


def train(per_photo: int, epochs: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return the state dict of a network trained on colour photographs: which one is a patch from?

    ``per_photo`` counts the training patches of each photograph; with another ``seed`` the patches
    are others as well, and so are start and order.
    """
    x, y = photographs(per_photo, seed)
    torch.manual_seed(seed)
    net = training.he_initialise(SmallVGG())
    training.fit(net, x, torch.from_numpy(y), epochs, lr=0.02, batch_size=32, seed=seed)
    return net.state_dict()


def trained_state() -> dict[str, torch.Tensor]:
    """Return the trained network's state dict; train it first if no cache holds it (~1 min)."""
    return cache.once(train, PER_PHOTO, EPOCHS)
