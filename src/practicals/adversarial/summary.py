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
from .study import Found


def facts(hits: np.ndarray) -> dict[str, Any]:
    """Return a rate as a ledger keeps it: value, n and Wilson's 95 % interval, of hits (n,)."""
    low, high = wilson(round(float(np.sum(hits))), len(hits))
    return {"value": float(np.mean(hits)), "n": len(hits), "low": low, "high": high}


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


def on_ink(maps: torch.Tensor, x: torch.Tensor, border: float = 0.1) -> np.ndarray:
    """Return the share (n,) of a map (n, h, w) that lies where digits (n, 1, h, w) have ink."""
    ink = (x[:, 0] > border).to(maps)
    return ((maps * ink).sum((1, 2)) / maps.sum((1, 2)).clamp_min(1e-12)).numpy()


def rounding(x: torch.Tensor, seed: int) -> np.ndarray:
    """Return how far (n,) rounding to 8 bits moves pictures whose pixels lie anywhere, in L2."""
    rng = torch.Generator().manual_seed(seed)
    shift = (torch.rand(x.shape, generator=rng) - 0.5) / 255
    return shift.flatten(1).norm(dim=1).numpy()
