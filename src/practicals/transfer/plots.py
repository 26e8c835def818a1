"""Figures of chapter 1: arrays in, a Figure out, nothing saved."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import PALETTE, TEXT_WIDTH, draw_picture, mosaic, stretch
from .summary import map_names

Curve = tuple[Sequence[float], Sequence[float]]
LABELS = 14
"""Layers that one panel of ``by_depth`` can name side by side."""
MARKERS = "os^Dv<>pX"
"""Shapes of curves' points: nine beside eight colours, so that no pair of both repeats soon."""


def show(pictures: Sequence[np.ndarray], titles: Sequence[str] = (), **keywords: object) -> Figure:
    """Draw a few pictures or maps side by side, for a cell's own result."""
    fig, axes = plt.subplots(1, len(pictures), figsize=(2.1 * len(pictures), 2.3), squeeze=False)
    for i, picture in enumerate(pictures):
        draw_picture(axes[0][i], picture, titles[i] if i < len(titles) else "", **keywords)
    return fig


def _bars(ax: Axes, names: Sequence[str], values: np.ndarray, truth: str) -> None:
    """Draw top-k probabilities as bars with the class names inside the axes; truth in bold."""
    colours = [PALETTE[5] if name == truth else "#CCCCCC" for name in names]
    places = np.arange(len(names))
    ax.barh(places, values, color=colours, height=0.85)
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        weight = "bold" if name == truth else "normal"
        ax.text(0.02, place, f"{name[:20]}  {value:.2f}", va="center", fontsize=8, weight=weight)
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
        figsize=(TEXT_WIDTH * 1.15, 1.25 * rows),
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


def filters(weights: np.ndarray) -> Figure:
    """Draw filters (k, h, w, 3) in [0, 1], under the names of their maps."""
    names, side = map_names(len(weights)), int(np.ceil(np.sqrt(len(weights))))
    fig, axes = plt.subplots(side, side, figsize=(TEXT_WIDTH * 0.6, TEXT_WIDTH * 0.66))
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, weight, name in zip(axes.flat, weights, names, strict=False):
        draw_picture(ax, weight, name, interpolation="nearest")
        ax.title.set_fontsize(8)
    return fig


def feature_maps(picture: np.ndarray, maps: np.ndarray) -> Figure:
    """Draw maps (k, h, w) as a grid with named rows and columns, and their picture in front."""
    side = int(np.ceil(np.sqrt(len(maps))))
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(TEXT_WIDTH * 1.6, TEXT_WIDTH * 1.3), width_ratios=[1, 5]
    )
    draw_picture(left, picture, "input")
    right.imshow(mosaic(stretch(maps), gap=4), cmap="gray")
    height, width = maps.shape[1] + 4, maps.shape[2] + 4
    places = np.arange(side)
    right.set_xticks(places * width + maps.shape[2] / 2, [str(i + 1) for i in range(side)])
    right.set_yticks(places * height + maps.shape[1] / 2, [chr(ord("A") + i) for i in range(side)])
    right.tick_params(length=0, labeltop=True, labelbottom=False)
    right.spines[:].set_visible(False)
    return fig


def norm_title(norm: str) -> str:
    """Return a normalisation's name as text and tables spell it."""
    return {"l2": "L2"}.get(norm, norm)


def by_depth(curves: Mapping[str, tuple[Sequence[str], Mapping[str, Curve]]]) -> Figure:
    """Draw accuracy against the layer, one panel per network, one line per normalisation.

    ``curves[network] = (layers, {normalisation: (accuracies, standard errors)})``, in percent.
    A panel with too many layers to name them all names every second, or third, from the first.
    """
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(TEXT_WIDTH, 2.9 * rows), sharey=True, squeeze=False
    )
    for ax in axes.flat[len(curves) :]:
        ax.set_axis_off()
    for ax, (network, (layers, lines)) in zip(axes.flat, curves.items(), strict=False):
        places = np.arange(len(layers))
        for (name, (mean, error)), marker in zip(lines.items(), cycle(MARKERS), strict=False):
            label = norm_title(name)
            ax.errorbar(places, mean, error, label=label, marker=marker, ms=3, lw=1.2, capsize=1.5)
        ax.set_title(network)
        step = -(-len(layers) // LABELS)
        ax.set_xticks(places[::step], list(layers)[::step], rotation=90, fontsize=8)
        ax.grid(axis="y", alpha=0.3)
    for row in axes:
        row[0].set_ylabel("test accuracy (%)")
    axes[0][0].legend(loc="lower right")
    return fig


def curves_by_c(C_grid: Sequence[float], curves: Mapping[str, Sequence[float]]) -> Figure:
    """Draw cross-validated accuracy (percent) against C, one line per setting."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.9))
    for (name, values), marker in zip(curves.items(), cycle(MARKERS), strict=False):
        ax.plot(C_grid, values, marker=marker, ms=3.5, lw=1.2, label=name)
    ax.set(xscale="log", xlabel="C", ylabel="cross-validated accuracy (%)")
    ax.grid(alpha=0.3)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


def by_size(sizes: Sequence[int], curves: Mapping[str, np.ndarray], chance: float) -> Figure:
    """Draw accuracy (percent) against training pictures a class; a thin line joins a seed's.

    ``curves[name]`` holds accuracies (seeds, sizes) as fractions.
    """
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 3.1))
    for i, ((name, values), marker) in enumerate(zip(curves.items(), cycle(MARKERS), strict=False)):
        colour, percent = PALETTE[i % len(PALETTE)], 100 * np.asarray(values)
        ax.plot(sizes, percent.T, color=colour, lw=0.5, alpha=0.6)
        ax.plot(sizes, percent.mean(0), color=colour, marker=marker, ms=4, lw=1.4, label=name)
    ax.axhline(100 * chance, color="black", lw=0.8, ls=":")
    ax.set(xscale="log", xlabel="training pictures a class", ylabel="accuracy (%)", ylim=(0, 102))
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


def confusion(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix in percent of each true class (rows), zero cells left blank."""
    percent = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 5.6))
    ax.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.argwhere(percent >= 0.5):
        colour = "white" if percent[i, j] > 55 else "black"
        ax.text(j, i, f"{percent[i, j]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    places = np.arange(len(classes))
    ax.set_xticks(places, classes, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_yticks(places, classes)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.spines[:].set_visible(False)
    return fig


def intervals(
    names: Sequence[str], values: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> Figure:
    """Draw accuracies (percent) from top to bottom, each with its interval."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 0.3 * len(names) + 0.8))
    places, middle = np.arange(len(names)), np.asarray(values)
    errors = np.clip([middle - low, np.asarray(high) - middle], 0, None)
    ax.errorbar(middle, places, xerr=errors, fmt="o", ms=4.5, capsize=3, color=PALETTE[0])
    for place, value in zip(places, middle, strict=True):
        ax.annotate(
            f"{value:.1f}",
            (value, place),
            (0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    ax.set_yticks(places, names)
    ax.set(xlabel="test accuracy (%)", ylim=(len(names) - 0.5, -0.7))
    ax.grid(axis="x", alpha=0.3)
    return fig
