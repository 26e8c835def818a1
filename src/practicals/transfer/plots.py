"""Figures of chapter 1: arrays in, a Figure out, nothing saved."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import PALETTE, TEXT_WIDTH, draw_picture, mosaic, stretch

Curve = tuple[Sequence[float], Sequence[float]]
MARKERS = "os^Dv<>pX"
"""Shapes of curves' points: nine beside eight colours, so that no pair of both repeats soon."""


def _bars(ax: Axes, names: Sequence[str], values: np.ndarray, truth: str) -> None:
    """Draw top-k probabilities as bars with the class names inside the axes; truth in bold."""
    colours = [PALETTE[5] if name == truth else "#CCCCCC" for name in names]
    places = np.arange(len(names))
    ax.barh(places, values, color=colours, height=0.85)
    for place, name, value in zip(places, names, values, strict=True):
        weight = "bold" if name == truth else "normal"
        ax.text(0.02, place, f"{name}  {value:.2f}", va="center", fontsize=7, weight=weight)
    ax.set(xlim=(0, 1), xticks=(), yticks=(), ylim=(len(names) - 0.5, -0.5))
    ax.spines[["left", "bottom"]].set_visible(False)


def top_classes(
    originals: Sequence[np.ndarray],
    inputs: Sequence[np.ndarray],
    truths: Sequence[str],
    tops: Mapping[str, Sequence[tuple[Sequence[str], np.ndarray]]],
) -> Figure:
    """Draw one row per picture: original, network input, and each network's most probable classes.

    ``tops[network][i]`` holds the names and probabilities for picture i, best first.
    """
    rows, columns = len(originals), 2 + len(tops)
    fig, axes = plt.subplots(
        rows,
        columns,
        figsize=(TEXT_WIDTH, 1.12 * rows),
        width_ratios=[1, 1, *[1.75] * len(tops)],
        squeeze=False,
    )
    for i, row in enumerate(axes):
        draw_picture(row[0], originals[i], "original" if i == 0 else "")
        draw_picture(row[1], inputs[i], "input" if i == 0 else "")
        for ax, (network, top) in zip(row[2:], tops.items(), strict=True):
            _bars(ax, *top[i], truths[i])
            if i == 0:
                ax.set_title(network)
    return fig


def feature_maps(picture: np.ndarray, maps: np.ndarray, filters: np.ndarray) -> Figure:
    """Draw a picture, filters (k, h, w, 3) in [0, 1], and the maps (k, h, w) they give."""
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(TEXT_WIDTH, 4.3), width_ratios=[1, 2.1], squeeze=True
    )
    left.set_axis_off()
    top, bottom = left.inset_axes([0, 0.56, 1, 0.38]), left.inset_axes([0, 0.04, 1, 0.42])
    draw_picture(top, picture, "input")
    draw_picture(bottom, mosaic(filters, gap=1), f"{len(filters)} filters", interpolation="nearest")
    draw_picture(right, mosaic(stretch(maps)), f"{len(maps)} maps", cmap="gray")
    return fig


def many_feature_maps(pictures: Sequence[np.ndarray], maps: Sequence[np.ndarray]) -> Figure:
    """Draw the map grids of several pictures, two rows: pictures above, their grids below."""
    fig, axes = plt.subplots(
        2, len(pictures), figsize=(TEXT_WIDTH, 2.7), height_ratios=[0.8, 1], squeeze=False
    )
    for (above, below), picture, grid in zip(axes.T, pictures, maps, strict=True):
        draw_picture(above, picture)
        draw_picture(below, mosaic(stretch(grid)), cmap="gray")
    return fig


def by_depth(
    curves: Mapping[str, tuple[Sequence[str], Mapping[str, Curve]]], reference: float | None = None
) -> Figure:
    """Draw accuracy against the layer, one panel per network, one line per normalisation.

    ``curves[network] = (layers, {normalisation: (accuracies, standard errors)})``, in percent.
    """
    fig, axes = plt.subplots(1, len(curves), figsize=(TEXT_WIDTH, 3.1), sharey=True, squeeze=False)
    for ax, (network, (layers, lines)) in zip(axes[0], curves.items(), strict=True):
        places = np.arange(len(layers))
        for (name, (mean, error)), marker in zip(lines.items(), cycle(MARKERS), strict=False):
            ax.errorbar(places, mean, error, label=name, marker=marker, ms=3, lw=1.2, capsize=1.5)
        if reference is not None:
            ax.axhline(reference, color="black", lw=0.8, ls=":")
        ax.set_title(network)
        ax.set_xticks(places, layers, rotation=90)
        ax.grid(axis="y", alpha=0.3)
    axes[0][0].set_ylabel("test accuracy (%)")
    axes[0][-1].legend(loc="lower right")
    return fig


def curves_by_c(C_grid: Sequence[float], curves: Mapping[str, Sequence[float]]) -> Figure:
    """Draw cross-validated accuracy (percent) against C, one line per setting."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH * 0.62, 2.7))
    for (name, values), marker in zip(curves.items(), cycle(MARKERS), strict=False):
        ax.plot(C_grid, values, marker=marker, ms=3.5, lw=1.2, label=name)
    ax.set(xscale="log", xlabel="C", ylabel="cross-validated accuracy (%)")
    ax.grid(alpha=0.3)
    ax.legend()
    return fig


def learning_curves(curves: Mapping[str, Sequence[float]], levels: Mapping[str, float]) -> Figure:
    """Draw accuracy (percent) by epoch, with named horizontal levels for comparison."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH * 0.75, 2.9))
    for name, values in curves.items():
        ax.plot(np.arange(1, len(values) + 1), values, marker="o", ms=3, lw=1.3, label=name)
    for (name, level), style in zip(levels.items(), cycle(("--", ":", "-.")), strict=False):
        ax.axhline(level, color="black", lw=1, ls=style, label=name)
    ax.set(xlabel="epoch", ylabel="accuracy (%)", ylim=(0, 101))
    ax.grid(alpha=0.3)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


def confusion(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix in percent of each true class (rows), zero cells left blank."""
    percent = 100 * matrix / matrix.sum(1, keepdims=True)
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 5.6))
    ax.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.argwhere(percent >= 0.5):
        colour = "white" if percent[i, j] > 55 else "black"
        ax.text(j, i, f"{percent[i, j]:.0f}", ha="center", va="center", fontsize=7.5, color=colour)
    places = np.arange(len(classes))
    ax.set_xticks(places, classes, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_yticks(places, classes)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.spines[:].set_visible(False)
    return fig


def steps_up(names: Sequence[str], values: Sequence[float], errors: Sequence[float]) -> Figure:
    """Draw settings from top to bottom with accuracy (percent) and standard error."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 0.34 * len(names) + 0.8))
    places = np.arange(len(names))
    ax.errorbar(values, places, xerr=errors, fmt="o", ms=5, capsize=3, color=PALETTE[0])
    for place, value in zip(places, values, strict=True):
        ax.annotate(f"{value:.1f}", (value, place), (0, 5), textcoords="offset points", ha="center")
    ax.set_yticks(places, names)
    ax.set(xlabel="test accuracy (%)", ylim=(len(names) - 0.5, -0.7))
    ax.grid(axis="x", alpha=0.3)
    return fig
