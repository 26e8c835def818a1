"""Figures of chapter 2: arrays in, a Figure out, nothing saved."""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from skimage.filters import gaussian

from .. import figures
from ..figures import PALETTE, TEXT_WIDTH
from .localisation import Box
from .methods import CONTROLS

PRINTED = 8.2
"""Size of letters in print, in points."""
MARKERS = "os^Dv<>pXh*"
Panel = tuple[str, np.ndarray]
"""A title, and a picture (H, W, 3) or a map (H, W)."""


def pixels(picture: torch.Tensor) -> np.ndarray:
    """Return a picture (3, H, W) or (1, 3, H, W) in [0, 1] as an array (H, W, 3)."""
    flat = picture.detach().cpu().squeeze(0) if picture.ndim == 4 else picture.detach().cpu()
    return flat.permute(1, 2, 0).clamp(0, 1).numpy()


def overlay(picture: torch.Tensor, heat: torch.Tensor) -> np.ndarray:
    """Return a picture under the smoothed strength of a map: what is strong keeps its light.

    The map's absolute values are blurred by two per cent of the side, so that single grains do not
    hide where they are dense; yellow marks the strongest.
    """
    values = gaussian(heat.detach().abs().cpu().float().numpy(), 0.02 * min(heat.shape))
    values -= values.min()  # what all pixels have says nothing of any
    values = values / max(float(np.quantile(values, 0.995)), 1e-12)
    strength = values.clip(0, 1)[..., None]
    colours = plt.get_cmap("inferno")(strength[..., 0])[..., :3]
    shown = pixels(picture).mean(2, keepdims=True) * np.ones(3)
    return (0.5 * shown + 0.5 * strength * colours + 0.3 * strength * shown).clip(0, 1)


def draw(ax: Axes, content: np.ndarray) -> None:
    """Draw a picture, or a map: one-sided in greys from its lowest value, two-sided in blue, red.

    The top percent of a map saturates.
    """
    if content.ndim == 3:
        ax.imshow(content)
        return
    top = max(float(np.quantile(np.abs(content), 0.99)), 1e-12)
    signed, low = content.min() < -0.05 * top, float(content.min())
    ax.imshow(content, cmap="RdBu_r" if signed else "gray", vmin=-top if signed else low, vmax=top)


def panels(rows: Sequence[Sequence[Panel]], width: float = 2.35) -> Figure:
    """Draw rows of titled pictures and maps, ``width`` inches each: 225 pixels on a screen.

    Titles are large enough to be read where the whole figure is as wide as the report's text.
    """
    columns = max(map(len, rows))
    size = max(9.0, PRINTED * width * columns / TEXT_WIDTH)
    room = int(72 * width / (0.56 * size))
    wrapped = [[(textwrap.fill(text, room), content) for text, content in row] for row in rows]
    heights = [
        width + 0.08 + 1.35 * size / 72 * (1 + max(text.count("\n") for text, _ in row))
        for row in wrapped
    ]
    close = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    fig, axes = plt.subplots(
        len(rows), columns, figsize=(width * columns, sum(heights)), squeeze=False, layout=close
    )
    for line, row in zip(axes, wrapped, strict=True):
        for ax in line:
            ax.set_axis_off()
        for ax, (title, content) in zip(line, row, strict=False):
            draw(ax, content)
            ax.set_title(title, fontsize=size, pad=3)
    return fig


def row(title: str, picture: torch.Tensor, maps: Mapping[str, torch.Tensor]) -> list[Panel]:
    """Return panels: a picture, and each map under its title, alone and on the picture."""
    found: list[Panel] = [(title, pixels(picture))]
    for name, heat in maps.items():
        found += [(name, heat.detach().cpu().numpy()), ("on the picture", overlay(picture, heat))]
    return found


def show(
    picture: torch.Tensor, maps: Mapping[str, torch.Tensor], caption: str, alt: str
) -> figures.Shown:
    """Show a picture beside each map, alone and on the picture; nothing is kept.

    ``maps`` go by their titles; ``alt`` says in words what is seen.
    """
    rows = [row("the picture", picture, {name: heat}) for name, heat in maps.items()]
    return figures.shown(panels(rows), caption, alt)


def strip(maps: Mapping[str, torch.Tensor], caption: str, alt: str) -> figures.Shown:
    """Show maps in one row, under their titles; nothing is kept."""
    row = [(title, heat.detach().cpu().numpy()) for title, heat in maps.items()]
    return figures.shown(panels([row]), caption, alt)


def outlined(
    cells: Sequence[tuple[str, torch.Tensor, np.ndarray, Box]], caption: str, alt: str
) -> figures.Shown:
    """Show pictures with the outline of a mask (orange) and the box drawn by hand (blue)."""
    fig = panels([[(title, pixels(picture)) for title, picture, _, _ in cells]])
    for ax, (_, _, mask, (left, top, right, bottom)) in zip(fig.axes, cells, strict=True):
        corner, sides = (left, top), (right - left - 1, bottom - top - 1)
        ax.add_patch(Rectangle(corner, *sides, fill=False, ec=PALETTE[5], lw=2))
        ax.contour(mask, levels=[0.5], colors=[PALETTE[4]], linewidths=1.6)
    return figures.shown(fig, caption, alt)


def lines(
    frame: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    labels: tuple[str, str],
    limits: tuple[float, float],
) -> Figure:
    """Draw the mean of ``y`` over ``x``, a line with markers for each ``hue``; controls dashed."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 3.3))
    table = frame.pivot_table(y, x, hue, sort=False)
    for i, name in enumerate(table.columns):
        colour, marker = PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)]
        kind = "--" if name in CONTROLS else "-"
        ax.plot(table.index, table[name], kind, ms=4.5, label=name, color=colour, marker=marker)
    ax.set(xlabel=labels[0], ylabel=labels[1], ylim=limits)
    ax.grid(alpha=0.3)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def spread(
    frame: pd.DataFrame, value: str, label: str, limits: tuple[float, float], chance: float | None
) -> Figure:
    """Draw ``value`` by method: a dot per case, the mean as a bar; controls stand below in grey."""
    order = frame.groupby("method")[value].mean().sort_values(ascending=False).index
    order = [m for m in order if m not in CONTROLS] + [m for m in order if m in CONTROLS]
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 0.29 * len(order) + 0.7))
    for row, name in enumerate(order):
        found = frame.loc[frame["method"] == name, value].to_numpy()
        # The golden ratio spreads dots evenly without chance.
        height = row + 0.5 * ((np.arange(len(found)) * 0.618) % 1 - 0.5)
        colour = "#777777" if name in CONTROLS else PALETTE[0]
        ax.plot(found, height, "o", ms=3.5, alpha=0.6, color=colour, mew=0)
        ax.plot([found.mean()] * 2, [row - 0.38, row + 0.38], color=PALETTE[1], lw=2.2)
    if chance is not None:
        ax.axvline(chance, color="0.4", ls=":", lw=1)
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel=label, ylim=(len(order) - 0.5, -0.5), xlim=limits)
    ax.grid(axis="x", alpha=0.3)
    return fig
