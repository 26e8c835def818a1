"""A game whose answers are known: two densities in the plane, D* in closed form beside a trained D.

Goodfellow et al. (NIPS 2014), section 4: for a fixed G the best D is p/(p + q), and its loss is
2 log 2 − 2 JSD(p, q).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from .training import discriminator_loss, generator_loss


@dataclass(frozen=True)
class Mixture:
    """Equally likely round Gaussians of deviation ``sigma`` around ``centres`` ((x, y), …)."""

    centres: tuple[tuple[float, float], ...]
    sigma: float

    def log_density(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p(x) of points (n, 2), (n,)."""
        centres = torch.tensor(self.centres, dtype=x.dtype)
        squared = (x[:, None] - centres).square().sum(2)
        scale = np.log(2 * np.pi * self.sigma**2 * len(centres))
        return torch.logsumexp(-squared / (2 * self.sigma**2), 1) - scale

    def draw(self, n: int, rng: torch.Generator) -> torch.Tensor:
        """Return ``n`` points (n, 2)."""
        centres = torch.tensor(self.centres)
        which = torch.randint(len(centres), (n,), generator=rng)
        return centres[which] + self.sigma * torch.randn(n, 2, generator=rng)

    def nearest(self, x: torch.Tensor) -> torch.Tensor:
        """Return the index of the nearest centre of points (n, 2), (n,)."""
        return torch.cdist(x, torch.tensor(self.centres)).argmin(1)


def ring(modes: int = 8, radius: float = 2.0, sigma: float = 0.15) -> Mixture:
    """Return Gaussians evenly on a circle, the usual test of a GAN's diversity."""
    angles = 2 * np.pi * np.arange(modes) / modes
    places = ((float(radius * np.cos(a)), float(radius * np.sin(a))) for a in angles)
    return Mixture(tuple(places), sigma)


def best_logit(p: Mixture, q: Mixture, x: torch.Tensor) -> torch.Tensor:
    """Return the logit of D*(x) = p/(p + q) at points (n, 2): log p − log q, (n,)."""
    return p.log_density(x) - q.log_density(x)


def plane(half: float = 4.0, side: int = 201) -> torch.Tensor:
    """Return the points of a square grid around the origin, (side², 2), rows from below."""
    axis = torch.linspace(-half, half, side, dtype=torch.float64)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], 2).view(-1, 2)


def jensen_shannon(p: Mixture, q: Mixture, half: float = 8.0, side: int = 801) -> float:
    """Return JSD(p, q) in nats, in [0, log 2]: a sum over a grid that holds both densities."""
    x = plane(half, side)
    log_p, log_q = p.log_density(x), q.log_density(x)
    log_m = torch.logaddexp(log_p, log_q) - np.log(2)
    density = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    return float(0.5 * density.sum() * (2 * half / (side - 1)) ** 2)


def perceptron(inputs: int, outputs: int, hidden: int = 64) -> nn.Sequential:
    """Return three linear layers with ReLUs between them."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
        nn.Linear(hidden, outputs),
    )  # fmt: skip


def seeded(seed: int, inputs: int, outputs: int) -> nn.Sequential:
    """Return a perceptron whose weights ``seed`` decides."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return perceptron(inputs, outputs)


def train_d(p: Mixture, q: Mixture, steps: int, seed: int) -> dict[str, Any]:
    """Train D alone to tell p from q, and return it beside D*: a job.

    ``loss`` (steps,), ``trained`` and ``best`` logits on ``plane()``, and ``jsd``, the divergence
    that the loss of the last tenth of the steps implies.
    """
    net, rng = seeded(seed, 2, 1), torch.Generator().manual_seed(seed)
    adam, losses = torch.optim.Adam(net.parameters(), 2e-3), []
    for number in range(steps):
        for group in adam.param_groups:
            group["lr"] = 2e-3 * (1 - number / steps)
        logits = [net(m.draw(512, rng)).squeeze(1) for m in (p, q)]
        loss = discriminator_loss(*logits)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    x = plane()
    with torch.no_grad():
        trained = net(x.float()).squeeze(1).numpy()
    last = np.mean(losses[-max(1, steps // 10) :])
    return {
        "loss": np.array(losses),
        "trained": trained,
        "best": best_logit(p, q, x).numpy(),
        "jsd": float(np.log(2) - last / 2),
    }


def pull(distance: float, kind: str, n: int = 4096, seed: int = 0) -> float:
    """Return the gradient of G's loss by the place of its points, against the best D, ≥ 0.

    Real points are N(0, 1), fake ones N(distance, 1) in one dimension, so that D*'s logit is
    distance²/2 − distance·x; D stays as it is while the fake points move.
    """
    noise = torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    place = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
    logits = distance**2 / 2 - distance * (noise + place)
    (slope,) = torch.autograd.grad(generator_loss(logits, kind), place)
    return float(slope.abs())


def play(
    target: Mixture, steps: int, kind: str, seed: int, freeze_d: bool = False
) -> dict[str, np.ndarray]:
    """Train G and D on a mixture from z in the plane, and return where z goes: a job.

    With ``freeze_d`` D first learns to tell the data from G's first points, and then stays. Return
    ``z`` (2000, 2), ``points`` (2000, 2), ``mode`` (2000,) and the share of ``near`` points, within
    three deviations of a centre.
    """
    G, D = seeded(seed, 2, 2), seeded(seed + 1, 2, 1)
    rng = torch.Generator().manual_seed(seed)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), 1e-3, (0.5, 0.999)) for net in (G, D))
    for number in range(steps):
        fake = G(torch.randn(256, 2, generator=rng))
        if not freeze_d or number < steps // 2:
            on_real, on_fake = D(target.draw(256, rng)), D(fake.detach())
            adam_d.zero_grad()
            discriminator_loss(on_real, on_fake).backward()
            adam_d.step()
        if not freeze_d or number >= steps // 2:
            adam_g.zero_grad()
            generator_loss(D(fake), kind).backward()
            adam_g.step()
    z = torch.randn(2000, 2, generator=rng)
    with torch.no_grad():
        points = G(z)
    mode = target.nearest(points)
    gap = (points - torch.tensor(target.centres)[mode]).norm(dim=1)
    near = (gap < 3 * target.sigma).float().mean()
    return {"z": z.numpy(), "points": points.numpy(), "mode": mode.numpy(), "near": near.numpy()}


def entropy_of(values: np.ndarray, kinds: int) -> float:
    """Return the entropy of a histogram of integers in nats, in [0, log kinds]."""
    share = np.bincount(values, minlength=kinds) / len(values)
    return float(-(share * np.log(np.where(share > 0, share, 1))).sum())
