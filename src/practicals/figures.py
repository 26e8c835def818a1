"""The house style of figures, drawings that chapters share, and a Figure as bytes."""

import html
import io
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image
from skimage.util import montage

TEXT_WIDTH = 6.3
"""Width of the report's text, in inches; a figure of this width is printed at its own size."""
DPI = 240
"""Twice the resolution at which a notebook shows a figure: sharp on screens of both kinds."""
RASTER_DPI, QUALITY = 160, 70
"""Of JPEG, in which figures of photographs and maps are kept, so that a notebook stays below its
limit; lines stay PNG."""
SCREEN_DPI, SHOWN_DPI, SHOWN_QUALITY = 96, 144, 80
# Okabe and Ito's palette, told apart by colour-blind readers; the strongest contrasts first.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")

Titled = tuple[np.ndarray, str]
Cell = np.ndarray | Titled | None
"""What a grid shows in one place: a picture or a map, with a text below it, or nothing."""
Draw = Callable[[Axes, np.ndarray], object]


def style() -> None:
    """Set matplotlib's defaults to the house style: sizes legible at print width, clear colours."""
    mpl.rcParams.update(
        {
            "figure.figsize": (TEXT_WIDTH, 3.2),
            "figure.dpi": DPI / 2,
            "figure.constrained_layout.use": True,
            "savefig.dpi": DPI,
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.labelsize": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.fontsize": 8,
            "legend.frameon": False,
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "lines.linewidth": 1.4,
            "image.cmap": "viridis",
            "pdf.fonttype": 42,
        }
    )


def as_bytes(fig: Figure, suffix: str, mark: str = "") -> bytes:
    """Return a figure as the content of a ``pdf``, ``png`` or ``jpg`` file.

    ``mark`` is written small and grey in the corner. The same figure gives the same bytes: no date
    and no version are written.
    """
    text = fig.text(0.997, 0.003, mark, color="0.6", size=7, ha="right", va="bottom")
    buffer = io.BytesIO()
    facts = {"CreationDate": None, "Creator": None, "Producer": None}
    try:
        if suffix == "pdf":
            fig.savefig(buffer, format="pdf", metadata=facts)
            return buffer.getvalue()
        dpi = DPI if suffix == "png" else RASTER_DPI
        fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    finally:
        text.remove()
    options = {"optimize": True} if suffix == "png" else {"quality": QUALITY}
    out = io.BytesIO()
    picture = Image.open(buffer).convert("RGB")
    if suffix == "png":
        # Lines have few colours: a palette keeps them and a third of the bytes.
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(out, "png" if suffix == "png" else "jpeg", dpi=(dpi, dpi), **options)
    return out.getvalue()


class Shown:
    """A picture in a notebook, with its caption below and a text for those who cannot see it."""

    def __init__(self, data: bytes, kind: str, width: int, caption: str, alt: str) -> None:
        self.picture = {"data": data, "format": kind, "width": width, "alt": alt}
        self.caption = caption

    def _ipython_display_(self) -> None:
        from IPython.display import Image, display  # here: only notebooks have it

        display(Image(**self.picture))
        below = f'<p class="caption"><em>{html.escape(self.caption, quote=False)}</em></p>'
        display({"text/html": below, "text/plain": self.caption}, raw=True)


def shown(fig: Figure, caption: str, alt: str) -> Shown:
    """Return a figure as a notebook shows it; it is closed and kept nowhere.

    Lines and maps become a PNG of few colours, figures with photographs a JPEG without halved
    chroma, which would turn red and blue grains violet.
    """
    photo = any(
        np.ndim(np.asarray(image.get_array())) == 3 for ax in fig.axes for image in ax.images
    )
    has_pictures = any(ax.images for ax in fig.axes)
    dpi, buffer, out = SHOWN_DPI if has_pictures else DPI, io.BytesIO(), io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi)
    plt.close(fig)
    picture = Image.open(buffer).convert("RGB")
    if photo:
        picture.save(out, "jpeg", quality=SHOWN_QUALITY, subsampling=0)
    else:
        picture.quantize(256, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    width = round(picture.width * SCREEN_DPI / dpi)
    return Shown(out.getvalue(), "jpeg" if photo else "png", width, caption, alt)


def animation(frames: Sequence[np.ndarray], frame_ms: int = 100) -> bytes:
    """Return ``frames``, uint8 arrays of shape (H, W, 3), as a GIF that repeats."""
    first, *others = (Image.fromarray(frame).quantize(128) for frame in frames)
    buffer = io.BytesIO()
    first.save(buffer, "gif", save_all=True, append_images=others, duration=frame_ms, loop=0)
    return buffer.getvalue()


def draw_picture(ax: Axes, pixels: np.ndarray, title: str = "", **keywords: Any) -> None:
    """Draw pixels without axes, under a title."""
    ax.imshow(pixels, **keywords)
    ax.set_title(title)
    ax.set_axis_off()


def draw_cell(ax: Axes, cell: Cell, draw: Draw, drop: float = 0.03) -> None:
    """Draw one cell without axes, its array by ``draw``, its text ``drop`` heights below."""
    array, text = cell if isinstance(cell, tuple) else (cell, "")
    if array is not None:
        draw(ax, array)
    ax.text(0.5, -drop, text, transform=ax.transAxes, ha="center", va="top", fontsize=8)
    ax.set(xticks=(), yticks=())
    ax.spines[:].set_visible(False)


def grid(
    cells: Sequence[Sequence[Cell]],
    size: tuple[float, float],
    draw: Draw,
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
    text_size: float = 8,
    drop: float = 0.03,
) -> Figure:
    """Draw rows of cells close together (see ``draw_cell``), with titles of columns and rows.

    ``size`` is the figure's, in inches; ``text_size`` that of the columns' titles, in points.
    """
    close = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    fig, axes = plt.subplots(len(cells), len(cells[0]), figsize=size, squeeze=False, layout=close)
    for ax, cell in zip(axes.flat, chain.from_iterable(cells), strict=True):
        draw_cell(ax, cell, draw, drop)
    for ax, title in zip(axes[0], columns, strict=False):
        ax.set_title(title, fontsize=text_size, pad=3)
    for ax, title in zip(axes[:, 0], rows, strict=False):
        ax.set_ylabel(title, fontsize=8)
    return fig


def stretch(maps: np.ndarray) -> np.ndarray:
    """Return maps (k, h, w), each stretched to [0, 1]."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return (maps - low) / np.maximum(high - low, 1e-9)


def mosaic(tiles: np.ndarray, gap: int = 2) -> np.ndarray:
    """Arrange tiles (k, h, w) or (k, h, w, 3) in [0, 1] in one square white-ruled grid."""
    columns = int(np.ceil(np.sqrt(len(tiles))))
    colour = {"fill": (1, 1, 1), "channel_axis": -1} if tiles.ndim == 4 else {"fill": 1}
    shape = (-(-len(tiles) // columns), columns)
    framed = montage(tiles.astype(np.float32), grid_shape=shape, padding_width=gap, **colour)
    return framed[gap : len(framed) - gap, gap : framed.shape[1] - gap]


def examples(pictures: Sequence[np.ndarray], names: Sequence[str], columns: int = 5) -> Figure:
    """Draw labelled pictures in a grid."""
    rows = -(-len(pictures) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(TEXT_WIDTH, 1.35 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, picture, name in zip(axes.flat, pictures, names, strict=False):
        draw_picture(ax, picture, name)
    return fig
