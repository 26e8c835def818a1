"""Training a GAN: both losses from logits, one step, and a run that can stop and go on.

Goodfellow et al.: Generative adversarial nets (NIPS 2014). R1: Mescheder, Geiger & Nowozin, Which
training methods for GANs do actually converge? (ICML 2018). Label smoothing: Salimans et al.,
Improved techniques for training GANs (NIPS 2016).
"""

import copy
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .. import runtime
from .networks import Design, Generator, build

RECORDS = ("loss_d", "loss_g", "gradient_d", "gradient_g", "d_real", "d_fake")
"""What is kept of every step: losses, gradient norms, and the mean D(x) and D(G(z))."""
LOSSES = ("non-saturating", "saturating")
TRAINED = ("both", "G", "D")
PARTS = ("G", "D", "mean", "adam_g", "adam_d")
"""What a run consists of, but for its source of chance."""


@dataclass(frozen=True)
class Recipe:
    """How a pair is trained; the defaults are DCGAN's."""

    design: Design = field(default_factory=Design)
    steps: int = 1000
    batch_size: int = 128
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    loss: str = "non-saturating"
    trains: str = "both"
    """Whose objective is trained: ``both``, ``G`` or ``D``."""
    g_steps: int = 1
    """Updates of G for each of D."""
    real_target: float = 1.0
    """What D should answer to real pictures; 0.9 is one-sided label smoothing."""
    r1: float = 0.0
    """Weight γ of the penalty γ/2 · ‖∇D(x)‖² on real pictures."""
    average: float = 0.99
    """Decay of the mean of G's weights over steps, which draws the digits; 0: the last weights."""
    cooling: float = 0.5
    """The last part of the steps, over which the step sizes fall evenly to nothing."""
    exact: bool = False
    """Whether products stay in single precision where the processor has bfloat16 units."""

    def __post_init__(self) -> None:
        """Raise ValueError for a recipe that means nothing."""
        if self.loss not in LOSSES:
            raise ValueError(f"loss {self.loss!r}: expected one of {LOSSES}")
        if self.trains not in TRAINED:
            raise ValueError(f"trains {self.trains!r}: expected one of {TRAINED}")
        if not 0 < self.real_target <= 1 or self.r1 < 0 or not 0 <= self.average < 1:
            raise ValueError("expected a real target in (0, 1], r1 ≥ 0 and an average in [0, 1)")
        if not 0 <= self.cooling <= 1:
            raise ValueError(f"expected a cooling in [0, 1], got {self.cooling}")
        if min(self.steps, self.g_steps) < 1 or self.batch_size < 2:
            raise ValueError("expected at least one step and two pictures a batch")


def discriminator_loss(
    real: torch.Tensor, fake: torch.Tensor, real_target: float = 1.0
) -> torch.Tensor:
    """Return −mean log D(x) − mean log(1 − D(G(z))) from logits, both of shape (n,).

    log D = −softplus(−logit) and log(1 − D) = −softplus(logit) never overflow. With a
    ``real_target`` t < 1 the first term is the cross-entropy to t.
    """
    on_real = real_target * F.softplus(-real) + (1 - real_target) * F.softplus(real)
    return on_real.mean() + F.softplus(fake).mean()


def generator_loss(fake: torch.Tensor, kind: str = "non-saturating") -> torch.Tensor:
    """Return G's loss from D's logits (n,): −mean log D(G(z)), or mean log(1 − D(G(z))).

    The second is the minimax game's own (``saturating``): where D is sure, its slope is nothing.
    """
    if kind not in LOSSES:
        raise ValueError(f"loss {kind!r}: expected one of {LOSSES}")
    return F.softplus(-fake).mean() if kind == LOSSES[0] else -F.softplus(fake).mean()


def gradient_norm(net: nn.Module) -> torch.Tensor:
    """Return the Euclidean norm of all gradients of a network."""
    return torch.nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None])


