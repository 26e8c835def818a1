"""Figures and frames of chapter 4: arrays in, a Figure or frames out, nothing saved."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from .. import figures
from ..figures import PALETTE, TEXT_WIDTH, Cell
from .ascent import Watch

MARKERS = "os^Dv<>p"
WIDEST = 1.2
"""Of one picture in a grid, in inches: small pictures gain nothing by more."""


def as_pixels(x: torch.Tensor) -> np.ndarray:
    """Return pictures (n, 3, H, W) in [0, 1] as uint8 (n, H, W, 3)."""
    return (x.detach().cpu().clamp(0, 1) * 255).round().byte().movedim(-3, -1).numpy()


def _draw(ax: Axes, content: np.ndarray) -> None:
    ax.imshow(content, cmap="viridis", interpolation="nearest")


def grid(
    cells: Sequence[Sequence[Cell]],
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
    widest: float = WIDEST,
) -> Figure:
    """Draw pictures (H, W, 3) in rows, at most ``widest`` inches each; a cell may carry text."""
    width = min(TEXT_WIDTH / len(cells[0]), widest)
    texts = [cell[1] for row in cells for cell in row if isinstance(cell, tuple)]
    below = max((text.count("\n") + 1 for text in texts), default=0)
    size = (width * len(cells[0]), (width + 0.14 * below) * len(cells) + 0.25)
    return figures.grid(cells, size, _draw, columns, rows)


def stacks(films: Mapping[str, np.ndarray], names: Sequence[str], columns: int) -> Figure:
    """Draw the pictures of each class one above the other, ``columns`` classes in a line.

    ``films`` maps the title of a row to its pictures (classes, H, W, 3).
    """
    cells: list[list[Cell]] = []
    for begin in range(0, len(names), columns):
        part = range(begin, min(begin + columns, len(names)))
        blank = [None] * (columns - len(part))
        for number, film in enumerate(films.values(), 1):
            named = number == len(films)
            row = [(film[i], fill(names[i], 14)) if named else film[i] for i in part]
            cells.append([*row, *blank])
    return grid(cells, (), list(films) * (len(cells) // len(films)))


def show(x: torch.Tensor, titles: Sequence[str] = ()) -> None:
    """Show pictures (n, 3, H, W) in [0, 1] side by side; nothing is kept."""
    width = min(TEXT_WIDTH, 2.2 * len(x))
    _, axes = plt.subplots(1, len(x), figsize=(width, width / len(x) + 0.25), squeeze=False)
    for ax, picture in zip(axes[0], as_pixels(x), strict=True):
        figures.draw_cell(ax, picture, _draw)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title)


def effects(panels: Mapping[str, Mapping[str, tuple[float, float]]], ylabel: str) -> Figure:
    """Draw one panel per setting: mean and standard error at each of its values, on a log axis."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(TEXT_WIDTH, 1.9 * rows + 0.2), squeeze=False, sharey=True
    )
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (title, values) in zip(axes.flat, panels.items(), strict=False):
        means, errors = zip(*values.values(), strict=True)
        ax.errorbar(range(len(values)), means, yerr=errors, fmt="o-", ms=4, capsize=3)
        ax.set_xticks(range(len(values)), list(values))
        ax.set(title=title, xlim=(-0.4, len(values) - 0.6), yscale="log")
        ax.grid(axis="y", alpha=0.3)
    for line in axes:
        line[0].set_ylabel(ylabel)
    return fig


def over_steps(
    panels: Mapping[str, Mapping[str, tuple[Sequence[int], np.ndarray, np.ndarray]]],
) -> Figure:
    """Draw one panel per score, one line per recipe over its steps, with standard errors."""
    fig, axes = plt.subplots(
        1, len(panels), figsize=(TEXT_WIDTH, 2.9), squeeze=False, layout="constrained"
    )
    for ax, (title, lines) in zip(axes[0], panels.items(), strict=True):
        marked = zip(lines.items(), MARKERS, PALETTE, strict=False)
        for (name, (steps, means, errors)), marker, colour in marked:
            ax.errorbar(
                steps, means, yerr=errors, marker=marker, ms=4, color=colour, label=name, capsize=2
            )
        ax.set(title=title, xlabel="steps", xscale="log", ylim=(0, None))
        ax.grid(alpha=0.3)
    # Above the panels: inside, it would lie on an error bar.
    handles, titles = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, titles, loc="outside upper center", ncols=len(titles))
    return fig


