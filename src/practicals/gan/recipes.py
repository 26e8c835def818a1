"""The experiments of chapter 6: each differs from the default in the one thing its title names."""

from dataclasses import replace
from typing import Any

from .networks import Design
from .training import Recipe

PUBLISHED_WIDTH, PUBLISHED_LR = 64, 2e-4
"""DCGAN's, at 16 × 16 maps."""


def default(width: int, z: int, steps: int, batch_size: int, condition: str = "none") -> Recipe:
    """Return DCGAN as published (Adam, β₁ 0.5, weights from N(0, 0.02)), but for its width.

    Adam moves every weight by about the step size, so that a layer's output moves by that times
    its width: narrower layers need longer steps to move as much. 2e-4 at width 64 is 8e-4 at 16.
    """
    lr = PUBLISHED_LR * PUBLISHED_WIDTH / width
    return Recipe(Design(width, width, z, condition), steps, batch_size, lr, lr)


def changed(base: Recipe, design: dict[str, Any] | None = None, **knobs: Any) -> Recipe:
    """Return a recipe with some knobs of its own, or of its ``design``, turned."""
    return replace(base, design=replace(base.design, **(design or {})), **knobs)


def _widths(g: int, d: int) -> dict[str, int]:
    return {"generator_width": g, "discriminator_width": d}


def suggested(base: Recipe) -> dict[str, tuple[str, Recipe]]:
    """Return the suggested experiments: key → title and recipe, the default first."""
    w, lr = base.design.generator_width, base.lr_g
    return {
        "default": ("default", base),
        "weak_d": ("D a quarter as wide", changed(base, _widths(w, max(1, w // 4)))),
        "weak_g": ("G a quarter as wide", changed(base, _widths(max(1, w // 4), w))),
        "wide": (
            "both twice as wide",
            changed(base, {"generator_width": 2 * w, "discriminator_width": 2 * w}),
        ),
        "torch_init": ("PyTorch's own initialisation", changed(base, {"init": "torch"})),
        "fast": ("five times the step sizes", changed(base, lr_g=5 * lr, lr_d=5 * lr)),
        "slow": (
            "2e-4, published for width 64",
            changed(base, lr_g=PUBLISHED_LR, lr_d=PUBLISHED_LR),
        ),
        "last": ("no mean of weights, no cooling", changed(base, average=0.0, cooling=0.0)),
        "z2": ("z = 2", changed(base, {"z": 2})),
        "z10": ("z = 10", changed(base, {"z": 10})),
        "z1000": ("z = 1,000", changed(base, {"z": 1000})),
        "saturating": ("saturating loss", changed(base, loss="saturating")),
        "no_batch_norm": ("without batch norm", changed(base, {"batch_norm": False})),
        "smoothing": ("real labels 0.9", changed(base, real_target=0.9)),
        "spectral": ("spectral norm in D", changed(base, {"spectral": True})),
        "r1": ("R1 penalty, γ = 1", changed(base, r1=1.0)),
    }


def one_sided(base: Recipe) -> dict[str, tuple[str, Recipe]]:
    """Return what becomes of it if only one of the two objectives is trained."""
    return {
        "only_d": ("only D's objective", changed(base, trains="D")),
        "only_g": ("only G's objective", changed(base, trains="G")),
    }


def provoked(base: Recipe) -> dict[str, tuple[str, Recipe]]:
    """Return a case of mode collapse and one of instability, each beside its cure."""
    lr = base.lr_g
    collapse = changed(base, lr_g=5 * lr, g_steps=5)
    unstable = changed(base, {"batch_norm": False}, lr_g=5 * lr, lr_d=5 * lr, beta1=0.9)
    return {
        "collapse": ("G five times as often and as fast", collapse),
        "collapse_cured": ("the same, with R1", replace(collapse, r1=1.0)),
        "unstable": ("five times as fast, β₁ 0.9, without batch norm", unstable),
        "unstable_cured": ("the same, with R1", replace(unstable, r1=1.0)),
    }