class Gan:
    """A generator, a discriminator, their optimisers and the source of their chance."""

    def __init__(self, recipe: Recipe, seed: int, device: torch.device | None = None) -> None:
        self.recipe, self.device = recipe, device or torch.device("cpu")
        self.G, self.D = build(recipe.design, seed)
        self.G.to(self.device)
        self.D.to(self.device)
        self.mean = copy.deepcopy(self.G).requires_grad_(False)
        betas = (recipe.beta1, 0.999)
        self.adam_g = torch.optim.Adam(self.G.parameters(), recipe.lr_g, betas)
        self.adam_d = torch.optim.Adam(self.D.parameters(), recipe.lr_d, betas)
        self.steps = 0
        # On the CPU, so that every device sees the same z.
        self.rng = torch.Generator().manual_seed(seed)

    def noise(self, n: int) -> torch.Tensor:
        """Return z from N(0, 1), (n, z)."""
        return torch.randn(n, self.recipe.design.z, generator=self.rng).to(self.device)

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as tensors and numbers."""
        found = {name: getattr(self, name).state_dict() for name in PARTS}
        return found | {"rng": self.rng.get_state(), "steps": self.steps}

    def load(self, state: dict[str, Any]) -> "Gan":
        """Take over what ``state`` returned."""
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.rng.set_state(state["rng"].byte())
        self.steps = state["steps"]
        return self

    def precision(self) -> Any:
        """Return the context of products: bfloat16 where there are units, unless ``exact``."""
        # A penalty on gradients is a difference of small numbers: it stays in single precision.
        plain = self.recipe.exact or self.recipe.r1 > 0
        return nullcontext() if plain else runtime.mixed_precision(self.device)


def update_d(
    gan: Gan, real: torch.Tensor, fake: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Take D's half of a step; return its loss and its logits of real and fake pictures."""
    recipe, penalty = gan.recipe, torch.zeros(())
    gan.adam_d.zero_grad()
    with gan.precision():
        # Two passes: batch norm in one would tell real from fake by the batch alone.
        on_real = gan.D(real.requires_grad_(recipe.r1 > 0), y).float()
        on_fake = gan.D(fake.detach(), y).float()
    if recipe.r1:
        (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
        penalty = 0.5 * recipe.r1 * slope.square().sum((1, 2, 3)).mean()
    loss = discriminator_loss(on_real, on_fake, recipe.real_target)
    (loss + penalty).backward()
    if recipe.trains != "G":
        gan.adam_d.step()
    return loss, on_real, on_fake


def update_g(gan: Gan, fake: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Take G's half of a step on pictures ``fake`` that still know how they were made."""
    gan.adam_g.zero_grad()
    # D's own gradients are not wanted here, and cost a third of the way back.
    gan.D.requires_grad_(False)
    with gan.precision():
        logits = gan.D(fake, y).float()
    loss = generator_loss(logits, gan.recipe.loss)
    loss.backward()
    gan.D.requires_grad_(True)
    if gan.recipe.trains != "D":
        gan.adam_g.step()
    return loss


@torch.no_grad()
def follow(gan: Gan) -> None:
    """Move the mean of G's weights, and of batch norm's averages, a little towards G.

    Its digits are steadier than those of the last weights, which circle around a balance (Yazıcı
    et al., The unusual effectiveness of averaging in GAN training, ICLR 2019).
    """
    # A young mean would hold on to the weights of the start: it forgets a tenth of its age.
    decay = min(gan.recipe.average, gan.steps / (gan.steps + 10))
    gan.steps += 1
    pairs = zip(gan.mean.state_dict().values(), gan.G.state_dict().values(), strict=True)
    for mean, last in pairs:
        if mean.is_floating_point():
            mean.lerp_(last, 1 - decay)


def step(gan: Gan, real: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Take one step on real pictures (n, 1, 32, 32) in [−1, 1] of classes (n,): D, then G.

    Fake pictures are of the same classes. Return the ``RECORDS`` of this step, (6,).
    """
    with gan.precision():
        fake = gan.G(gan.noise(len(real)), y)
    loss_d, on_real, on_fake = update_d(gan, real, fake, y)
    loss_g = update_g(gan, fake, y)
    for _ in range(gan.recipe.g_steps - 1):
        with gan.precision():
            fake = gan.G(gan.noise(len(real)), y)
        loss_g = update_g(gan, fake, y)
    follow(gan)
    norms = gradient_norm(gan.D), gradient_norm(gan.G)
    means = on_real.sigmoid().mean(), on_fake.sigmoid().mean()
    return torch.stack([t.detach().float() for t in (loss_d, loss_g, *norms, *means)]).cpu()


def cool(gan: Gan, number: int) -> None:
    """Set both step sizes for step ``number`` of the recipe's."""
    recipe = gan.recipe
    left = max(0.0, 1 - number / recipe.steps)
    share = min(1.0, left / recipe.cooling) if recipe.cooling else 1.0
    for adam, lr in ((gan.adam_g, recipe.lr_g), (gan.adam_d, recipe.lr_d)):
        for group in adam.param_groups:
            group["lr"] = lr * share


def as_input(x: torch.Tensor) -> torch.Tensor:
    """Return uint8 pixels as numbers in [−1, 1], the range of the generator's tanh."""
    return x.float() / 127.5 - 1


@lru_cache(maxsize=2)
def _order(n: int, epoch: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(n))


def batch_of(n: int, batch_size: int, number: int, seed: int) -> torch.Tensor:
    """Return the indices of batch ``number`` of a run: each epoch is a new order of all ``n``.

    It depends on the number alone, so that a run that goes on sees what it would have seen.
    """
    each = max(1, n // batch_size)
    epoch, place = divmod(number, each)
    return _order(n, epoch, seed)[place * batch_size : (place + 1) * batch_size]


def train(gan: Gan, x: torch.Tensor, y: torch.Tensor, steps: range, seed: int) -> np.ndarray:
    """Take the steps numbered ``steps`` on pixels ``x``, uint8 (n, 1, 32, 32), classes ``y`` (n,).

    Return their records, (steps, 6).
    """
    if len(x) < gan.recipe.batch_size:
        raise ValueError(f"{len(x)} pictures are fewer than a batch of {gan.recipe.batch_size}")
    gan.G.train()
    gan.D.train()
    rows = []
    for number in steps:
        cool(gan, number)
        index = batch_of(len(x), gan.recipe.batch_size, number, seed)
        rows.append(step(gan, as_input(x[index]).to(gan.device), y[index].to(gan.device)))
    return torch.stack(rows).numpy()


@torch.inference_mode()
def sample(
    net: Generator, z: torch.Tensor, y: torch.Tensor | None = None, batch_size: int = 500
) -> torch.Tensor:
    """Return the pictures of ``z`` (n, z) as uint8 (n, 1, 32, 32), in evaluation mode."""
    was_training, where = net.training, next(net.parameters()).device
    net.eval()
    classes = [None] * -(-len(z) // batch_size) if y is None else y.split(batch_size)
    try:
        parts = [
            net(part.to(where), None if c is None else c.to(where)).cpu()
            for part, c in zip(z.split(batch_size), classes, strict=True)
        ]
    finally:
        net.train(was_training)
    return ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).byte()
