"""The long loops of chapter 2: every method over many pictures, part by part, no map kept.

Each function is a job (see ``cache``): it takes a network and a part of the pictures and returns
plain arrays with one row per picture, under keys such as ``grad_cam/insertion``.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy import stats

from ..data import pictures
from ..networks.backbones import Backbone
from ..networks.parts import Found, run_by_parts
from . import maps as methods_of
from .faithfulness import BASELINES, curves, grid, infidelity
from .localisation import inside, mosaics, pointing
from .methods import Effort, run_all, table
from .rise import rise
from .sanity import cascade, completeness_gap, fading, spearman, ssim, stages_of

CURVES = {
    "insertion": ("blur", True),
    "deletion": ("blur", False),
    "deletion_black": ("zero", False),
}
"""What stands where a pixel is not, and whether pixels come or go."""
CASCADED = (
    "gradient",
    "gradient_x_input",
    "smoothgrad",
    "integrated_gradients",
    "guided_backprop",
    "grad_cam",
    "guided_grad_cam",
    "deeplift",
)
"""The methods whose maps are compared while weights are shuffled: all but RISE, for its cost."""


@dataclass(frozen=True)
class Look:
    """Where the curves are measured: ``each`` of ``points`` fractions per picture; and squares."""

    points: int
    each: int
    squares: int


def draw(real: bool, count: int, seed: int) -> pictures.ImageSet:
    """Return ``count`` pictures in random order: ImageNet samples, or held-out sample patches."""
    if real:
        found = pictures.imagenet_samples()
    else:
        found = pictures.held_out_patches(-(-count // len(pictures.COLOUR)), seed=0)
    return found.subset(np.random.default_rng(seed).permutation(len(found))[:count])


def by_parts(
    job: Callable[..., Found],
    net: Backbone,
    x: torch.Tensor,
    y: torch.Tensor,
    effort: Effort,
    size: int = 20,
    **others: Any,
) -> Found:
    """Run a job of this module over all pictures, ``size`` at a time.

    Every part draws its chance from a seed of its own, and is kept as soon as it is there.
    """
    return run_by_parts(
        job,
        net,
        x,
        y,
        lambda first: {"effort": replace(effort, seed=effort.seed + first), **others},
        size,
        f"{net.title}: {job.__name__}",
    )


def faithfulness(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, effort: Effort, look: Look, first: int
) -> Found:
    """Return curves (n, each), infidelity (n,) and the methods' rank correlations (n, m, m).

    ``first`` counts the pictures before this part; it decides which fractions are looked at.
    """
    found = run_all(table(net, effort), net, x, y).maps
    fractions = grid(look.points, look.each, first, len(x))
    parts: Found = {}
    for score, (baseline, insert) in CURVES.items():
        pixels = BASELINES[baseline](x)
        measured = curves(net, x, y, found, pixels, fractions, insert)
        parts |= {f"{name}/{score}": curve for name, curve in measured.items()}
    unexplained = infidelity(net, x, y, found, look.squares, effort.seed)
    parts |= {f"{name}/infidelity": left for name, left in unexplained.items()}
    return parts | {"agreement": agreement(list(found.values())), "fractions": fractions}


def agreement(found: Sequence[torch.Tensor]) -> np.ndarray:
    """Return the rank correlation of every two methods' absolute maps, (n, methods, methods)."""
    values = torch.stack([maps.abs().flatten(1) for maps in found], 1).numpy()
    return np.stack([np.corrcoef(stats.rankdata(rows, axis=1)) for rows in values])


def dense(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, effort: Effort, points: int, first: int
) -> Found:
    """Return ``method/insertion`` and ``method/deletion_black`` at all ``points``, (n, points).

    The check of the shared-out points: three maps of very different kinds.
    """
    chosen = table(net, effort, ("gradient", "grad_cam", "random"))
    found, fractions = run_all(chosen, net, x, y).maps, grid(points, points, first, len(x))
    parts: Found = {}
    for score in ("insertion", "deletion_black"):
        baseline, insert = CURVES[score]
        measured = curves(net, x, y, found, BASELINES[baseline](x), fractions, insert)
        parts |= {f"{name}/{score}": curve for name, curve in measured.items()}
    return parts


def stability(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, effort: Effort, noise: float
) -> Found:
    """Return each method's rank correlation between maps of ``x`` and of ``x`` with noise, (n,).

    Maps are compared as absolute values. Methods with chance draw anew for the second map; for
    SmoothGrad ``smoothgrad_same`` repeats the draws, and ``smoothgrad_alone`` draws anew on the
    very same picture, so that what the noise in the picture does can be told from what chance does.
    """
    rng = torch.Generator().manual_seed(effort.seed)
    changed = methods_of.noisy(x, noise, rng).clamp(0, 1)
    before, again = (table(net, replace(effort, seed=s), CASCADED) for s in (0, 0))
    anew = table(net, replace(effort, seed=1), CASCADED)
    first_maps = run_all(before, net, x, y).maps
    second_maps = run_all(anew, net, changed, y).maps
    parts = {name: spearman(first_maps[name].abs(), second_maps[name].abs()) for name in CASCADED}
    smooth = first_maps["smoothgrad"]
    parts["smoothgrad_same"] = spearman(smooth, again["smoothgrad"].run(net, changed, y).cpu())
    other = table(net, replace(effort, seed=1), ("smoothgrad",))["smoothgrad"]
    parts["smoothgrad_alone"] = spearman(smooth, other.run(net, x, y).cpu())
    return parts


