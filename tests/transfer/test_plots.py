"""Figures of chapter 1: nothing asked for is left out."""

import numpy as np
from matplotlib import pyplot as plt

from practicals import figures
from practicals.transfer import plots


def looks(lines):
    return {(line.get_color(), line.get_marker()) for line in lines}


def test_every_curve_is_drawn_and_none_looks_like_another():
    figures.style()
    C = (0.1, 1.0, 10.0)
    fig = plots.curves_by_c(C, {f"setting {i}": [50, 60, 55] for i in range(12)})
    lines = fig.axes[0].get_lines()
    assert len(lines) == len(looks(lines)) == 12
    plt.close(fig)


def test_depth_and_learning_curves_leave_nothing_out():
    figures.style()
    lines = {f"norm {i}": ([1.0, 2.0], [0.1, 0.1]) for i in range(11)}
    fig = plots.by_depth({"net": (("a", "b"), lines)})
    assert len(fig.axes[0].containers) == 11
    plt.close(fig)
    levels = {f"level {i}": 10.0 * i for i in range(5)}
    fig = plots.learning_curves({"one": np.array([1.0, 2.0])}, levels)
    assert len(fig.axes[0].get_lines()) == 6
    plt.close(fig)
