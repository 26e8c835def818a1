"""The recipes that the study compares: the published ones, and each with one thing changed."""

from functools import partial

from . import ascent
from .ascent import OLAH, PUBLISHED, WIDER, Recipe
from .parameterisation import fourier, pixels, squashed
from .transforms import jitter

BARE = PUBLISHED.but(
    title="no regularisation", transforms=(), penalties=(), rules=(ascent.in_range,)
)
"""Nothing holds the picture back but black and white."""
SLIGHT = BARE.but(title="adversarial", lr=0.5, steps=80)
"""The same objective with short steps and few of them: an adversarial example (Szegedy, 2014)."""


def recipes(steps: int, yosinski: int, olah: int, wider: int) -> dict[str, Recipe]:
    """Return the published recipes and ``WIDER`` with their numbers of steps."""
    counts = {"default": steps, "yosinski": yosinski, "olah": olah, "wider": wider}
    return {name: ascent.RECIPES[name].but(steps=count) for name, count in counts.items()}


def variations(steps: int) -> dict[str, dict[str, Recipe]]:
    """Return setting → value → the published recipe with this one setting changed."""
    base = PUBLISHED.but(steps=steps)
    often = partial(ascent.blur_every, every=4, sigma=0.5)
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
            "every 4": base.but(rules=(ascent.in_range, often)),
        },
        "jitter": {
            "0": base.but(transforms=()),
            "16": base,
            "32": base.but(transforms=(partial(jitter, most=32),)),
        },
        "start": {"noise": base, "grey": base.but(start=partial(pixels, spread=0.0))},
    }


def restraints(steps: int) -> dict[str, Recipe]:
    """Return five times longer steps without regularisation, with each part of it, and with all.

    The longer steps let as much happen in a short run as usual ones do in the published length.
    """
    bare = BARE.but(steps=steps, lr=25.0)
    return {
        "none": bare,
        "L2": bare.but(penalties=PUBLISHED.penalties),
        "blur": bare.but(rules=PUBLISHED.rules),
        "jitter": bare.but(transforms=PUBLISHED.transforms),
        "all": PUBLISHED.but(steps=steps, lr=25.0),
    }


def ablations(steps: int) -> dict[str, Recipe]:
    """Return Olah's recipe, with one of its ingredients taken away, and with wider transforms."""
    base = OLAH.but(steps=steps)
    return {
        "whole": base,
        "no transforms": base.but(transforms=()),
        "pixels": base.but(start=squashed),
        "correlated colours": base.but(start=partial(fourier, decorrelated=False)),
        "wider transforms": base.but(transforms=WIDER.transforms),
    }