def randomisation(
    net: Backbone,
    x: torch.Tensor,
    y: torch.Tensor,
    effort: Effort,
    stages: int,
) -> Found:
    """Return the likeness to the trained network's maps after each stage of a cascade, (n, stages).

    Keys are ``method/signed`` and ``method/absolute`` (rank correlations) and ``method/ssim`` (of
    absolute maps). Each part is shuffled by a seed of its own. Methods with chance draw anew, so
    their maps differ a little even where the weights do not: ``method/chance`` says by how much.
    """
    wanted, parts = stages_of(net, stages), defaultdict(list)
    before = run_all(table(net, effort, CASCADED), net, x, y).maps
    anew = replace(effort, seed=effort.seed + 1)
    again = run_all(table(net, anew, ("smoothgrad",)), net, x, y).maps["smoothgrad"]
    for name, randomised in cascade(net, effort.seed):
        if name in wanted:
            after = run_all(table(randomised, anew, CASCADED), randomised, x, y).maps
            for method in CASCADED:
                a, b = before[method], after[method]
                parts[f"{method}/signed"].append(spearman(a, b))
                parts[f"{method}/absolute"].append(spearman(a.abs(), b.abs()))
                parts[f"{method}/ssim"].append(ssim(a.abs(), b.abs()))
    found = {key: np.stack(values, 1) for key, values in parts.items()}
    return found | {"smoothgrad/chance": spearman(before["smoothgrad"], again)}


def localisation(net: Backbone, x: torch.Tensor, y: torch.Tensor, effort: Effort) -> Found:
    """Return ``method/pointing`` and ``method/inside`` on mosaics, one value per mosaic (k,).

    Every four pictures of ``x`` become a mosaic; each is asked for in turn.
    """
    whole, classes, cells = mosaics(x, y)
    found, parts = run_all(table(net, effort), net, whole, classes).maps, {}
    for name, maps in found.items():
        # The four questions of a mosaic are not independent: their mean is one value.
        parts[f"{name}/pointing"] = pointing(maps, cells).reshape(-1, 4).mean(1)
        parts[f"{name}/inside"] = inside(maps, cells).reshape(-1, 4).mean(1)
    return parts


def between_classes(net: Backbone, x: torch.Tensor, y: torch.Tensor, effort: Effort) -> Found:
    """Return the rank correlation of maps of two classes in a mosaic, its mean per mosaic (k,).

    A map that knows what is asked for moves from cell to cell; one that does not, stays.
    """
    whole, classes, _ = mosaics(x, y)
    chosen = ("gradient", "smoothgrad", "guided_backprop", "grad_cam", "guided_grad_cam")
    found, parts = run_all(table(net, effort, chosen), net, whole, classes).maps, {}
    for name, maps in found.items():
        groups = maps.abs().view(-1, 4, *maps.shape[1:])
        pairs = [spearman(groups[:, i], groups[:, j]) for i, j in combinations(range(4), 2)]
        parts[name] = np.mean(pairs, 0)
    return parts


def saturation(
    net: Backbone,
    x: torch.Tensor,
    y: torch.Tensor,
    effort: Effort,
    strengths: tuple[float, ...],
) -> Found:
    """Return ``sanity.fading`` of the pictures, and how far sums of gradients miss the score.

    ``few``, ``many`` and ``deeplift`` hold the relative gap (n,) of integrated gradients with the
    effort's steps, with four times as many, and of DeepLIFT.
    """
    integral = partial(methods_of.integrated_gradients, net, x, y)
    made = {
        "few": integral(effort.steps),
        "many": integral(4 * effort.steps),
        "deeplift": table(net, effort, ("deeplift",))["deeplift"].run(net, x, y),
    }
    gaps = {name: completeness_gap(net, heat, x, y) for name, heat in made.items()}
    return fading(net, x, y, strengths) | gaps


def chance(
    net: Backbone,
    x: torch.Tensor,
    y: torch.Tensor,
    effort: Effort,
    counts: tuple[int, ...],
) -> Found:
    """Return how alike the maps of two seeds are, for SmoothGrad with each of ``counts`` samples.

    ``alike`` (n, counts) is the rank correlation, ``spread`` (n, counts) the mean deviation of a
    pixel between the two seeds as a part of the map's mean, ``rise`` (n,) RISE's rank correlation.
    """
    rngs = [torch.Generator().manual_seed(effort.seed + k) for k in range(2)]
    alike, spread = [], []
    for count in counts:
        a, b = (methods_of.smoothgrad(net, x, y, count, generator=rng) for rng in rngs)
        alike.append(spearman(a, b))
        # The deviation of two draws is their distance over √2, with n − 1 below the root.
        deviation = (a - b).abs() / 2**0.5
        spread.append((deviation.mean((1, 2)) / ((a + b) / 2).mean((1, 2))).cpu().numpy())
    pair = (rise(net, x, y, effort.masks, generator=rng) for rng in rngs)
    return {"alike": np.stack(alike, 1), "spread": np.stack(spread, 1), "rise": spearman(*pair)}


def seconds(net: Backbone, x: torch.Tensor, y: torch.Tensor, effort: Effort) -> Found:
    """Return the seconds that one map takes, by method, the median of two runs over ``x``."""
    runs = [run_all(table(net, effort), net, x, y).seconds for _ in range(2)]
    return {name: np.array(np.median([run[name] for run in runs])) for name in runs[0]}
