"""Attacks on a classifier in one loop: gradient, normalise, step, project, clip.

Pictures are pixels in [0, 1] of shape (n, c, H, W), and a network has its normalisation inside.
What is judged is the picture rounded to 8 bits, in single precision. The network stays as it was.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..networks.gradients import class_scores, differentiating, matched

LEVELS = 255
TINY = 1e-12
Transform = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True)
class Norm:
    """A norm by what the loop needs of it; each function works on tensors (n, c, H, W)."""

    direction: Callable[[torch.Tensor], torch.Tensor]
    """The direction of size 1 along which a gradient rises fastest."""
    project: Callable[[torch.Tensor, float], torch.Tensor]
    """The nearest perturbation of at most a given size."""
    draw: Callable[[torch.Tensor, float, torch.Generator], torch.Tensor]
    """A random perturbation within a given size."""


def _lengths(d: torch.Tensor) -> torch.Tensor:
    return d.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def _uniform(x: torch.Tensor, eps: float, rng: torch.Generator) -> torch.Tensor:
    return ((2 * torch.rand(x.shape, generator=rng) - 1) * eps).to(x)


def _on_sphere(x: torch.Tensor, eps: float, rng: torch.Generator) -> torch.Tensor:
    d = torch.randn(x.shape, generator=rng)
    return (d * (eps / _lengths(d).clamp_min(TINY))).to(x)


NORMS = {
    "linf": Norm(torch.sign, lambda d, eps: d.clamp(-eps, eps), _uniform),
    "l2": Norm(
        lambda g: g / _lengths(g).clamp_min(TINY),
        lambda d, eps: d * (eps / _lengths(d).clamp_min(TINY)).clamp_max(1),
        _on_sphere,
    ),
}


@dataclass(frozen=True)
class Attack:
    """Settings of the loop; sizes in units of pixels in [0, 1]."""

    norm: str = "linf"
    eps: float = 8 / 255
    """Largest size of the perturbation; infinity for none."""
    step: float = 2 / 255
    steps: int = 10
    momentum: float = 0.0
    """How much of the gradients before stays in the next (Dong et al., CVPR 2018)."""
    random_start: bool = False
    objective: str = "cross_entropy"
    """``cross_entropy`` or ``score``: the class's output before the softmax."""
    samples: int = 1
    """Draws of the transformation that a gradient is averaged over (EOT; Athalye et al., 2018)."""
    stop_early: bool = True
    """Whether a picture is left alone once its 8-bit version is misread."""
    rounded: bool = True
    """Whether the result is rounded to 8 bits; below 1/255 no such picture lies in the ball."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"norm {self.norm!r}: expected one of {sorted(NORMS)}")
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective {self.objective!r}: expected one of {sorted(OBJECTIVES)}")
        if not (self.eps > 0 and self.step > 0 and self.steps > 0 and self.samples > 0):
            raise ValueError(f"eps, step, steps and samples must be positive, got {self}")


def fgsm(eps: float, **options: Any) -> Attack:
    """Return the fast gradient sign method: one step to the ball's edge (Goodfellow 2015)."""
    return Attack("linf", eps, eps, 1, stop_early=False, **options)


def pgd(eps: float, steps: int = 10, norm: str = "linf", **options: Any) -> Attack:
    """Return projected gradient descent (Madry et al., ICLR 2018) with steps of 2.5 eps / steps.

    In L∞ a step is at least one grey level where the ball is that large: less is rounded away.
    """
    step = 2.5 * eps / steps
    if norm == "linf" and eps >= 1 / LEVELS:
        step = max(step, 1 / LEVELS)
    return Attack(norm, eps, step, steps, **options)


def momentum(eps: float, steps: int = 10, **options: Any) -> Attack:
    """Return the momentum method (Dong et al., CVPR 2018): all gradients so far, normalised."""
    return Attack("linf", eps, eps / steps, steps, momentum=1.0, **options)


def fooling(step: float = 0.5, steps: int = 100, **options: Any) -> Attack:
    """Return plain ascent on a score until it wins: L2 steps and no ball (Szegedy et al., 2014)."""
    return Attack("l2", inf, step, steps, objective="score", **options)


OBJECTIVES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cross_entropy": lambda logits, y: F.cross_entropy(logits.float(), y, reduction="none"),
    "score": lambda logits, y: -class_scores(logits.float(), y),
}
"""What rises where class y loses; an attack with a target goes the other way."""


@dataclass(frozen=True)
class Outcome:
    """What an attack made: pictures (n, c, H, W), whether each fools (n,), its steps (n,)."""

    adversarial: torch.Tensor
    fooled: torch.Tensor
    steps: torch.Tensor


def rounded(x: torch.Tensor) -> torch.Tensor:
    """Return pixels in [0, 1] as an 8-bit picture holds them."""
    return (x * LEVELS).round() / LEVELS


