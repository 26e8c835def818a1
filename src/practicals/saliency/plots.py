"""Figures of chapter 2: arrays in, a Figure out, nothing saved."""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .. import figures
from ..figures import PALETTE, TEXT_WIDTH, Cell
from .localisation import by_colour, by_threshold

Spread = tuple[float, float]
"""A mean and its standard error."""
MARKERS = "os^Dv<>pXh*"
DROP = 0.02
"""How far below a cell its text stands, in heights of the cell."""


def colours_of(names: Sequence[str], controls: Sequence[str]) -> dict[str, str]:
    """Return a colour for every method; controls are grey."""
    methods = [name for name in names if name not in controls]
    found = dict(zip(methods, (*PALETTE, "#7F3C8D"), strict=False))
    return found | dict(zip(controls, ("#555555", "#888888", "#BBBBBB"), strict=False))


def heat(ax: Axes, values: np.ndarray) -> None:
    """Draw a map: one-sided in greys, two-sided in blue and red; the top percent saturates."""
    top = max(float(np.quantile(np.abs(values), 0.99)), 1e-12)
    if values.min() < -0.05 * top:
        ax.imshow(values, cmap="RdBu_r", vmin=-top, vmax=top)
    else:
        ax.imshow(values, cmap="gray", vmin=0, vmax=top)


def _draw(ax: Axes, content: np.ndarray) -> None:
    if content.ndim == 3:
        ax.imshow(content)
    else:
        heat(ax, content)


def _wrapped(content: Cell, width: float) -> Cell:
    """Return a cell with its text in lines that fit below ``width`` inches, at 8 points."""
    if not isinstance(content, tuple):
        return content
    return content[0], textwrap.fill(content[1], max(8, int(width / 0.068)))


def grid(
    cells: Sequence[Sequence[Cell]],
    columns: Sequence[str],
    rows: Sequence[str] = (),
) -> Figure:
    """Draw pictures (H, W, 3) and maps (H, W) in rows; a cell may carry text below, wrapped."""
    width = TEXT_WIDTH / len(cells[0])
    cells = [[_wrapped(cell, width) for cell in row] for row in cells]
    texts = [cell[1] for row in cells for cell in row if isinstance(cell, tuple)]
    below = max((text.count("\n") + 1.2 for text in texts), default=0)
    size = (TEXT_WIDTH, (width + 0.13 * below) * len(cells) + 0.25)
    return figures.grid(cells, size, _draw, columns, rows, min(8, 11 * width), DROP)


def show(picture: torch.Tensor, heat: torch.Tensor, title: str = "") -> None:
    """Show a picture (3, H, W) in [0, 1] and a map (h, w) beside it; nothing is kept."""
    pixels = picture.detach().cpu().permute(1, 2, 0).clamp(0, 1).numpy()
    values = heat.detach().cpu().numpy()
    _, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH * 0.7, TEXT_WIDTH * 0.35))
    figures.draw_cell(left, (pixels, title), _draw, DROP)
    figures.draw_cell(right, values, _draw, DROP)


