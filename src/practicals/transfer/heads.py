"""Train the heads for the 15 scenes that other chapters load (``networks.heads``).

``python -m practicals.transfer heads``, or ``make models``. Everything is chosen on the official
training split; the test split gives one number at the end.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from ..data.images import squash
from ..data.pictures import ImageSet, scene15
from ..networks import backbones, heads
from .features import extract

GRID = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""Constants C of the logistic regression: the inverse of its penalty."""


def averages(name: str, pictures: ImageSet) -> np.ndarray:
    """Return the average of a network's last maps over positions for squeezed pictures, (n, c)."""
    net = backbones.prepare(heads.trunk(name), torch.float32)
    show = partial(squash, size=heads.SIDE)
    return extract(net, pictures.images, show, ["average"])["average"]


def fit(X: np.ndarray, y: np.ndarray, grid: Sequence[float] = GRID) -> dict[str, object]:
    """Return a logistic regression's ``weight``, ``bias``, ``C`` and ``cross_validation`` accuracy.

    ``X`` (n, d) is scaled by one factor, which goes into the weights, so that one grid serves all
    networks. C is the one of the best mean accuracy over five folds; raises ValueError where that
    lies at the grid's end.
    """
    scale = float(np.sqrt(np.square(X).sum(1).mean()))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)

    def model(C: float) -> LogisticRegression:
        return LogisticRegression(C=C, max_iter=5000)

    found = {C: cross_val_score(model(C), X / scale, y, cv=folds).mean() for C in grid}
    best = max(found, key=lambda C: found[C])
    if best in (grid[0], grid[-1]):
        raise ValueError(
            f"the best C, {best:g}, lies at the end of the grid {tuple(grid)}: widen it"
        )
    chosen = model(best).fit(X / scale, y)
    return {
        "weight": torch.from_numpy(chosen.coef_ / scale).float(),
        "bias": torch.from_numpy(chosen.intercept_).float(),
        "C": best,
        "cross_validation": float(found[best]),
    }


def train(name: str) -> dict[str, object]:
    """Train one network's head, keep it in ``data/models`` and return what its file holds."""
    training, test = scene15()
    head = fit(averages(name, training), training.y)
    weight, bias = (np.asarray(head[key]) for key in ("weight", "bias"))
    guess = (averages(name, test) @ weight.T + bias).argmax(1)
    head |= {"classes": list(training.classes), "test": float((guess == test.y).mean())}
    heads.keep(name, head)
    return head


def main(names: Sequence[str]) -> None:
    """Train the heads of ``names`` and print their accuracies."""
    print(f"{'network':<16}{'C':>8}{'cross-validation':>19}{'test':>8}", flush=True)
    for name in names:
        head = train(name)
        row = f"{head['C']:>8g}{head['cross_validation']:>19.3f}{head['test']:>8.3f}"
        print(f"{name:<16}{row}", flush=True)
