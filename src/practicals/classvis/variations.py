"""The recipes that the study compares: the published ones, and each with one thing changed."""

from functools import partial

from . import ascent
from .ascent import OLAH, PUBLISHED, Recipe
from .parameterisation import fourier, pixels, squashed
from .transforms import jitter

BARE = PUBLISHED.but(
    title="no regularisation", transforms=(), penalties=(), rules=(ascent.in_range,)
)
"""Nothing holds the picture back but black and white."""
SLIGHT = BARE.but(title="adversarial", lr=0.5, steps=20)
"""The same objective with short steps and few of them: an adversarial example (Szegedy, 2014)."""


def recipes(steps: int, yosinski: int, olah: int) -> dict[str, Recipe]:
    """Return the three published recipes with their numbers of steps."""
    counts = {"default": steps, "yosinski": yosinski, "olah": olah}
    return {name: ascent.RECIPES[name].but(steps=count) for name, count in counts.items()}


def variations(steps: int) -> dict[str, dict[str, Recipe]]:
    """Return setting → value → the published recipe with this one setting changed."""
    base = PUBLISHED.but(steps=steps)
    rules = {every: partial(ascent.blur_every, every=every, sigma=0.5) for every in (4,)}
    return {
        "step": {"1": base.but(lr=1.0), "5": base, "25": base.but(lr=25.0)},
        "l2": {
            "0": base.but(penalties=()),
            "0.001": base,
            "0.01": base.but(penalties=(partial(ascent.l2, weight=1e-2),)),
        },
        "blur": {
            "never": base.but(rules=(ascent.in_range,)),
            "every 10": base,
            "every 4": base.but(rules=(ascent.in_range, rules[4])),
        },
        "jitter": {
            "0": base.but(transforms=()),
            "16": base,
            "32": base.but(transforms=(partial(jitter, most=32),)),
        },
        "all": {"regularised": base, "none": BARE.but(steps=steps)},
        "start": {"noise": base, "grey": base.but(start=partial(pixels, spread=0.0))},
    }


def ablations(steps: int) -> dict[str, Recipe]:
    """Return Olah's recipe, and with one of its three ingredients taken away."""
    base = OLAH.but(steps=steps)
    return {
        "whole": base,
        "no transforms": base.but(transforms=()),
        "pixels": base.but(start=squashed),
        "correlated colours": base.but(start=partial(fourier, decorrelated=False)),
    }
