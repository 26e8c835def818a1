"""Adversarial patch (Brown et al., 2017): one sticker that makes a network see its target anywhere.

It is trained over random places, sizes and turns (EOT; Athalye et al., ICML 2018). A patch has
pixels in [0, 1] of shape (3, p, p); what counts is the disc inside the square.
"""

from dataclasses import dataclass
from math import pi

import torch
from torch import nn
from torch.nn import functional as F

from ..networks.gradients import differentiating, outputs
from .attacks import batch_size, check, rounded


@dataclass(frozen=True)
class Places:
    """How patches lie on n pictures: centres in [-1, 1], diameter over side, turns in radians."""

    x: torch.Tensor
    y: torch.Tensor
    size: torch.Tensor
    turn: torch.Tensor

    def __len__(self) -> int:
        return len(self.size)


def anywhere(
    n: int, sizes: tuple[float, float], rng: torch.Generator, turn: float = 20.0
) -> Places:
    """Return random places at which the whole patch lies inside the picture.

    ``sizes`` are the smallest and largest diameter as a share of the picture's side in (0, 1],
    ``turn`` the largest turn to either side, in degrees. Raises ValueError for other sizes.
    """
    low, high = sizes
    if not 0 < low <= high <= 1:
        raise ValueError(f"expected 0 < smallest ≤ largest ≤ 1, got {sizes}")
    draws = torch.rand(4, n, generator=rng)
    size = low + (high - low) * draws[0]
    room = 1 - size
    angle = (2 * draws[3] - 1) * turn * pi / 180
    return Places((2 * draws[1] - 1) * room, (2 * draws[2] - 1) * room, size, angle)


def disc(side: int) -> torch.Tensor:
    """Return the mask (1, side, side) of the largest disc in a square: 1 inside, 0 outside."""
    at = (torch.arange(side) + 0.5) / side * 2 - 1
    return ((at[:, None] ** 2 + at[None] ** 2) <= 1).float()[None]


def paste(x: torch.Tensor, patch: torch.Tensor, places: Places) -> torch.Tensor:
    """Return pictures (n, 3, H, W) with the patch laid on each at its place.

    Differentiable by the patch. Only pixels under the disc change.
    """
    cos, sin = places.turn.cos() / places.size, places.turn.sin() / places.size
    # A pixel (u, v) of the picture looks up the patch at R((u, v) − centre) / size.
    rows = (
        torch.stack([cos, sin, -cos * places.x - sin * places.y], 1),
        torch.stack([-sin, cos, sin * places.x - cos * places.y], 1),
    )
    theta = torch.stack(rows, 1).to(x)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    both = torch.cat([patch, disc(patch.shape[-1]).to(patch)]).to(x).expand(len(x), -1, -1, -1)
    laid = F.grid_sample(both, grid, mode="bilinear", align_corners=False)
    cover = (laid[:, -1:] > 0.5).to(x)
    return x * (1 - cover) + cover * laid[:, :-1].clamp(0, 1)


def train(  # noqa: PLR0913 (a network, pictures, and what a patch is to be)
    net: nn.Module,
    x: torch.Tensor,
    target: int,
    side: int,
    steps: int,
    sizes: tuple[float, float],
    seed: int,
    batch_size: int = 16,
    lr: float = 0.05,
) -> tuple[torch.Tensor, list[float]]:
    """Return a patch (3, side, side) for class ``target``, and the target's mean log-probability.

    Adam (Kingma and Ba, 2015) raises that log-probability on pictures ``x`` with the patch at
    random places, and the patch stays in [0, 1]. The values are one per step.
    """
    check(net, x)
    rng = torch.Generator().manual_seed(seed)
    patch = torch.full((3, side, side), 0.5, device=x.device).requires_grad_()
    adam, history = torch.optim.Adam([patch], lr), []
    goal = torch.full((batch_size,), target, device=x.device)
    for _ in range(steps):
        rows = torch.randint(0, len(x), (batch_size,), generator=rng)
        with differentiating(net):
            seen = paste(x[rows], patch, anywhere(batch_size, sizes, rng))
            loss = F.cross_entropy(net(seen).float(), goal)
            (patch.grad,) = torch.autograd.grad(loss, patch)
        adam.step()
        with torch.no_grad():
            patch.clamp_(0, 1)
        history.append(-loss.item())
    return rounded(patch.detach()), history


def success(
    net: nn.Module, x: torch.Tensor, patch: torch.Tensor, target: int, places: Places
) -> torch.Tensor:
    """Return which pictures (n,) are taken for ``target`` with the patch on them, 8-bit rounded."""
    check(net, x)
    return outputs(net, rounded(paste(x, patch, places)), batch_size(x)).argmax(1) == target
