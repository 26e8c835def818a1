"""The experiments of chapter 6: each differs from the default in the one thing its title names."""

from dataclasses import replace
from typing import Any

from .networks import Design
from .training import Recipe


def default(width: int, z: int, steps: int, batch_size: int, condition: str = "none") -> Recipe:
    """Return DCGAN as published but for its width: Adam 2e-4, β₁ 0.5, weights N(0, 0.02)."""
    return Recipe(Design(width, width, z, condition), steps, batch_size)


def changed(base: Recipe, design: dict[str, Any] | None = None, **knobs: Any) -> Recipe:
    """Return a recipe with some knobs of its own, or of its ``design``, turned."""
    return replace(base, design=replace(base.design, **(design or {})), **knobs)


def _widths(g: int, d: int) -> dict[str, int]:
    return {"generator_width": g, "discriminator_width": d}


def suggested(base: Recipe) -> dict[str, tuple[str, Recipe]]:
    """Return the suggested experiments: key → title and recipe, the default first."""
    w = base.design.generator_width
    return {
        "default": ("default", base),
        "weak_d": ("D a quarter as wide", changed(base, _widths(w, max(1, w // 4)))),
        "weak_g": ("G a quarter as wide", changed(base, _widths(max(1, w // 4), w))),
        "wide": (
            "both twice as wide",
            changed(base, {"generator_width": 2 * w, "discriminator_width": 2 * w}),
        ),
        "torch_init": ("PyTorch's own initialisation", changed(base, {"init": "torch"})),
        "fast": ("five times the step sizes", changed(base, lr_g=1e-3, lr_d=1e-3)),
        "slow": ("a fifth of the step sizes", changed(base, lr_g=4e-5, lr_d=4e-5)),
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
    collapse = changed(base, lr_g=2e-3, g_steps=5)
    unstable = changed(base, {"batch_norm": False}, lr_g=2e-3, lr_d=2e-3, beta1=0.9)
    return {
        "collapse": ("G five times as often, ten times as fast", collapse),
        "collapse_cured": ("the same, with R1", replace(collapse, r1=1.0)),
        "unstable": ("ten times as fast, β₁ 0.9, without batch norm", unstable),
        "unstable_cured": ("the same, with R1", replace(unstable, r1=1.0)),
    }
