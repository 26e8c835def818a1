"""The judge of generated digits: a LeNet trained on real ones, whose features the scores read.

LeCun, Bottou, Bengio & Haffner: Gradient-based learning applied to document recognition (1998).
Digits lie in the middle of 32 × 32 pixels, as they did there.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from provenance import cache

from ..data import digits
from ..networks.training import as_float, fit, scores

SIDE = 32
"""Side of the pictures, in pixels."""


@dataclass(frozen=True)
class Scene:
    """What all runs of a profile share: the digits, the judge, and how many digits are scored."""

    real: bool
    judge_epochs: int
    scored: int
    """Generated digits for the Fréchet distance and the counts, and as many real ones at most."""
    compared: int
    """Digits of either side for scores that look for neighbours."""


@dataclass(frozen=True)
class Pixels:
    """Digits as uint8 (n, 1, 32, 32) and their classes (n,); those to train on, those held out."""

    x: torch.Tensor
    y: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor


@lru_cache(maxsize=2)
def pixels(real: bool) -> Pixels:
    """Return MNIST, or where not ``real`` scikit-learn's digits, two black pixels on each side."""
    x, y, x_test, y_test = digits.mnist() if real else digits.small_digits()
    edge = (SIDE - digits.SIDE) // 2
    padded = [F.pad(torch.from_numpy(part.copy())[:, None], (edge,) * 4) for part in (x, x_test)]
    classes = [torch.from_numpy(part.astype(np.int64)) for part in (y, y_test)]
    return Pixels(padded[0], classes[0], padded[1], classes[1])


class LeNet(nn.Module):
    """Two convolutions, 84 features, ten classes, of pixels (n, 1, 32, 32) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(800, 84), nn.ReLU(),
        )  # fmt: skip
        self.last = nn.Linear(84, 10)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the last layer sees, (n, 84), not negative."""
        return self.body(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of the ten digits, (n, 10)."""
        return self.last(self.features(x))


def shifted(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Shift a batch by up to two pixels each way, so that the judge does not learn the margin."""
    down, right = (int(torch.randint(-2, 3, (), generator=rng)) for _ in range(2))
    return torch.roll(as_float(x), (down, right), (-2, -1))


def learn(x: torch.Tensor, y: torch.Tensor, epochs: int, seed: int, label: str = "") -> LeNet:
    """Return a LeNet trained on pixels ``x``, uint8 (n, 1, 32, 32), and classes ``y``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = LeNet()
    fit(net, x, y, epochs, 0.05, 64, seed, augment=shifted, label=label or "judge")
    return net.eval()


def judge_state(real: bool, epochs: int, seed: int) -> dict[str, torch.Tensor]:
    """Return the judge's weights and its ``accuracy`` on held-out digits: a job."""
    data = pixels(real)
    net = learn(data.x, data.y, epochs, seed)
    right = (scores(net, data.x_test).argmax(1) == data.y_test).double().mean()
    return net.state_dict() | {"accuracy": right}


@lru_cache(maxsize=4)
def judge(scene: Scene, seed: int = 0) -> tuple[LeNet, float]:
    """Return the judge in evaluation mode, and its accuracy on held-out digits."""
    state = dict(cache.once(judge_state, scene.real, scene.judge_epochs, seed))
    accuracy = float(state.pop("accuracy"))
    net = LeNet()
    net.load_state_dict(state)
    return net.eval(), accuracy


@torch.inference_mode()
def read(net: LeNet, x: torch.Tensor, batch_size: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 84) in double precision and predicted classes (n,) of uint8 pixels."""
    if len(x) == 0:
        raise ValueError("there are no digits to read")
    features = torch.cat([net.features(as_float(part)) for part in x.split(batch_size)])
    return features.double().numpy(), net.last(features).argmax(1).numpy()


@lru_cache(maxsize=4)
def reference(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return features and predicted classes of at most ``scored`` held-out digits."""
    return read(judge(scene)[0], pixels(scene.real).x_test[: scene.scored])


def drawn(scene: Scene, n: int, seed: int, *others: int) -> torch.Tensor:
    """Return ``n`` training digits at random, uint8: what a perfect generator would give."""
    x = pixels(scene.real).x
    order = np.random.default_rng((seed, *others)).permutation(len(x))[:n]
    return x[torch.from_numpy(order)]


def train_on_synthetic(
    x: torch.Tensor, y: torch.Tensor, scene: Scene, epochs: int, seed: int
) -> float:
    """Return the accuracy on real held-out digits of a LeNet that saw ``x`` and ``y`` alone."""
    data = pixels(scene.real)
    net = learn(x, y, epochs, seed, "on synthetic digits")
    return float((scores(net, data.x_test).argmax(1) == data.y_test).double().mean())
