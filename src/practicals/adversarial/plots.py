"""Figures of chapter 3: arrays in, a Figure out, nothing saved."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import figures
from ..figures import PALETTE, TEXT_WIDTH, Cell

MARKERS = "os^Dv<>"


def _draw(ax: Axes, content: np.ndarray) -> None:
    top = None if content.ndim == 3 else max(float(content.max()), 1e-12)
    ax.imshow(content, cmap="gray", vmin=0, vmax=top)


def grid(
    cells: Sequence[Sequence[Cell]],
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
) -> Figure:
    """Draw pictures (H, W, 3) and maps (H, W) in rows; a cell may carry a line of text below."""
    width = min(TEXT_WIDTH / len(cells[0]), 1.7)
    below = any(isinstance(cell, tuple) for row in cells for cell in row)
    size = (TEXT_WIDTH, (width + 0.17 * below) * len(cells) + 0.25)
    return figures.grid(cells, size, _draw, columns, rows)


def amplified(x: np.ndarray, other: np.ndarray, factor: float) -> np.ndarray:
    """Return the difference of two uint8 pictures, ``factor`` times, around middle grey."""
    difference = (other.astype(float) - x.astype(float)) * factor
    return (128 + difference).clip(0, 255).astype(np.uint8)


def compared(
    x: torch.Tensor, other: torch.Tensor, before: Sequence[str], after: Sequence[str]
) -> list[list[Cell]]:
    """Return rows for ``grid``: picture, changed picture, their difference, and ten times it."""
    rows: list[list[Cell]] = []
    for a, b, was, now in zip(_pixels(x), _pixels(other), before, after, strict=True):
        large = amplified(a, b, 10)
        rows.append([(a, was[:20]), (b, now[:20]), amplified(a, b, 1), large])
    return rows


def _pixels(x: torch.Tensor) -> np.ndarray:
    return (x.detach().cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy()


def compare(picture: torch.Tensor, changed: torch.Tensor, titles: Sequence[str]) -> None:
    """Show a picture (3, H, W), a changed one and ten times their difference; nothing is kept."""
    (before, after), (was, now) = _pixels(torch.stack([picture, changed])), titles
    cells = [before, after, amplified(before, after, 10)]
    _, axes = plt.subplots(1, 3, figsize=(5.2, 1.95), layout="constrained")
    for ax, content, title in zip(axes, cells, (was, now, "difference × 10"), strict=True):
        figures.draw_cell(ax, content, _draw)
        ax.set_title(title[:24], fontsize=8)


def panels(
    curves: Mapping[str, Mapping[str, np.ndarray]],
    places: Sequence[float],
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Draw one panel per name, one line per method over ``places``, equally far apart."""
    fig, axes = plt.subplots(
        1, len(curves), figsize=(TEXT_WIDTH, 2.7), squeeze=False, layout="constrained", sharey=True
    )
    for ax, (title, lines) in zip(axes[0], curves.items(), strict=True):
        for place, (name, values) in enumerate(lines.items()):
            ax.plot(values, marker=MARKERS[place], ms=4, color=PALETTE[place], label=name)
        ax.set_xticks(range(len(places)), [f"{p:g}" for p in places])
        ax.set(title=title, xlabel=xlabel, ylim=(-0.03, 1.03))
        ax.grid(alpha=0.3)
    axes[0][0].set_ylabel(ylabel)
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def budgets(
    found: Mapping[str, Mapping[str, tuple[Sequence[int], Mapping[str, np.ndarray]]]],
) -> Figure:
    """Draw success against query budget with 95 % bands: a panel per network, a line per search.

    ``found[network][search]`` holds the budgets and the arrays of ``summary.by_budget``.
    """
    # One panel alone would be stretched over the text's width.
    size = (min(TEXT_WIDTH, 3.8 * len(found)), 2.7)
    fig, axes = plt.subplots(1, len(found), figsize=size, squeeze=False, layout="constrained")
    for ax, (title, searches) in zip(axes[0], found.items(), strict=True):
        for place, (name, (queries, rates)) in enumerate(searches.items()):
            colour = PALETTE[place]
            ax.plot(queries, rates["value"], marker=MARKERS[place], ms=4, color=colour, label=name)
            ax.fill_between(queries, rates["low"], rates["high"], color=colour, alpha=0.15, lw=0)
        ax.set(title=title, xlabel="queries per picture", xscale="log", ylim=(0, None))
        ax.set_xticks(queries, [f"{q:,}" for q in queries])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    axes[0][0].set_ylabel("share fooled")
    # A search may be asked of one network only: the legend gathers all.
    named: dict[str, Artist] = {}
    for ax in axes[0]:
        handles, labels = ax.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    fig.legend(list(named.values()), list(named), loc="outside lower center", ncols=3)
    return fig


def nearest(distances: Mapping[str, np.ndarray], margins: Mapping[str, np.ndarray]) -> Figure:
    """Draw the distribution of the smallest perturbations, and each against the clean margin."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.7), layout="constrained")
    for place, (name, found) in enumerate(distances.items()):
        known = np.isfinite(found)
        ranked = np.sort(found[known])
        share = np.arange(1, len(ranked) + 1) / len(found)
        left.step(ranked, share, where="post", color=PALETTE[place], label=name)
        right.plot(
            margins[name][known], found[known], MARKERS[place], ms=3, color=PALETTE[place], mew=0
        )
    left.set(xlabel="smallest L2 perturbation", ylabel="share of pictures", ylim=(0, 1))
    right.set(xlabel="clean margin (logits)", ylabel="smallest L2 perturbation")
    for ax in (left, right):
        ax.grid(alpha=0.3)
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def page(patch: np.ndarray, lines: Sequence[str]) -> Figure:
    """Draw a patch (p, p, 3) in [0, 1], cut to its disc, and what was measured beside it."""
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(TEXT_WIDTH, 3.4), layout="constrained", width_ratios=(1, 1)
    )
    side = patch.shape[0]
    at = (np.arange(side) + 0.5) / side * 2 - 1
    outside = (at[:, None] ** 2 + at[None] ** 2) > 1
    left.imshow(np.where(outside[..., None], 1.0, patch))
    left.set_axis_off()
    right.set_axis_off()
    right.text(0, 0.95, "\n\n".join(lines), va="top", fontsize=9, transform=right.transAxes)
    return fig
