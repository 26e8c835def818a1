"""Figures of chapter 5: arrays in, a Figure out, nothing saved."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import PALETTE, TEXT_WIDTH

Pixels = np.ndarray
"""uint8 of shape (n, H, W, 3)."""
Spread = tuple[Sequence[float], Sequence[float]]
"""Means and standard deviations over seeds."""


def _strip(pictures: Pixels) -> np.ndarray:
    """Lay pictures side by side, one white column between two."""
    framed = np.pad(pictures, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=255)
    return np.concatenate(list(framed), axis=1)


def strips(rows: Mapping[str, Pixels]) -> Figure:
    """Draw one row of small pictures per entry, its name at the left."""
    height = 0.45 * len(rows)
    fig, axes = plt.subplots(len(rows), 1, figsize=(TEXT_WIDTH, height), squeeze=False)
    for ax, (name, pictures) in zip(axes[:, 0], rows.items(), strict=True):
        ax.imshow(_strip(pictures), interpolation="nearest")
        ax.set(xticks=(), yticks=())
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.spines[:].set_visible(False)
    return fig


def histories(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    panels: Sequence[tuple[str, str]],
    xlabel: str = "step",
) -> Figure:
    """Draw one panel per (quantity, label) against ``step``, one line per entry of ``curves``."""
    size = (TEXT_WIDTH, 2.3)
    fig, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
    for ax, (quantity, label) in zip(axes[0], panels, strict=True):
        for colour, (run, curve) in zip(PALETTE, curves.items(), strict=False):
            ax.plot(curve["step"], curve[quantity], ".-", color=colour, label=run, ms=4)
        ax.set(xlabel=xlabel, ylabel=label)
    if len(curves) > 1:
        lines, names = axes[0, 0].get_legend_handles_labels()
        fig.legend(lines, names, loc="outside upper center", ncols=len(curves))
    return fig


def projections(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    labels: tuple[np.ndarray, np.ndarray],
) -> Figure:
    """Draw features on two axes, by domain (top) and by digit (bottom), one column per network.

    ``panels[name]`` holds source (n, 2) and target (m, 2), ``labels`` their digits.
    """
    fig, axes = plt.subplots(2, len(panels), figsize=(TEXT_WIDTH, 4.4), squeeze=False)
    digits = np.concatenate(labels)
    for (top, bottom), (name, (source, target)) in zip(axes.T, panels.items(), strict=True):
        for points, colour, domain in (
            (source, PALETTE[0], "source"),
            (target, PALETTE[1], "target"),
        ):
            top.scatter(*points.T, s=3, alpha=0.4, color=colour, lw=0, label=domain)
        shown = bottom.scatter(
            *np.concatenate([source, target]).T, s=3, alpha=0.5, c=digits, cmap="tab10", lw=0
        )
        top.set_title(name)
        for ax in (top, bottom):
            ax.set(xticks=(), yticks=())
    axes[0, 0].legend(markerscale=3, loc="best")
    fig.colorbar(shown, ax=axes[1], ticks=range(10), fraction=0.03, pad=0.01).set_label("digit")
    return fig


def _band(ax: Axes, x: Sequence[float], spread: Spread, colour: str, label: str) -> None:
    mean, std = (np.asarray(values, float) for values in spread)
    ax.errorbar(x, mean, std, fmt=".-", color=colour, label=label, capsize=2)


def lambda_study(
    lams: Sequence[float], accuracies: Mapping[str, Spread], distance: Spread
) -> Figure:
    """Draw accuracies, and beside them the proxy A-distance, against λ (mean ± std over seeds)."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.6))
    for colour, (name, spread) in zip(PALETTE, accuracies.items(), strict=False):
        _band(left, lams, spread, colour, name)
    _band(right, lams, distance, PALETTE[3], "")
    left.legend()
    left.set_ylabel("accuracy")
    right.set_ylabel("proxy A-distance")
    for ax in (left, right):
        ax.set_xscale("symlog", linthresh=0.1)
        ax.set_xticks(lams, [f"{lam:g}" for lam in lams])
        ax.minorticks_off()
        ax.set_xlabel("λ")
    return fig


def validators(
    found: Mapping[str, tuple[np.ndarray, np.ndarray]], correlations: Mapping[str, float]
) -> Figure:
    """Draw the target accuracy against each label-free score, one point per run."""
    fig, axes = plt.subplots(1, len(found), figsize=(TEXT_WIDTH, 2.3), sharey=True)
    for ax, (name, (score, oracle)) in zip(axes, found.items(), strict=True):
        ax.scatter(score, oracle, s=6, alpha=0.5, lw=0, color=PALETTE[0])
        ax.set(xlabel=f"{name}", title=f"Spearman {correlations[name]:.2f}")
    axes[0].set_ylabel("target accuracy")
    return fig


