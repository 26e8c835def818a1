"""Figures of chapter 6: arrays in, a Figure out, nothing saved."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import PALETTE, TEXT_WIDTH
from .summary import sheet

Lines = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Title → places and values of a line."""


def digits(
    pictures: np.ndarray, rows: Sequence[str] = (), columns: Sequence[str] = (), width: float = 1.0
) -> Figure:
    """Draw digits, uint8 (rows, columns, 32, 32), with titles of rows and columns."""
    whole = sheet(pictures)
    size = TEXT_WIDTH * width
    margin = 0.15 + 0.07 * max(map(len, rows)) if len(rows) else 0.0
    height = (size - margin) * whole.shape[0] / whole.shape[1] + (0.3 if len(columns) else 0.05)
    fig, ax = plt.subplots(figsize=(size, height))
    ax.imshow(whole, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    step = pictures.shape[2] + 2
    ax.set_yticks(np.arange(len(rows)) * step + step / 2 - 1, rows)
    ax.set_xticks(np.arange(len(columns)) * step + step / 2 - 1, columns)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    return fig


def show(pictures: np.ndarray, columns: int = 10) -> None:
    """Show digits, uint8 (n, 32, 32), in passing; nothing is kept."""
    rows = len(pictures) // columns
    shaped = pictures[: rows * columns].reshape(rows, columns, *pictures.shape[1:])
    digits(shaped, width=0.7)


def panels(
    drawn: Mapping[str, Lines],
    xlabel: str,
    columns: int = 2,
    logs: Sequence[str] = (),
    marks: str = "",
    ylabel: str = "",
) -> Figure:
    """Draw one panel per title with its lines; panels named in ``logs`` have a logarithmic axis.

    ``ylabel`` stands at the first panel of each row.
    """
    rows = -(-len(drawn) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(TEXT_WIDTH, 2.2 * rows), squeeze=False)
    for ax in axes.flat[len(drawn) :]:
        ax.set_axis_off()
    for ax, (title, lines) in zip(axes.flat, drawn.items(), strict=False):
        for number, (name, (x, y)) in enumerate(lines.items()):
            style = ("-", "--", ":", "-.")[number % 4]
            ax.plot(x, y, style, marker=marks or None, ms=3, label=name)
        ax.set(title=title, xlabel=xlabel, yscale="log" if title in logs else "linear")
        ax.grid(alpha=0.3)
        if len(lines) > 1:
            ax.legend()
    for row in axes:
        row[0].set_ylabel(ylabel)
    return fig


def dots(
    values: Mapping[str, np.ndarray], xlabel: str, floor: float | None = None, log: bool = True
) -> Figure:
    """Draw a row per title: a dot per seed, a bar at the mean, a dashed line at the floor."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 0.24 * len(values) + 0.7))
    for row, found in enumerate(values.values()):
        ax.plot(found, np.full(len(found), row), "o", ms=4, alpha=0.7, color=PALETTE[0], mew=0)
        ax.plot([np.mean(found)] * 2, [row - 0.35, row + 0.35], color=PALETTE[1], lw=2)
    if floor is not None:
        ax.axvline(floor, color="0.4", ls="--", label="real digits")
        ax.legend()
    ax.set_yticks(range(len(values)), list(values))
    ax.set(xlabel=xlabel, ylim=(len(values) - 0.5, -0.5), xscale="log" if log else "linear")
    ax.grid(axis="x", alpha=0.3)
    return fig


def bars(shares: Mapping[str, np.ndarray], ylabel: str, even: float | None = None) -> Figure:
    """Draw a group of bars per digit, one bar per title."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.2))
    width = 0.8 / len(shares)
    for number, (name, share) in enumerate(shares.items()):
        places = np.arange(len(share)) + (number - (len(shares) - 1) / 2) * width
        ax.bar(
            places,
            share,
            width,
            label=name,
            color=PALETTE[number],
            hatch=("", "//", "..")[number % 3],
        )
    if even is not None:
        ax.axhline(even, color="0.4", ls="--", lw=1)
    ax.set(xlabel="digit", ylabel=ylabel, xticks=range(10))
    ax.legend(ncols=len(shares))
    return fig


def _plane(ax: Axes, values: np.ndarray, title: str, half: float) -> None:
    side = int(len(values) ** 0.5)
    extent = (-half, half, -half, half)
    image = ax.imshow(
        values.reshape(side, side), extent=extent, origin="lower", cmap="RdBu_r", vmin=0, vmax=1
    )
    ax.set(title=title, xticks=(-half, 0, half), yticks=(-half, 0, half))
    ax.figure.colorbar(image, ax=ax, shrink=0.75)


def best_and_trained(
    best: np.ndarray, trained: np.ndarray, losses: np.ndarray, limit: float, half: float = 4.0
) -> Figure:
    """Draw D* and the trained D on a plane, and the loss beside the value of D*."""
    fig, axes = plt.subplots(1, 3, figsize=(TEXT_WIDTH, 2.0), width_ratios=(1, 1, 1.1))
    _plane(axes[0], 1 / (1 + np.exp(-best)), "D* = p / (p + q)", half)
    _plane(axes[1], 1 / (1 + np.exp(-trained)), "trained D", half)
    axes[2].plot(losses, lw=0.7, label="trained D")
    axes[2].axhline(limit, color=PALETTE[1], ls="--", label="2 log 2 − 2 JSD")
    axes[2].set(xlabel="step", title="loss of D")
    axes[2].legend()
    return fig


def transport(
    played: Mapping[str, Mapping[str, np.ndarray]], centres: np.ndarray, half: float = 3.0
) -> Figure:
    """Draw, per title, z and the points that G makes of it, coloured by the nearest mode."""
    fig, axes = plt.subplots(2, len(played), figsize=(TEXT_WIDTH, 0.3 + 4.2), squeeze=False)
    for column, (title, found) in zip(axes.T, played.items(), strict=True):
        for ax, what in zip(column, ("z", "points"), strict=True):
            ax.scatter(*found[what].T, c=found["mode"], s=2, cmap="tab10", vmin=0, vmax=9)
            ax.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
        column[1].scatter(*centres.T, marker="+", color="k", s=40, lw=1)
        column[0].set_title(f"{title}\nz, by the mode it goes to")
        column[1].set_title("G(z); crosses: modes")
    return fig


def scatter(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], xlabel: str, ylabel: str) -> Figure:
    """Draw a panel of points per title, all on the same axes."""
    fig, axes = plt.subplots(
        1, len(pairs), figsize=(TEXT_WIDTH, 2.6), squeeze=False, sharex=True, sharey=True
    )
    for ax, (title, (x, y)) in zip(axes[0], pairs.items(), strict=True):
        ax.plot(x, y, ".", ms=3, alpha=0.6, mew=0)
        ax.set(title=title, xlabel=xlabel)
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel(ylabel)
    return fig


def overlaid(values: Mapping[str, np.ndarray], xlabel: str) -> Figure:
    """Draw the distributions of several sets of numbers, as outlines over common bins."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.2))
    bins = np.histogram_bin_edges(np.concatenate([*values.values()]), 30).tolist()
    for number, (name, found) in enumerate(values.items()):
        style = ("-", "--", ":")[number % 3]
        ax.hist(found, bins, histtype="step", label=name, ls=style, lw=1.4, density=True)
    ax.set(xlabel=xlabel, ylabel="density")
    ax.legend()
    return fig
