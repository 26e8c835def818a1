"""Budgets of a run: every expensive knob, in two sizes."""

import difflib
import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TransferBudget:
    """Knobs of chapter 1."""

    networks: tuple[str, ...]
    image_size: int
    """Side of the networks' square input, in pixels."""
    scales: tuple[int, ...]
    """Shorter sides, in pixels, at which whole images are read for the improved features."""
    C_grid: tuple[float, ...]
    folds: int
    random_splits: int
    per_class: int
    """Training images per class in a random split."""
    scratch_size: int
    """Side of the input, in pixels, when the architecture is trained from scratch."""
    scratch_epochs: int
    head_epochs: int
    finetune_epochs: int
    finetune_lrs: tuple[float, ...]
    finetune_seeds: tuple[int, ...]


@dataclass(frozen=True)
class SampleNetBudget:
    """Knobs of the small network that stands in for the ImageNet networks."""

    patch: int
    train_patches: int
    test_patches: int
    epochs: int


@dataclass(frozen=True)
class Profile:
    """A named set of budgets; ``full`` is the published one."""

    name: str
    seed: int
    transfer: TransferBudget
    sample_net: SampleNetBudget = field(default_factory=lambda: SampleNetBudget(64, 150, 50, 6))


class UnknownProfile(ValueError):
    """Raised for a profile name that does not exist."""


C_GRID = tuple(10.0**k for k in range(-2, 6))

PROFILES = {
    "sample": Profile(
        name="sample",
        seed=0,
        transfer=TransferBudget(
            networks=("smallvgg",),
            image_size=64,
            scales=(64, 96),
            C_grid=C_GRID,
            folds=5,
            random_splits=10,
            per_class=30,
            scratch_size=64,
            scratch_epochs=4,
            head_epochs=200,
            finetune_epochs=4,
            finetune_lrs=(0.003, 0.01, 0.03),
            finetune_seeds=(0, 1),
        ),
    ),
    "full": Profile(
        name="full",
        seed=0,
        transfer=TransferBudget(
            networks=("vgg16", "squeezenet1_0", "mobilenet_v2"),
            image_size=224,
            scales=(256, 384),
            C_grid=C_GRID,
            folds=5,
            random_splits=10,
            per_class=100,
            scratch_size=32,
            scratch_epochs=15,
            head_epochs=300,
            finetune_epochs=5,
            finetune_lrs=(0.003, 0.01, 0.03),
            finetune_seeds=(0, 1, 2),
        ),
    ),
}


def get(name: str) -> Profile:
    """Return the profile called ``name``; raise UnknownProfile naming the nearest one."""
    if name in PROFILES:
        return PROFILES[name]
    near = difflib.get_close_matches(name, PROFILES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownProfile(f"unknown profile {name!r}: expected one of {sorted(PROFILES)}.{hint}")


def current() -> Profile:
    """Return the profile named by the environment variable ``PROFILE`` (default ``sample``)."""
    return get(os.environ.get("PROFILE") or "sample")