def rows(columns: Mapping[str, Mapping[str, np.ndarray]], xlabel: str) -> Figure:
    """Draw a line per row of a table, from the top: a point for each seed, a bar for the mean.

    ``columns[name][row]`` holds the values (seeds,); all columns have the first one's rows.
    """
    titles = list(next(iter(columns.values())))
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 0.32 * len(titles) + 0.8))
    for number, (name, found) in enumerate(columns.items()):
        colour, offset = PALETTE[number], 0.2 * (number - (len(columns) - 1) / 2)
        for place, row in enumerate(titles):
            values = found.get(row)
            if values is None:
                continue
            y = place + offset
            ax.plot(values, np.full(len(values), y), "o", ms=3.5, alpha=0.6, color=colour)
            ax.plot([values.mean()] * 2, [y - 0.12, y + 0.12], color=colour, lw=2)
        ax.plot([], [], "o", color=colour, label=name)
    ax.set_yticks(range(len(titles)), titles)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)
    ax.legend(ncols=len(columns), loc="lower center", bbox_to_anchor=(0.5, 1))
    return fig


def per_digit(accuracies: Mapping[str, Spread]) -> Figure:
    """Draw the accuracy on each digit as grouped bars, one group per digit, with std over seeds."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.5))
    width = 0.8 / len(accuracies)
    for i, (name, (mean, std)) in enumerate(accuracies.items()):
        place = np.arange(10) + (i - (len(accuracies) - 1) / 2) * width
        ax.bar(place, mean, width, yerr=std, label=name, color=PALETTE[i], error_kw={"lw": 0.8})
    ax.set(xticks=range(10), xlabel="digit", ylabel="target accuracy", ylim=(0, 1.02))
    ax.legend(ncols=len(accuracies), loc="lower center", bbox_to_anchor=(0.5, 1))
    return fig


def confidence(curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Draw precision against coverage of pseudo-labels, a line per round.

    ``curves[round]`` holds thresholds, precisions and coverages, equally long. The thresholds are
    written at the first line.
    """
    fig, ax = plt.subplots(figsize=(0.62 * TEXT_WIDTH, 2.7))
    for colour, (name, (_, precision, coverage)) in zip(PALETTE, curves.items(), strict=False):
        ax.plot(coverage, precision, ".-", color=colour, label=name)
    # The lines do not cross, so the thresholds of the lowest one can stand below it.
    for threshold, precision, coverage in zip(*next(iter(curves.values())), strict=True):
        ax.annotate(
            f"{threshold:g}",
            (coverage, precision),
            (-3, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
        )
    ax.set(xlabel="coverage", ylabel="precision")
    ax.margins(x=0.1, y=0.1)
    ax.legend()
    return fig


def mistakes(pictures: Pixels, titles: Sequence[str], columns: int = 10) -> Figure:
    """Draw small pictures in rows, each under a title such as ``3 → 8``."""
    rows = max(1, -(-len(pictures) // columns))
    fig, axes = plt.subplots(rows, columns, figsize=(TEXT_WIDTH, 0.85 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, picture, title in zip(axes.flat, pictures, titles, strict=False):
        ax.imshow(picture, interpolation="nearest")
        ax.set_title(title, fontsize=8, pad=2)
    return fig


def _box(ax: Axes, x: float, y: float, width: float, text: str, colour: str) -> None:
    patch = plt.Rectangle((x, y), width, 0.9, fc=f"{colour}22", ec=colour, lw=1.2)
    ax.add_patch(patch)
    ax.text(x + width / 2, y + 0.45, text, ha="center", va="center", fontsize=8)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], **style: object) -> None:
    ax.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "lw": 1.2, **style})


def flow() -> Figure:
    """Draw what flows forward (solid) and what flows back (dashed) through the reversal layer."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.5))
    ax.set(xlim=(0, 11.6), ylim=(0, 4.2))
    ax.set_axis_off()
    grey, blue, red = "#555555", PALETTE[0], PALETTE[1]
    _box(ax, 0.1, 1.65, 1.9, "pictures of\nboth domains", grey)
    _box(ax, 3.0, 1.65, 1.9, "features\n$G_f$", PALETTE[2])
    _box(ax, 6.0, 3.0, 2.3, "label classifier\n$G_y$", blue)
    _box(ax, 6.0, 0.3, 1.2, "reversal", red)
    _box(ax, 8.2, 0.3, 2.1, "domain classifier\n$G_d$", red)
    for start, end in (
        ((2.0, 2.2), (3.0, 2.2)),
        ((4.9, 2.3), (6.0, 3.5)),
        ((4.9, 2.1), (6.0, 0.85)),
        ((7.2, 0.85), (8.2, 0.85)),
        ((8.3, 3.5), (9.2, 3.5)),
        ((10.3, 0.85), (10.8, 0.85)),
    ):
        _arrow(ax, start, end, color=grey)
    ax.text(9.25, 3.5, "$L_y$ (source only)", va="center")
    ax.text(10.85, 0.85, "$L_d$", va="center")
    back = {"linestyle": "--"}
    _arrow(ax, (6.0, 3.15), (4.9, 2.0), color=blue, **back)
    _arrow(ax, (8.2, 0.5), (7.2, 0.5), color=red, **back)
    _arrow(ax, (6.0, 0.5), (4.6, 1.65), color=red, **back)
    ax.text(5.75, 2.42, r"$\partial L_y/\partial\theta_f$", color=blue, fontsize=8)
    ax.text(7.25, 0.02, r"$\partial L_d/\partial f$", color=red, fontsize=8)
    ax.text(3.65, 0.72, r"$-\lambda\,\partial L_d/\partial f$", color=red, fontsize=8)
    return fig