def spreads(values: Mapping[str, np.ndarray], xlabel: str, log: bool = False) -> Figure:
    """Draw a row of dots per name, a dot per picture, its mean as a bar, its median as a ring."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 0.33 * len(values) + 0.7))
    for row, found in enumerate(values.values()):
        # The golden ratio spreads dots evenly without chance.
        height = row + 0.5 * ((np.arange(len(found)) * 0.618) % 1 - 0.5)
        ax.plot(found, height, ".", ms=5, alpha=0.6, color=PALETTE[0], mew=0)
        ax.plot([np.mean(found)] * 2, [row - 0.38, row + 0.38], color=PALETTE[1], lw=2)
        ax.plot(np.median(found), row, "o", ms=8, mfc="none", mec="black", mew=1.2)
    ax.set_yticks(range(len(values)), list(values))
    ax.set(xlabel=xlabel, ylim=(len(values) - 0.5, -0.5))
    if log:
        ax.set_xscale("log")
    ax.grid(axis="x", alpha=0.3)
    return fig


def enlarged(frame: np.ndarray, factor: int) -> np.ndarray:
    """Return a picture (H, W, 3) with every pixel ``factor`` times as wide and high."""
    return frame.repeat(factor, 0).repeat(factor, 1)


def labelled(frame: np.ndarray, text: str, height: int = 14) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 with a line of text below it, on white."""
    below = Image.new("RGB", (frame.shape[1], height), "white")
    ImageDraw.Draw(below).text((2, 1), text, fill="black")
    return np.concatenate([frame, np.asarray(below)])


def spread_out(count: int, most: int) -> list[int]:
    """Return at most ``most`` places from 0 to ``count`` - 1, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(most, count))})


def frames(
    films: Sequence[np.ndarray],
    labels: Sequence[Sequence[str]],
    factor: int = 2,
    gap: int = 4,
    hold: int = 4,
) -> list[np.ndarray]:
    """Return the frames of several films (steps, H, W, 3) uint8 side by side, the last one held.

    ``labels`` holds, per film, the text below each of its frames.
    """
    found = []
    for step in range(len(films[0])):
        pairs = zip(films, labels, strict=True)
        tiles = [labelled(enlarged(film[step], factor), text[step]) for film, text in pairs]
        bar = np.full((tiles[0].shape[0], gap, 3), 255, np.uint8)
        row = [tiles[0]]
        for tile in tiles[1:]:
            row += [bar, tile]
        found.append(np.concatenate(row, 1))
    return found + [found[-1]] * hold


def strip(films: Mapping[str, np.ndarray], steps: Sequence[int], most: int = 7) -> Figure:
    """Draw films (steps, H, W, 3) as rows of at most ``most`` frames: the still of an animation."""
    places = spread_out(len(steps), most)
    cells = [[film[i] for i in places] for film in films.values()]
    return grid(cells, [f"step {steps[i]}" for i in places], list(films))


def live(every: int = 10, most: int = 4) -> Watch:
    """Return a watcher that shows the first pictures of a running ascent in a notebook.

    The display is renewed at each ``every``-th step; nothing is shown where there is no notebook.
    """
    from IPython.display import display  # here: only notebooks have it

    handle = display(display_id=True)

    def watch(step: int, x: torch.Tensor) -> None:
        if handle is None or step % every:
            return
        fig = grid([[(pixels, f"step {step}") for pixels in as_pixels(x[:most])]])
        handle.update(fig)
        plt.close(fig)

    return watch