def check(net: nn.Module, x: torch.Tensor, *classes: torch.Tensor | None) -> None:
    """Raise ValueError for pixels outside [0, 1], classes of another length, a net in training."""
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"expected float pixels (n, c, H, W), got {x.dtype} {tuple(x.shape)}")
    if x.numel() and not (float(x.min()) >= 0 and float(x.max()) <= 1):
        raise ValueError(f"expected pixels in [0, 1], got {x.min():.3g} to {x.max():.3g}")
    for y in classes:
        if y is not None and y.shape != x.shape[:1]:
            raise ValueError(f"expected {len(x)} classes, got shape {tuple(y.shape)}")
    if any(module.training for module in net.modules()):
        raise ValueError("the network is in training mode: call net.eval() before it is attacked")


def batch_size(x: torch.Tensor) -> int:
    """Return how many pictures (n, c, H, W) pass fastest at once: a processor's cache is small."""
    return max(16, 400_000 // (x.shape[1] * x.shape[2] * x.shape[3]))


@contextmanager
def float32_products() -> Iterator[None]:
    """Multiply in full single precision while a result is verified, on GPUs too."""
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("highest")
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def judged(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, target: torch.Tensor | None = None
) -> torch.Tensor:
    """Return which pictures (n,) are taken for another class than y, or for ``target``."""
    with differentiating(net), torch.no_grad(), float32_products():
        parts = x.split(batch_size(x))
        found = torch.cat([net(matched(net, part)).argmax(1) for part in parts]).to(y.device)
    return found != y if target is None else found == target


def gradient(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    objective: str = "cross_entropy",
    draws: Callable[[torch.Tensor], torch.Tensor] | None = None,
    samples: int = 1,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of ``x`` and the objective's derivative by it, of the shape of ``x``.

    With ``draws``, a random transformation, both are means over ``samples`` of it.
    """
    logits = slopes = torch.zeros(())
    with differentiating(net):
        for _ in range(samples):
            leaf = matched(net, x).requires_grad_()
            out = net(draws(leaf) if draws else leaf.clone())
            # A network that rounds has no slope at all: zeros, and the attack stands still.
            loss = OBJECTIVES[objective](out, y.to(out.device)).sum() + 0 * leaf.sum()
            slope = torch.autograd.grad(loss, leaf)[0]
            slopes, logits = slopes + slope.to(x) / samples, logits + out.detach() / samples
    return logits, slopes


def run(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    attack: Attack,
    target: torch.Tensor | None = None,
    transform: Transform | None = None,
) -> Outcome:
    """Attack pictures ``x`` of classes ``y`` (n,), towards classes ``target`` (n,) if given.

    ``transform`` changes pictures at random before the network sees them (EOT); the result is
    judged without it. Raises ValueError for bad input.
    """
    check(net, x, y, target)
    norm, rng = NORMS[attack.norm], torch.Generator().manual_seed(attack.seed)
    draws = None if transform is None else lambda pixels: transform(pixels, rng)
    goal, sign = (y, 1) if target is None else (target, -1)
    found, at = x.clone(), torch.arange(len(x))
    used, velocity = torch.full((len(x),), attack.steps), torch.zeros_like(x)
    if attack.random_start:
        found = (x + norm.draw(x, attack.eps, rng)).clamp(0, 1)
    for step in range(attack.steps):
        _, slopes = gradient(net, found[at], goal[at], attack.objective, draws, attack.samples)
        if attack.momentum:
            scale = slopes.abs().mean((1, 2, 3), keepdim=True).clamp_min(TINY)
            slopes = velocity[at] = attack.momentum * velocity[at] + slopes / scale
        moved = found[at] + sign * attack.step * norm.direction(slopes)
        found[at] = (x[at] + norm.project(moved - x[at], attack.eps)).clamp(0, 1)
        if attack.stop_early:
            done = judged(
                net, _final(found[at], attack), y[at], None if target is None else goal[at]
            )
            used[at[done]], at = step + 1, at[~done]
        if not len(at):
            break
    found = _final(found, attack)
    return Outcome(found, judged(net, found, y, target), used)


def _final(x: torch.Tensor, attack: Attack) -> torch.Tensor:
    return rounded(x) if attack.rounded else x


def noise(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, norm: str, eps: float, draws: int, seed: int
) -> torch.Tensor:
    """Return the share (n,) of ``draws`` random perturbations that fool: the control.

    They have exactly the size ``eps``: random signs in L∞, a random direction in L2.
    """
    check(net, x, y)
    rng, hits = torch.Generator().manual_seed(seed), torch.zeros(len(x))
    for _ in range(draws):
        direction = NORMS[norm].direction(torch.randn(x.shape, generator=rng).to(x))
        hits += judged(net, rounded((x + eps * direction).clamp(0, 1)), y).cpu()
    return hits / draws


def distances(x: torch.Tensor, other: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return ``l0`` (pixels that differ), ``l2`` and ``linf`` of the difference, each (n,)."""
    d = (other - x).float()
    changed = (d.abs() > 0.5 / LEVELS).any(1).flatten(1).sum(1)
    return {"l0": changed, "l2": d.flatten(1).norm(dim=1), "linf": d.flatten(1).abs().amax(1)}
