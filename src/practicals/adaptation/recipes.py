"""How a network is trained: methods, schedules of λ and of the learning rate, augmentation.

Ganin et al., Domain-adversarial training of neural networks, JMLR 17 (2016).
"""

import math
from dataclasses import dataclass, field

import torch

from . import scores
from .networks import Design

METHODS = ("source_only", "dann", "no_reversal", "target_only")
AUGMENTATIONS = ("none", "invert", "recolour")
SCHEDULES = ("cycle", "ganin")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; frozen, so that it can name a job of a sweep."""

    method: str = "dann"
    design: Design = field(default_factory=Design)
    lam: float = 1.0
    """λ at the end of its schedule."""
    augment: str = "invert"
    """What happens to the source's pictures, see ``augmented``."""
    steps: int = 1000
    batch_size: int = 128
    """Pictures of each domain in a step."""
    lr: float = 0.05
    schedule: str = "cycle"
    """``cycle`` warms up and anneals; ``ganin`` is the paper's decay."""
    weight_decay: float = 5e-4
    checks: int = 10
    """How often, evenly, the validators look."""
    patience: int = 4
    """Checks without a better score of the validator after which training stops."""
    validator: str = "information"

    def __post_init__(self) -> None:
        known = {"method": METHODS, "augment": AUGMENTATIONS, "schedule": SCHEDULES}
        for name, options in (known | {"validator": tuple(scores.VALIDATORS)}).items():
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


def augmented(x: torch.Tensor, kind: str, rng: torch.Generator) -> torch.Tensor:
    """Return pictures (n, 3, H, W) in [0, 1], each channel of each changed at random.

    ``invert``: x or 1 − x, with even odds. ``recolour``: a + (b − a) x, where a and b are uniform:
    any colour of ink on any colour of paper. Neither knows the target.
    """
    if kind == "none":
        return x
    shape = (2, len(x), x.shape[1], 1, 1)
    paper, ink = torch.rand(shape, generator=rng).to(x.device)
    if kind == "invert":
        paper = (paper < 0.5).float()
        ink = 1 - paper
    return paper + (ink - paper) * x
