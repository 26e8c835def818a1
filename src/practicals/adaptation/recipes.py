"""How a network is trained: methods, schedules of λ and of the learning rate, augmentation.

Ganin et al., Domain-adversarial training of neural networks, JMLR 17 (2016).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.nn import functional as F

from .networks import Design

METHODS = ("source_only", "dann", "no_reversal", "target_only")
AUGMENTATIONS = ("none", "ink", "invert")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; frozen, so that it can name a job of a sweep.

    The checkpoint is the last step's, whatever the method: no score chooses one.
    """

    method: str = "dann"
    """With ``dann`` and λ = 0 the target takes part in the batch norm alone."""
    design: Design = field(default_factory=Design)
    lam: float = 0.6
    """λ at the end of its schedule."""
    augment: str = "invert"
    """What happens to the source's pictures, see ``augmented``."""
    shift: int = 0
    """Largest shift of a training batch, in pixels; both domains are moved."""
    steps: int = 800
    batch_size: int = 64
    """Pictures of each domain in a step."""
    lr: float = 0.05
    schedule: str = "cycle"
    """``cycle`` warms up and anneals; ``ganin`` is the paper's decay."""
    weight_decay: float = 5e-4
    looks: int = 1
    """How often, evenly, the network is looked at; nothing is decided by it."""

    def __post_init__(self) -> None:
        known = {"method": METHODS, "augment": AUGMENTATIONS, "schedule": tuple(DECAYS)}
        for name, options in known.items():
            if getattr(self, name) not in options:
                raise ValueError(f"{name} {getattr(self, name)!r}: expected one of {options}")

    @property
    def adversarial(self) -> bool:
        """Whether a domain classifier takes part."""
        return self.method in ("dann", "no_reversal")


def lambda_at(progress: float, lam: float, gamma: float = 10.0) -> float:
    """Return λ · (2 / (1 + exp(−γ p)) − 1) at progress p in [0, 1]: 0 at first, then nearly λ.

    The classifier learns to tell domains apart before its gradient counts (Ganin et al., §5.2.2).
    """
    return lam * (2 / (1 + math.exp(-gamma * progress)) - 1)


def ganin_decay(progress: float, alpha: float = 10.0, beta: float = 0.75) -> float:
    """Return the factor (1 + α p)^−β of the learning rate (Ganin et al., §5.2.2)."""
    return (1 + alpha * progress) ** -beta


def one_cycle(progress: float, warm_up: float = 0.2) -> float:
    """Return a factor that rises in a line, then falls as a half cosine to 0."""
    if progress < warm_up:
        return (progress + 0.01) / (warm_up + 0.01)
    return (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))) / 2


DECAYS: dict[str, Callable[[float], float]] = {"cycle": one_cycle, "ganin": ganin_decay}
"""How the learning rate goes, by the name of the schedule: its factor at a progress in [0, 1]."""


def augmented(x: torch.Tensor, kind: str, rng: torch.Generator) -> torch.Tensor:
    """Return pictures (n, 3, H, W) in [0, 1] with another ink; see ``AUGMENTATIONS``.

    ``ink``: with even odds, every grey above 0 becomes full ink. ``invert``: besides, each channel
    becomes 1 − x with even odds, so that ink is darker or brighter than paper, in any colour.
    """
    if kind == "none":
        return x
    full, *turned = torch.rand((1 + x.shape[1], len(x), 1, 1), generator=rng).to(x.device) < 0.5
    x = torch.where(full[:, None], (x > 0).float(), x)
    return torch.where(torch.stack(turned, 1), 1 - x, x) if kind == "invert" else x


def shifted(x: torch.Tensor, most: int, rng: torch.Generator) -> torch.Tensor:
    """Shift a batch (n, 3, H, W) as one by up to ``most`` pixels each way; edges are repeated."""
    if most == 0:
        return x
    down, across = torch.randint(2 * most + 1, (2,), generator=rng).tolist()
    padded = F.pad(x, (most,) * 4, mode="replicate")
    return padded[..., down : down + x.shape[-2], across : across + x.shape[-1]]
