"""The two digit networks of the full profile as small ONNX files that carry their own gradient.

A page in a browser has no autograd, so each file computes the logits *and* the gradient of the
cross entropy with respect to the pixels, which is all that FGSM needs.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .. import paths
from ..networks import onnx_file
from ..networks.onnx_file import can_export as can_export
from ..paths import atomic_path
from ..profile import AdversarialBudget, Profile
from .defence import DigitNetwork
from .study import DigitBudget, digit_network

PREFIX = "adversarial"
CLASSES = 10
SIDE = 28
BOX = 20
"""Side of the box that a digit fills: MNIST scales digits so and centres them by mass."""


class WithGradient(nn.Module):
    """A digit network whose backward pass is written out: plain layers, which any format can hold.

    A convolution's gradient is the transposed convolution with the same weights; a rectifier lets
    it pass where its input was positive.
    """

    def __init__(self, net: DigitNetwork) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, pixels: torch.Tensor, label: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (n, 10) and the gradient (n, 1, 28, 28) of each picture's cross entropy."""
        net = self.net
        first = net.conv1(pixels)
        second = net.conv2(F.relu(first))
        third = net.fc1(F.relu(second).flatten(1))
        logits = net.fc2(F.relu(third))
        back = logits.softmax(1) - F.one_hot(label, CLASSES).to(logits.dtype)
        back = (back @ net.fc2.weight) * (third > 0)
        back = (back @ net.fc1.weight).view_as(second) * (second > 0)
        back = F.conv_transpose2d(back, net.conv2.weight, stride=2, padding=1) * (first > 0)
        return logits, F.conv_transpose2d(back, net.conv1.weight, stride=2, padding=1)


def networks(of: Profile) -> dict[str, DigitNetwork]:
    """Return chapter 3's two digit networks, from its cache where it trained them before."""
    budget: AdversarialBudget = of.adversarial
    radii = {"plain": (0.0, 1), "robust": (budget.digit_radius, budget.digit_steps)}
    return {
        name: digit_network(
            of.is_real, eps, DigitBudget(budget.digits, budget.digit_epochs, steps), of.seed
        )
        for name, (eps, steps) in radii.items()
    }


def export(net: DigitNetwork, file: Path) -> None:
    """Write a network as ONNX: ``pixels`` and ``label`` to ``logits`` and ``gradient``.

    Any number of pictures will do. Raise ImportError, saying what to install, without the packages.
    """
    inputs = {"pixels": torch.rand(2, 1, SIDE, SIDE), "label": torch.tensor([3, 7])}
    onnx_file.export(WithGradient(net), inputs, ("logits", "gradient"), file)


def as_mnist(digit: np.ndarray) -> np.ndarray:
    """Return a small grey digit (h, w) in [0, 1] as MNIST would show it, (28, 28) in [0, 1].

    It is enlarged to a box of 20 pixels, its paper set to 0, and centred by its mass.
    """
    small = torch.from_numpy(np.asarray(digit, np.float32))[None, None]
    large = F.interpolate(small, (BOX, BOX), mode="bicubic", align_corners=False)[0, 0]
    ink = ((large - 0.25) / 0.5).clamp(0, 1).numpy()
    if not ink.any():
        raise ValueError("expected a digit with some ink, got an empty picture")
    rows, columns = np.arange(BOX)[:, None], np.arange(BOX)
    centre = (ink * rows).sum() / ink.sum(), (ink * columns).sum() / ink.sum()
    # Ink that lies at one side needs paper beyond the picture before the middle is cut out.
    wide = np.pad(ink, SIDE)
    top, left = (round(SIDE + at - (SIDE - 1) / 2) for at in centre)
    return wide[top : top + SIDE, left : left + SIDE]


def examples(nets: Mapping[str, DigitNetwork], seed: int) -> np.ndarray:
    """Return one digit of each class, uint8 (10, 28, 28), that all networks read right.

    They are scikit-learn's 8 × 8 digits, drawn at random by ``seed``, enlarged. Raise ValueError
    where a class has none that all networks read right.
    """
    from sklearn.datasets import load_digits

    data, found = load_digits(), []
    order = np.random.default_rng(seed).permutation(len(data.target))
    for digit in range(CLASSES):
        for row in order[data.target[order] == digit]:
            picture = (as_mnist(data.images[row] / 16) * 255).round().astype(np.uint8)
            shown = torch.from_numpy(picture)[None, None] / 255
            if all(int(net(shown).argmax()) == digit for net in nets.values()):
                found.append(picture)
                break
        else:
            raise ValueError(f"no digit {digit} is read right by all of {sorted(nets)}")
    return np.stack(found)


def models_dir(base: Path) -> Path:
    """Return the folder of trained networks below a profile's outputs."""
    return base / "data" / "models"


def keep(of: Profile, base: Path | None = None) -> list[Path]:
    """Write both networks and ten digits to ``data/models/`` below ``base``; return the files.

    Without ``base`` they go to the profile's outputs, over what is published there.
    """
    nets, folder = networks(of), models_dir(base or paths.output_dir(of.name))
    files = []
    for name, net in nets.items():
        files.append(folder / f"{PREFIX}-{name}.onnx")
        export(net, files[-1])
    files.append(folder / f"{PREFIX}-digits.json")
    facts = {
        "source": "scikit-learn's digits (UCI, CC BY 4.0), enlarged to 28 × 28",
        "radius": of.adversarial.digit_radius,
        "digits": examples(nets, of.seed).reshape(CLASSES, -1).tolist(),
    }
    with atomic_path(files[-1]) as partial:
        partial.write_text(json.dumps(facts, separators=(",", ":")) + "\n", encoding="utf-8")
    return files
