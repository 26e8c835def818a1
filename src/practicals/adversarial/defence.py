"""Defences: pictures cleaned before the network, and adversarial training on digits."""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur
from tqdm.auto import tqdm

from ..networks.training import as_float, he_initialise
from .attacks import pgd
from .attacks import run as attack_run

Cleaner = Callable[[torch.Tensor], torch.Tensor]


def jpeg(x: torch.Tensor, quality: int = 75) -> torch.Tensor:
    """Return pictures (n, 3, H, W) in [0, 1] after JPEG at ``quality`` (1 to 95); no gradient."""
    made = []
    for pixels in (x.detach().float().cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy():
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        made.append(np.asarray(Image.open(buffer)))
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).to(x) / 255


def blur(x: torch.Tensor, sigma: float = 1.0) -> torch.Tensor:
    """Return pictures blurred by a Gaussian of ``sigma`` pixels; differentiable."""
    return gaussian_blur(x, 2 * round(2 * sigma) + 1, sigma)


class Cleaned(nn.Module):
    """A network that sees pictures after ``clean``, a defence without training.

    ``straight_through`` lets the gradient pass a cleaner that has none as if it changed nothing
    (BPDA; Athalye, Carlini and Wagner, ICML 2018). Without it the gradient is zero there.
    """

    def __init__(self, net: nn.Module, clean: Cleaner, straight_through: bool = False) -> None:
        super().__init__()
        self.net, self.clean, self.straight_through = net, clean, straight_through
        self.train(net.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the network's logits of the cleaned pictures."""
        seen = self.clean(x)
        if self.straight_through:
            seen = x + (seen - x).detach()
        return self.net(seen)


class RandomJpeg(nn.Module):
    """A network that sees pictures after JPEG of a quality drawn anew in every call, 30 to 90.

    The gradient passes straight through; what is left to an attacker is to average over draws.
    """

    def __init__(self, net: nn.Module, seed: int = 0) -> None:
        super().__init__()
        self.net, self.rng = net, np.random.default_rng(seed)
        self.train(net.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the network's logits of compressed pictures."""
        seen = jpeg(x, int(self.rng.integers(30, 91)))
        return self.net(x + (seen - x).detach())


class DigitNetwork(nn.Module):
    """A small network for digits (n, 1, 28, 28) in [0, 1]: two strided convolutions, two layers.

    The architecture of Wong, Rice and Kolter (ICLR 2020) for fast adversarial training.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 4, stride=2, padding=1)
        self.fc1 = nn.Linear(32 * 7 * 7, 100)
        self.fc2 = nn.Linear(100, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 10)."""
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def train_digits(  # noqa: PLR0913 (data, a radius, and a budget)
    x: torch.Tensor,
    y: torch.Tensor,
    eps: float,
    epochs: int,
    steps: int,
    seed: int,
    batch_size: int = 128,
    lr: float = 2e-3,
    label: str = "",
) -> DigitNetwork:
    """Return a network trained on digits (n, 1, 28, 28), or on the worst ones found around them.

    With ``eps`` > 0 every batch is first attacked by PGD in L∞ with ``steps`` steps from a random
    start (Madry et al., ICLR 2018); 0 trains on the digits as they are. The radius grows over the
    first third of the training, without which it may never start. Adam, one cosine.
    """
    torch.manual_seed(seed)
    net, rng = he_initialise(DigitNetwork()), torch.Generator().manual_seed(seed)
    total, done = epochs * -(-len(x) // batch_size), 0
    adam = torch.optim.Adam(net.parameters(), lr)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, total)
    for _ in tqdm(range(epochs), desc=label or "training", leave=False):
        for rows in torch.randperm(len(x), generator=rng).split(batch_size):
            pixels, truth = as_float(x[rows]), y[rows]
            if eps:
                radius = eps * min(1.0, 3 * (done + 1) / total)
                pixels = worst(net.eval(), pixels, truth, radius, steps, done)
            net.train()
            loss = F.cross_entropy(net(pixels), truth)
            adam.zero_grad()
            loss.backward()
            adam.step()
            cosine.step()
            done += 1
    return net.eval().requires_grad_(False)


def worst(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, eps: float, steps: int, seed: int
) -> torch.Tensor:
    """Return the pictures that PGD in L∞ finds in ``steps`` steps, whether they fool or not."""
    plan = pgd(eps, steps, random_start=True, stop_early=False, rounded=False, seed=seed)
    return attack_run(net, x, y, plan).adversarial


def raised(
    net: nn.Module, x: torch.Tensor, target: torch.Tensor, eps: float, steps: int
) -> torch.Tensor:
    """Return what ``x`` becomes where the classes ``target`` rise in an L2 ball of size ``eps``.

    From grey or from noise and with a large ball this is a class image (Santurkar et al., 2019).
    """
    plan = pgd(eps, steps, "l2", stop_early=False, rounded=False)
    return attack_run(net, x, target, plan, target=target).adversarial
