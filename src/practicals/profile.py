"""Profiles by name: the budgets of a run as published, and two smaller sizes."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import paths, sizes
from .budgets import (
    AdaptationBudget,
    AdversarialBudget,
    ClassvisBudget,
    GanBudget,
    TransferBudget,
)


@dataclass(frozen=True)
class Profile:
    """A named set of budgets; ``full`` is the published one."""

    name: str = "full"
    seed: int = 0
    transfer: TransferBudget = field(default_factory=TransferBudget)
    adversarial: AdversarialBudget = field(default_factory=AdversarialBudget)
    adaptation: AdaptationBudget = field(default_factory=AdaptationBudget)
    classvis: ClassvisBudget = field(default_factory=ClassvisBudget)
    gan: GanBudget = field(default_factory=GanBudget)

    @property
    def is_published(self) -> bool:
        """Whether its outputs are the ones that are committed."""
        return self.name == "full"

    @property
    def is_real(self) -> bool:
        """Whether it reads the real data and networks, which may have to be downloaded."""
        return self.name != "sample"


class UnknownProfile(ValueError):
    """Raised for a profile name that does not exist."""


PROFILES: dict[str, Callable[[], Profile]] = {
    "sample": lambda: Profile("sample", **sizes.sample()),
    "lab": lambda: Profile("lab", **sizes.lab()),
    "full": Profile,
}

BUDGET_OF: dict[str, str] = {
    "1-transfer-learning": "transfer",
    "3-adversarial": "adversarial",
    "4-class-visualization": "classvis",
    "5-domain-adaptation": "adaptation",
    "6-gan": "gan",
}
"""Which field of ``Profile`` a notebook spends; the other fields are common."""


def get(name: str) -> Profile:
    """Return the profile called ``name``; raise UnknownProfile naming the nearest one."""
    if name not in PROFILES:
        hint = paths.did_you_mean(name, PROFILES)
        raise UnknownProfile(f"unknown profile {name!r}: expected one of {sorted(PROFILES)}.{hint}")
    return PROFILES[name]()


def current() -> Profile:
    """Return the profile named by the environment variable ``PROFILE`` (default ``sample``)."""
    return get(os.environ.get("PROFILE") or "sample")


def budget(stem: str, of: Profile) -> Any:
    """Return the knobs of the notebook ``stem``; raise ValueError for one that has none."""
    if not hasattr(of, BUDGET_OF.get(stem, "")):
        hint = paths.did_you_mean(stem, BUDGET_OF)
        raise ValueError(f"notebook {stem!r} has no budget in profile.BUDGET_OF.{hint}")
    return getattr(of, BUDGET_OF[stem])


def of_notebook(stem: str, name: str) -> dict[str, Any]:
    """Return what the notebook ``stem`` reads of a profile, for the hash of its code."""
    values = dataclasses.asdict(get(name))
    foreign = set(BUDGET_OF.values()) - {BUDGET_OF.get(stem)}
    return {key: value for key, value in values.items() if key not in foreign}
