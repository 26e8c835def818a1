"""On what the transforms of chapter 4's variant were chosen: classes that the chapter does not use.

    python benchmarks/recipes.py --classes 48

Climbs SqueezeNet with Olah's recipe and several transforms, one seed a class, and prints what
GoogLeNet and MobileNetV2 say. The classes are none of those of the sample pictures, from which the
chapter draws its own. Kept by ``provenance.cache``: a second call adds what is missing.
"""

import argparse
from functools import partial

import numpy as np

from practicals.classvis import ascent, study
from practicals.classvis.ascent import OLAH, Recipe
from practicals.classvis.transforms import crop, pad, scale_and_rotate
from practicals.data import pictures

NETWORKS = ("squeezenet1_0", "googlenet", "mobilenet_v2")
BATCH = 12
"""Classes that climb at once."""


def wider(shift: int, low: float, high: float, turn: int, steps: int) -> Recipe:
    """Return Olah's recipe with shorter steps and these transforms."""
    transforms = (
        partial(pad, width=shift),
        partial(crop, most=shift),
        partial(scale_and_rotate, low=low, high=high, most=turn),
        partial(crop, most=shift // 2),
    )
    return OLAH.but(transforms=transforms, lr=0.02, steps=steps)


def candidates(steps: int) -> dict[str, Recipe]:
    """Return the recipes by what they change of the first, one thing at a time and then all."""
    return {
        "crops 16, scaling 0.8 to 1.2, turns 20": wider(16, 0.8, 1.2, 20, steps),
        "turns 40": wider(16, 0.8, 1.2, 40, steps),
        "scaling 0.6 to 1.4": wider(16, 0.6, 1.4, 20, steps),
        "crops 32": wider(32, 0.8, 1.2, 20, steps),
        "all three (the variant)": wider(32, 0.6, 1.4, 40, steps),
    }


def others(count: int, seed: int) -> tuple[int, ...]:
    """Return classes of which there is no sample picture, in random order."""
    known = set(pictures.imagenet_samples().y.tolist())
    order = np.random.default_rng(seed).permutation(1000)
    return tuple(int(label) for label in order if label not in known)[:count]


def main() -> None:
    """Print the mean and its standard error for each recipe."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--classes", type=int, default=48)
    options.add_argument("--steps", type=int, default=192)
    options.add_argument("--side", type=int, default=96)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--default", action="store_true", help="and the published default")
    asked = options.parse_args()
    nets = study.networks(NETWORKS, real=True)
    labels, recipes = others(asked.classes, asked.seed), candidates(asked.steps)
    if asked.default:
        recipes["published default"] = ascent.PUBLISHED
    found: dict[str, list[np.ndarray]] = {name: [] for name in recipes}
    for i in range(0, len(labels), BATCH):
        cases = study.Cases(labels[i : i + BATCH], (asked.seed,), asked.side)
        made = study.climbed(nets[NETWORKS[0]], recipes, cases)
        for name, scores in study.judged(nets, NETWORKS[0], made, cases).items():
            found[name].append(scores["probability"])
    for name, parts in found.items():
        each = np.concatenate(parts)
        error = each.std(ddof=1) / len(each) ** 0.5
        print(f"{name:42s} {each.mean():.3f} ± {error:.3f}  (n = {len(each)})")


if __name__ == "__main__":
    main()
