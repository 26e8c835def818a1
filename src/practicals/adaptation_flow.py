"""The diagram of chapter 5: what flows through the gradient reversal layer, and which way."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import PALETTE, TEXT_WIDTH


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