def spreads(values: Mapping[str, np.ndarray], xlabel: str) -> Figure:
    """Draw one row of dots per name, a dot per picture, and the row's mean as a bar."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 0.3 * len(values) + 0.7))
    for row, found in enumerate(values.values()):
        # The golden ratio spreads dots evenly without chance.
        height = row + 0.5 * ((np.arange(len(found)) * 0.618) % 1 - 0.5)
        ax.plot(found, height, ".", ms=4, alpha=0.6, color=PALETTE[0], mew=0)
        ax.plot([np.mean(found)] * 2, [row - 0.38, row + 0.38], color=PALETTE[1], lw=2)
    ax.set_yticks(range(len(values)), list(values))
    ax.set(xlabel=xlabel, ylim=(len(values) - 0.5, -0.5))
    ax.grid(axis="x", alpha=0.3)
    return fig


def curve_panels(
    curves: Mapping[str, Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]],
    controls: Sequence[str],
) -> Figure:
    """Draw mean curves: a row per network, a panel per score, a line per method.

    ``curves[network][score][method]`` holds fractions and the mean probability at each.
    """
    panels = max(len(scores) for scores in curves.values())
    size = (TEXT_WIDTH, 2.5 * len(curves) + 0.3)
    fig, axes = plt.subplots(
        len(curves), panels, figsize=size, squeeze=False, layout="constrained", sharex=True
    )
    for row, (network, scores) in zip(axes, curves.items(), strict=True):
        for ax, (score, lines) in zip(row, scores.items(), strict=False):
            colours = colours_of(list(lines), controls)
            for name, (fractions, values) in lines.items():
                style = "--" if name in controls else "-"
                ax.plot(fractions, values, style, color=colours[name], label=name)
            ax.set(title=f"{network}\n{score}", ylim=(0, 1))
            ax.grid(alpha=0.3)
        row[0].set_ylabel("probability of the class")
    for ax in axes[-1]:
        ax.set_xlabel("fraction of pixels")
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def dots(
    scores: Mapping[str, Mapping[str, Mapping[str, Spread]]], controls: Sequence[str]
) -> Figure:
    """Draw means with standard errors: a row per network, a panel per score, a dot per method."""
    panels = len(next(iter(scores.values())))
    size = (TEXT_WIDTH, 2.1 * len(scores) + 0.3)
    fig, axes = plt.subplots(
        len(scores), panels, figsize=size, squeeze=False, layout="constrained", sharey=True
    )
    for row, (network, by_score) in zip(axes, scores.items(), strict=True):
        for ax, (score, values) in zip(row, by_score.items(), strict=True):
            colours = colours_of(list(values), controls)
            for place, (name, (mean, error)) in enumerate(values.items()):
                ax.errorbar(mean, place, xerr=error, fmt="o", ms=4, color=colours[name], capsize=2)
            ax.set_yticks(range(len(values)), list(values))
            ax.set(title=f"{network}\n{score}", ylim=(len(values) - 0.5, -0.5))
            ax.grid(axis="x", alpha=0.3)
    return fig


def lines(
    panels: Mapping[str, tuple[Sequence[object], Mapping[str, np.ndarray]]],
    ylabel: str,
    xlabel: str = "",
    columns: int = 2,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw one panel per name, one line per method over the named places."""
    rows = -(-len(panels) // columns)
    size = (TEXT_WIDTH, 2.5 * rows + 0.5)
    fig, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, layout="constrained", sharey=True
    )
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (title, (places, values)) in zip(axes.flat, panels.items(), strict=False):
        colours = colours_of(list(values), ())
        for (name, line), marker in zip(values.items(), MARKERS, strict=False):
            ax.plot(line, marker=marker, ms=3.5, label=name, color=colours[name])
        ax.set_xticks(range(len(places)), list(map(str, places)), rotation=30)
        ax.set(title=title, xlabel=xlabel, ylim=limits)
        ax.grid(alpha=0.3)
    for row in axes:
        row[0].set_ylabel(ylabel)
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def agreement(matrices: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    """Draw the mean rank correlation of every two methods' maps, one matrix per network."""
    # A row or a column needs room for its name; names of rows stand at the left panel alone.
    side = max(0.14 * len(names), (TEXT_WIDTH - 1.3) / max(3, len(matrices)))
    fig, axes = plt.subplots(
        1,
        len(matrices),
        figsize=(TEXT_WIDTH, side + 2.1),
        squeeze=False,
        layout="constrained",
        sharey=True,
    )
    for ax, (network, matrix) in zip(axes[0], matrices.items(), strict=True):
        drawn = ax.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        ax.set_xticks(range(len(names)), names, rotation=90)
        ax.set_yticks(range(len(names)), names)
        ax.set_title(network)
    fig.colorbar(drawn, ax=axes, location="bottom", shrink=0.5, aspect=30)
    return fig


def outline_rows(
    heats: Mapping[str, torch.Tensor], pixels: np.ndarray, chosen: Sequence[int]
) -> tuple[list[str], list[list[tuple[np.ndarray, np.ndarray, str]]]]:
    """Return column titles and, for each chosen picture, its outlines from every map, both ways."""
    rows = []
    for i in chosen:
        picture, row = pixels[i], []
        for maps in heats.values():
            heat = maps[i].numpy()
            row += [(picture, by_threshold(heat), ""), (picture, by_colour(picture, heat), "")]
        rows.append(row)
    titles = {"gradient": "gradient", "grad_cam": "Grad-CAM"}
    heads = [f"{titles[name]}, {way}" for name in heats for way in ("threshold", "colours")]
    return heads, rows


def outlines(
    rows: Sequence[Sequence[tuple[np.ndarray, np.ndarray | None, str]]],
    boxes: Sequence[tuple[int, int, int, int]],
    columns: Sequence[str],
) -> Figure:
    """Draw pictures with the outline of a mask in orange and the true box in blue.

    A cell holds a picture (H, W, 3), a mask (H, W) or None, and a line of text.
    """
    width = TEXT_WIDTH / len(columns)
    size = (TEXT_WIDTH, (width + 0.15) * len(rows) + 0.2)
    fig, axes = plt.subplots(
        len(rows), len(columns), figsize=size, squeeze=False, layout="constrained"
    )
    for line, row, box in zip(axes, rows, boxes, strict=True):
        for ax, (picture, mask, text) in zip(line, row, strict=True):
            figures.draw_cell(ax, (picture, text), _draw, DROP)
            left, top, right, bottom = box
            corner, sides = (left, top), (right - left - 1, bottom - top - 1)
            ax.add_patch(Rectangle(corner, *sides, fill=False, ec=PALETTE[0], lw=1.2))
            if mask is not None and mask.any() and not mask.all():
                ax.contour(mask, levels=[0.5], colors=[PALETTE[1]], linewidths=1.2)
    for ax, title in zip(axes[0], columns, strict=True):
        ax.set_title(title, fontsize=8)
    return fig
