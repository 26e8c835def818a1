"""The smallest L2 perturbation that fools: FMN (Pintor et al., NeurIPS 2021)."""

from math import cos, pi

import torch
from torch import nn

from ..networks.gradients import differentiating, matched
from .attacks import NORMS, batch_size, check, judged


def _margin(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return how far class y lies above the best other one (n,), where ``y`` lies."""
    logits = logits.to(y.device)
    own = logits.gather(1, y[:, None])[:, 0]
    others = logits.scatter(1, y[:, None], float("-inf"))
    return own - others.amax(1)


def clean_margin(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the difference of the logits of class y and of the best other class (n,)."""
    with differentiating(net), torch.no_grad():
        parts = [_margin(net(matched(net, p)).float(), q) for p, q in _pairs(x, y)]
    return torch.cat(parts).cpu()


def _pairs(x: torch.Tensor, y: torch.Tensor) -> zip:
    return zip(x.split(batch_size(x)), y.split(batch_size(x)), strict=True)


def _cosine(first: float, last: float, part: float) -> float:
    return last + (first - last) * (1 + cos(pi * part)) / 2


def smallest(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int = 40
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the nearest fooling pictures found (n, c, H, W), and their L2 distances (n,).

    The ball shrinks where the picture is misread and grows where it is not; steps and changes of
    the ball fall along a cosine. Pictures are *not* rounded: rounding alone moves a picture further
    than the perturbations that are found here. A distance is infinite where none was found, and 0
    where the picture is misread as it is.
    """
    check(net, x, y)
    n, kind = len(x), NORMS["l2"]
    delta, found = torch.zeros_like(x), x.clone()
    best, ball = torch.full((n,), float("inf")).to(x), torch.full((n,), float("inf")).to(x)
    for step in range(steps + 1):
        with differentiating(net):
            leaf = matched(net, x + delta).requires_grad_()
            gap = _margin(net(leaf.clone()).float(), y)
            slopes = torch.autograd.grad(gap.sum(), leaf)[0].to(x)
        gap = gap.detach().to(x)
        size, wrong = delta.flatten(1).norm(dim=1), gap < 0
        nearer = wrong & (size < best)
        found[nearer], best = (x + delta)[nearer], torch.where(nearer, size, best)
        if step == steps:
            break
        part = step / steps
        change = _cosine(0.05, 0.001, part)
        # Before a picture is fooled, its margin over its slope says how far the border may be.
        guess = size + gap / slopes.flatten(1).norm(dim=1).clamp_min(1e-12)
        guess = guess * (1 + change)  # beyond the border, not on it
        never = best.isinf()
        smaller = torch.minimum(ball * (1 - change), best * (1 - change))
        ball = torch.where(wrong, smaller, torch.where(never, guess, ball * (1 + change)))
        delta = delta - _cosine(1.0, 0.01, part) * kind.direction(slopes)
        length = delta.flatten(1).norm(dim=1).clamp_min(1e-12)
        delta = delta * (ball / length).clamp_max(1).view(-1, 1, 1, 1)
        delta = (x + delta).clamp(0, 1) - x
    still = judged(net, found, y).to(best.device)
    return found, torch.where(still, best, torch.full_like(best, float("inf")))
