"""Budgets of a run: every expensive knob, in two sizes."""

import difflib
import os
from dataclasses import dataclass

from .budgets import AdaptationBudget, SaliencyBudget, SampleNetBudget, TransferBudget


@dataclass(frozen=True)
class Profile:
    """A named set of budgets; ``full`` is the published one."""

    name: str
    seed: int
    transfer: TransferBudget
    saliency: SaliencyBudget
    adaptation: AdaptationBudget
    sample_net: SampleNetBudget


class UnknownProfile(ValueError):
    """Raised for a profile name that does not exist."""


SAMPLE_NET = SampleNetBudget(per_photo=100, epochs=8)
C_GRID = tuple(10 ** (k / 2) for k in range(-2, 9))

PROFILES = {
    "sample": Profile(
        name="sample",
        seed=0,
        sample_net=SAMPLE_NET,
        transfer=TransferBudget(
            networks=("smallvgg",),
            image_size=64,
            large_size=96,
            joined_stages=(2, 4),
            rbf_widths=(0.125, 0.25, 0.5),
            C_grid=C_GRID,
            folds=5,
            cv_repeats=5,
            random_splits=10,
            per_class=30,
            scratch_size=64,
            scratch_epochs=4,
            head_epochs=200,
            finetune_epochs=4,
            finetune_lrs=(0.003, 0.01, 0.03),
            finetune_seeds=(0, 1),
        ),
        saliency=SaliencyBudget(
            networks=("smallvgg",),
            image_size=64,
            score_size=64,
            images=60,
            samples=8,
            steps=8,
            fractions=(0, 0.1, 0.3, 0.6, 1),
            other_baseline_images=20,
            squares=10,
            mosaics=6,
            sanity_images=8,
            sanity_stages=4,
            seeds=3,
            seed_samples=(2, 8, 32),
        ),
        adaptation=AdaptationBudget(
            seeds=(0, 1),
            steps=100,
            paper_steps=100,
            paper_lrs=(0.03, 0.1),
            paper_lams=(1.0,),
            back_steps=50,
            sweep_steps=50,
            batch_size=32,
            lams=(0.0, 0.3, 1.0, 10.0),
            pseudo_rounds=2,
            pseudo_steps=60,
            pool=1200,
            shown=300,
        ),
    ),
    "full": Profile(
        name="full",
        seed=0,
        sample_net=SAMPLE_NET,
        transfer=TransferBudget(
            networks=("vgg16", "squeezenet1_0", "mobilenet_v2"),
            image_size=224,
            large_size=320,
            joined_stages=(3, 5, 7, 9),
            rbf_widths=(0.125, 0.25, 0.5),
            C_grid=C_GRID,
            folds=5,
            cv_repeats=5,
            random_splits=10,
            per_class=100,
            scratch_size=32,
            scratch_epochs=10,
            head_epochs=300,
            finetune_epochs=5,
            finetune_lrs=(0.003, 0.01, 0.03),
            finetune_seeds=(0, 1, 2),
        ),
        saliency=SaliencyBudget(
            networks=("vgg16", "squeezenet1_0", "mobilenet_v2"),
            image_size=224,
            score_size=160,
            images=200,
            samples=25,
            steps=25,
            fractions=(0, 0.02, 0.06, 0.15, 0.35, 0.65, 1),
            other_baseline_images=40,
            squares=16,
            mosaics=15,
            sanity_images=12,
            sanity_stages=5,
            seeds=3,
            seed_samples=(2, 8, 32),
        ),
        adaptation=AdaptationBudget(
            seeds=(0, 1, 2),
            steps=1000,
            paper_steps=3000,
            paper_lrs=(0.01, 0.03, 0.1),
            paper_lams=(0.3, 1.0),
            back_steps=300,
            sweep_steps=400,
            batch_size=64,
            lams=(0.0, 0.1, 0.3, 1.0, 3.0, 10.0),
            pseudo_rounds=4,
            pseudo_steps=250,
            pool=20000,
            shown=800,
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
