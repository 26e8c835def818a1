"""Auto-PGD (Croce and Hein, ICML 2020): the loop with momentum and a step size that adapts."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.nn import functional as F

from ..networks.gradients import differentiating, matched
from .attacks import LEVELS, NORMS, Outcome, check, judged, rounded

KEPT = 0.75
"""Weight of the new step beside the last movement, and the share of steps that must help."""


def dlr(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the difference of logits ratio (n,): free of the logits' scale, unlike cross entropy.

    Needs at least three classes; raises ValueError for fewer.
    """
    if logits.shape[1] < 3:
        raise ValueError(f"the DLR loss needs three classes or more, got {logits.shape[1]}")
    ranked = logits.topk(3, dim=1).values
    own = logits.gather(1, y[:, None])[:, 0]
    is_first = logits.argmax(1) == y
    rival = torch.where(is_first, ranked[:, 1], ranked[:, 0])
    return -(own - rival) / (ranked[:, 0] - ranked[:, 2] + 1e-12)


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "ce": lambda logits, y: F.cross_entropy(logits, y, reduction="none"),
    "dlr": dlr,
}


def start(x: torch.Tensor, norm: str, eps: float, rng: torch.Generator) -> torch.Tensor:
    """Return random pictures on the edge of the ball around ``x``."""
    if norm == "l2":
        return (x + NORMS["l2"].draw(x, eps, rng)).clamp(0, 1)
    t = 2 * torch.rand(x.shape, generator=rng) - 1
    return (x + (eps * t / t.abs().amax((1, 2, 3), keepdim=True)).to(x)).clamp(0, 1)


def _value(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, loss: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return loss (n,), its gradient and which pictures are misread (n,)."""
    with differentiating(net):
        leaf = matched(net, x).requires_grad_()
        logits = net(leaf.clone()).float().to(y.device)
        values = LOSSES[loss](logits, y)
        slopes = torch.autograd.grad(values.sum() + 0 * leaf.sum(), leaf)[0]
    return values.detach(), slopes.to(x), logits.argmax(1) != y


class _Schedule:
    """When to look whether the step size is still right: ever more often (section 3.2 there)."""

    def __init__(self, steps: int) -> None:
        self.period = max(int(0.22 * steps), 1)
        self.least, self.shrink = max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)
        self.since = 0

    def due(self) -> bool:
        """Count one step; return whether this is a checkpoint."""
        self.since += 1
        return self.since == self.period

    def restart(self) -> None:
        """Begin the next, shorter, period."""
        self.since, self.period = 0, max(self.period - self.shrink, self.least)


@dataclass
class _Search:
    """Where the search stands, a row for every picture that still resists."""

    at: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    now: torch.Tensor
    old: torch.Tensor
    slopes: torch.Tensor
    best: torch.Tensor
    best_slopes: torch.Tensor
    best_value: torch.Tensor
    last_best: torch.Tensor
    size: torch.Tensor
    halved: torch.Tensor
    history: torch.Tensor
    """The loss at the start and after each step, (n, steps so far + 1)."""

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with some of the pictures."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[rows])

    def move(self, norm: str, eps: float, first: bool) -> None:
        """Take one step, a part of it in the direction of the last movement."""
        kind, keep = NORMS[norm], 1.0 if first else KEPT
        moved, before = self.now + self.size * kind.direction(self.slopes), self.now - self.old
        moved = (self.x + kind.project(moved - self.x, eps)).clamp(0, 1)
        moved = self.now + (moved - self.now) * keep + before * (1 - keep)
        self.old, self.now = self.now, (self.x + kind.project(moved - self.x, eps)).clamp(0, 1)

    def learn(self, values: torch.Tensor, slopes: torch.Tensor) -> None:
        """Take in the loss and its gradient at the new place."""
        better, self.slopes = values > self.best_value, slopes
        self.best[better], self.best_slopes[better] = self.now[better], slopes[better]
        self.best_value = torch.maximum(self.best_value, values)
        self.history = torch.cat([self.history, values[:, None]], 1)

    def adapt(self, period: int) -> None:
        """Halve the step, and go back to the best place, where the loss has stopped to rise."""
        recent = self.history[:, -period - 1 :]
        rises = (recent[:, 1:] > recent[:, :-1]).sum(1)
        stuck = ~self.halved & (self.last_best >= self.best_value)
        self.halved, self.last_best = (rises <= period * KEPT) | stuck, self.best_value.clone()
        self.size[self.halved] /= 2
        self.now[self.halved] = self.best[self.halved]
        self.slopes[self.halved] = self.best_slopes[self.halved]


def run(  # noqa: PLR0913 (a norm, its size, and what the paper leaves to choose)
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    norm: str,
    eps: float,
    steps: int = 30,
    loss: str = "ce",
    seed: int = 0,
    begin: torch.Tensor | None = None,
) -> Outcome:
    """Attack pictures ``x`` of classes ``y`` (n,) in a ball of size ``eps``; no target.

    A picture that is misread, after rounding to 8 bits from 1/255 on, leaves the search. ``begin``
    replaces the random start. Raises ValueError for bad input.
    """
    check(net, x, y)
    rng, schedule = torch.Generator().manual_seed(seed), _Schedule(steps)
    begin = start(x, norm, eps, rng) if begin is None else begin.clone()
    values, slopes, wrong = _value(net, begin, y, loss)
    found, used = begin.clone(), torch.full((len(x),), steps)
    search = _Search(
        *(torch.arange(len(x)), x, y, begin, begin.clone(), slopes, begin.clone()),
        *(slopes.clone(), values.clone(), values.clone()),
        torch.full((len(x), 1, 1, 1), 2 * eps).to(x),
        torch.ones(len(x), dtype=torch.bool),
        values[:, None],
    )
    for step in range(steps + 1):
        final = _final(search.now, eps)
        done = wrong.clone()
        done[wrong] = judged(net, final[wrong], search.y[wrong])
        found[search.at], used[search.at[done]] = final, step
        search.keep(~done)
        if step == steps or not len(search.at):
            break
        if step and schedule.due():
            search.adapt(schedule.period)
            schedule.restart()
        search.move(norm, eps, first=step == 0)
        values, slopes, wrong = _value(net, search.now, search.y, loss)
        search.learn(values, slopes)
    return Outcome(found, judged(net, found, y), used)


def _final(x: torch.Tensor, eps: float) -> torch.Tensor:
    return rounded(x) if eps >= 1 / LEVELS else x
