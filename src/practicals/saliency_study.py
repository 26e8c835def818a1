"""The scores of every method over many pictures, batch by batch, so that no map is kept."""

from collections import defaultdict

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from .saliency import noisy
from .saliency_methods import run_all, table
from .saliency_sanity import cascade, spearman, ssim, stretched, weighted_layers
from .saliency_scores import BASELINES, curves, infidelity, inside, mosaics, pointing
from .segmentation import Box, box_iou, by_colour, by_threshold

CURVES = {
    "insertion": ("blur", True),
    "deletion": ("blur", False),
    "insertion_zero": ("zero", True),
    "deletion_zero": ("zero", False),
}
"""What stands where a pixel is not, and whether pixels come or go."""
Found = dict[str, np.ndarray]


def joined(parts: dict[str, list[np.ndarray]]) -> Found:
    """Return the batches' arrays one after another."""
    return {key: np.concatenate(values) for key, values in parts.items()}


def stacked(parts: list[Found]) -> Found:
    """Return the results of several sets of pictures as those of one; a key may lack in some."""
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: np.concatenate([part[key] for part in parts if key in part]) for key in keys}


def faithfulness(
    net: nn.Module,
    layer: str,
    x: torch.Tensor,
    y: torch.Tensor,
    fractions: tuple[float, ...],
    others: int,
    squares: int,
    samples: int,
    steps: int,
    seed: int = 0,
    batch_size: int = 10,
) -> Found:
    """Return ``method/insertion`` and the other curves (n, F), ``method/infidelity`` (n,) and
    ``method/seconds`` per map (batches,).

    The curves with black in place of the blur are measured on the first ``others`` pictures.
    """
    methods, parts = table(layer, samples, steps, seed), defaultdict(list)
    for start in tqdm(range(0, len(x), batch_size), desc="scores", unit="batch", leave=False):
        batch = x[start : start + batch_size], y[start : start + batch_size]
        timed = run_all(methods, net, *batch)
        wanted = list(CURVES.items())[: 4 if start < others else 2]
        for score, (baseline, insert) in wanted:
            pixels = BASELINES[baseline](batch[0])
            found = curves(net, *batch, timed.maps, pixels, fractions, insert)
            for name, curve in found.items():
                parts[f"{name}/{score}"].append(curve)
        for name, left in infidelity(net, *batch, timed.maps, squares, seed).items():
            parts[f"{name}/infidelity"].append(left)
            parts[f"{name}/seconds"].append(np.array([timed.seconds[name]]))
    return joined(parts)


def localisation(
    net: nn.Module,
    layer: str,
    x: torch.Tensor,
    y: torch.Tensor,
    samples: int,
    steps: int,
    seed: int = 0,
) -> Found:
    """Return ``method/pointing`` and ``method/inside`` on mosaics of the pictures, (n,) each."""
    methods, parts = table(layer, samples, steps, seed), defaultdict(list)
    whole, classes, cells = mosaics(x, y)
    batches = zip(whole.split(8), classes.split(8), cells.split(8), strict=True)
    for pixels, labels, masks in tqdm(list(batches), desc="mosaics", unit="batch", leave=False):
        for name, maps in run_all(methods, net, pixels, labels).maps.items():
            parts[f"{name}/pointing"].append(pointing(maps, masks))
            parts[f"{name}/inside"].append(inside(maps, masks))
    return joined(parts)


def agreement(
    net: nn.Module, layer: str, x: torch.Tensor, y: torch.Tensor, samples: int, steps: int
) -> np.ndarray:
    """Return the mean rank correlation of every two methods' absolute maps, (methods, methods)."""
    maps = run_all(table(layer, samples, steps), net, x, y).maps.values()
    return np.array([[spearman(a.abs(), b.abs()).mean() for b in maps] for a in maps])


def stability(
    net: nn.Module,
    layer: str,
    x: torch.Tensor,
    y: torch.Tensor,
    samples: int,
    steps: int,
    noise: float = 0.01,
    seed: int = 0,
) -> Found:
    """Return each method's rank correlation between maps of ``x`` and of ``x`` with noise, (n,)."""
    changed = noisy(x, noise, torch.Generator().manual_seed(seed)).clamp(0, 1)
    before, after = (run_all(table(layer, samples, steps), net, p, y).maps for p in (x, changed))
    return {name: spearman(before[name], after[name]) for name in before}


def overlaps(
    maps: dict[str, torch.Tensor], pictures: np.ndarray, boxes: list[Box], coloured: tuple[str, ...]
) -> Found:
    """Return ``method/threshold`` and, for those in ``coloured``, ``method/colour``: the IoU of the
    outline's box and the true box, (n,). ``pictures`` are uint8 (n, H, W, 3)."""
    found = {}
    for name, heats in maps.items():
        pairs = list(zip(heats.numpy(), pictures, boxes, strict=True))
        found[f"{name}/threshold"] = [box_iou(by_threshold(h), box) for h, _, box in pairs]
        if name in coloured:
            found[f"{name}/colour"] = [box_iou(by_colour(p, h), box) for h, p, box in pairs]
    return {key: np.array(values) for key, values in found.items()}


def stages_of(net: nn.Module, count: int) -> list[str]:
    """Return ``count`` layers with weights, evenly spread from the last to the first."""
    names = [name for name, _ in reversed(weighted_layers(net))]
    places = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return [names[place] for place in places]


def randomisation(
    net: nn.Module,
    layer: str,
    x: torch.Tensor,
    y: torch.Tensor,
    stages: tuple[str, ...],
    samples: int,
    steps: int,
    seed: int = 0,
) -> Found:
    """Return ``method/spearman`` and ``method/ssim`` (stages, n): likeness to the maps of the
    trained network after the cascade has reached each stage.

    SmoothGrad's noise is the same each time, so only the weights differ.
    """

    def maps_of(some: nn.Module) -> dict[str, torch.Tensor]:
        methods = table(layer, samples, steps, seed)
        chosen = {name: method for name, method in methods.items() if not method.is_control}
        return run_all(chosen, some, x, y).maps

    trained, parts = maps_of(net), defaultdict(list)
    for name, randomised in cascade(net, seed):
        if name in stages:
            for method, maps in maps_of(randomised).items():
                before = trained[method]
                parts[f"{method}/spearman"].append(spearman(before, maps))
                parts[f"{method}/ssim"].append(ssim(stretched(before), stretched(maps)))
    return {key: np.stack(values) for key, values in parts.items()}
