"""What the study's numbers come to: rates, tests and rows for figures. Arrays in, arrays out.

It stands apart from ``study``, so that another way to show a result does not measure it again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..networks.backbones import Backbone
from ..networks.gradients import outputs
from ..stats import wilson
from .attacks import LEVELS
from .sets import Cases
from .study import Found


def facts(hits: np.ndarray) -> dict[str, Any]:
    """Return a rate as a ledger keeps it: value, n and Wilson's 95 % interval, of hits (n,)."""
    low, high = wilson(round(float(np.sum(hits))), len(hits))
    return {"value": float(np.mean(hits)), "n": len(hits), "low": low, "high": high}


def pairs(
    first: Mapping[str, Found],
    second: Mapping[str, Found],
    cases: Mapping[str, Cases],
    key: str = "fooled",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two attacks' results over all pairs of network and case, and each pair's picture.

    All three are (pairs,): the means of ``key`` (n, …) of each network, and the picture's number
    in the set. Case i of one network is another picture than case i of the next, so that what
    belongs together is told by the number alone.
    """
    columns = []
    for by_net in (first, second):
        rows = [by_net[name][key] for name in first]
        columns.append(np.concatenate([row.reshape(len(row), -1).mean(1) for row in rows]))
    index = [cases[name].index[: len(values[key])] for name, values in first.items()]
    return columns[0], columns[1], np.concatenate(index)


def by_picture(first: np.ndarray, second: np.ndarray, pictures: np.ndarray) -> list[np.ndarray]:
    """Return the two means (pictures,) over the pairs (m,) of each picture: independent values."""
    _, place, count = np.unique(pictures, return_inverse=True, return_counts=True)
    return [np.bincount(place, values) / count for values in (first, second)]


def half_width(hits: np.ndarray) -> float:
    """Return half of Wilson's interval, in [0, 1], of the least certain column of hits (n, k)."""
    ends = [wilson(round(float(column.sum())), len(column)) for column in hits.T]
    return max(high - low for low, high in ends) / 2


def sizes(found: Found, shape: tuple[int, int]) -> Found:
    """Return how large the changes of the successes (m,) are, in pictures of ``shape``.

    Keys are ``l2`` in pixels of [0, 1], ``rms`` and ``linf`` in grey levels, the root mean square
    and the largest, and ``l0``, the share of pixels that differ.
    """
    done = {key: found[key][found["fooled"] > 0] for key in ("l2", "linf", "l0")}
    pixels = shape[0] * shape[1]
    rms = done["l2"] * LEVELS / np.sqrt(3 * pixels)
    changed = done["l0"] / pixels
    return {"l2": done["l2"], "rms": rms, "linf": done["linf"] * LEVELS, "l0": changed}


def by_budget(queries: np.ndarray, budgets: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the share of successes within each budget, with Wilson's interval: (budgets,) each.

    ``queries`` (n,) are those to success, −1 for none.
    """
    rows = [facts((queries > 0) & (queries <= budget)) for budget in budgets]
    return {key: np.array([row[key] for row in rows]) for key in ("value", "low", "high")}


def strata(margin: np.ndarray, hits: np.ndarray, parts: int = 3) -> list[np.ndarray]:
    """Return the hits of the cases with the lowest margins, of the next, …: equal parts."""
    return [hits[rows] for rows in np.array_split(np.argsort(margin, kind="stable"), parts)]


def middle(queries: np.ndarray, part: float = 0.5) -> float:
    """Return the quantile of the queries over all cases; infinite where too few succeeded."""
    counted = np.where(queries > 0, queries, np.inf)
    return float(np.quantile(counted, part, method="inverted_cdf"))


def transferred(
    crafted: Mapping[str, Found], nets: Mapping[str, Backbone], y: torch.Tensor
) -> dict[tuple[str, str], np.ndarray]:
    """Return (made for, tried on) → which pictures (n,) are misread there."""
    found = {}
    for source, made in crafted.items():
        x = torch.from_numpy(made["pixels"]).float() / 255
        for name, net in nets.items():
            found[source, name] = (outputs(net, x).argmax(1) != y).numpy()
    return found


def elsewhere(found: Mapping[tuple[str, str], np.ndarray]) -> np.ndarray:
    """Return for each picture (n,) the share of other networks that misread it."""
    return np.mean([hits for (source, name), hits in found.items() if source != name], 0)


def lengths(made: Found, x: torch.Tensor) -> np.ndarray:
    """Return the L2 length (n,) of what crafted pictures changed of ``x`` (n, 3, s, s)."""
    change = torch.from_numpy(made["pixels"]).float() / LEVELS - x
    return change.flatten(1).norm(dim=1).numpy()


def on_ink(maps: torch.Tensor, x: torch.Tensor, border: float = 0.1) -> np.ndarray:
    """Return the share (n,) of a map (n, h, w) that lies where digits (n, 1, h, w) have ink."""
    ink = (x[:, 0] > border).to(maps)
    return ((maps * ink).sum((1, 2)) / maps.sum((1, 2)).clamp_min(1e-12)).numpy()


def rounding(x: torch.Tensor, seed: int) -> np.ndarray:
    """Return how far (n,) rounding to 8 bits moves pictures whose pixels lie anywhere, in L2."""
    rng = torch.Generator().manual_seed(seed)
    shift = (torch.rand(x.shape, generator=rng) - 0.5) / 255
    return shift.flatten(1).norm(dim=1).numpy()
