"""The house style of figures, their registry, and the one function that saves them.

A saved figure carries the profile and the hash of the notebook it comes from, so that ``check``
can tell whether it is the published one and whether it is still current.
"""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from practicals import fingerprint, paths, profile
from practicals.atomic import atomic_path
from practicals.catalogue import FIGURES, UnknownFigure, formats_of, read_stamp

__all__ = ["FIGURES", "UnknownFigure", "formats_of", "read_stamp", "save", "save_frames", "style"]

TEXT_WIDTH = 6.3
"""Width of the report's text, in inches; a figure of this width is printed at its own size."""
DPI = 150
HEAVY = 1_000_000
"""Bytes above which a figure is too heavy for a repository."""
# Okabe and Ito's palette, told apart by colour-blind readers; the strongest contrasts first.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


def style() -> None:
    """Set matplotlib's defaults to the house style: sizes legible at print width, clear colours."""
    mpl.rcParams.update(
        {
            "figure.figsize": (TEXT_WIDTH, 3.2),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "savefig.dpi": DPI,
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.labelsize": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.fontsize": 8,
            "legend.frameon": False,
            "axes.prop_cycle": mpl.cycler(color=PALETTE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "lines.linewidth": 1.4,
            "image.cmap": "viridis",
            "pdf.fonttype": 42,
        }
    )


def save(fig: Figure, name: str, formats: Sequence[str] | None = None) -> None:
    """Write ``fig`` as ``<name>.<format>`` into the profile's folder of figures.

    The formats are the registered ones; ``formats``, if given, must agree with them. In the sample
    profile a small grey "sample" is drawn in the corner. Raises UnknownFigure.
    """
    registered = formats_of(name)
    if formats is not None and set(formats) != set(registered):
        raise ValueError(f"{name!r} is registered as {registered}, not {tuple(formats)}")
    for suffix in registered:
        if suffix != "gif":
            _write(name, suffix, _drawn(fig, suffix, _stamp(FIGURES[name])))


def save_frames(frames: Sequence[np.ndarray], name: str, frame_ms: int = 100) -> None:
    """Write ``frames``, uint8 arrays of shape (H, W, 3), as the registered animation ``name``.

    A frame lasts ``frame_ms`` milliseconds and the animation repeats. Raises UnknownFigure.
    """
    if "gif" not in formats_of(name):
        raise ValueError(f"{name!r} is registered as {formats_of(name)}, not as a gif")
    first, *others = (Image.fromarray(frame).quantize(128) for frame in frames)
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": others, "duration": frame_ms, "loop": 0}
    first.save(buffer, "gif", comment=_stamp(FIGURES[name]).encode(), **options)
    _write(name, "gif", buffer.getvalue())


def _stamp(stem: str) -> str:
    name = profile.current().name
    return f"practicals profile={name} code={fingerprint.of_stem(stem, name)}"


def _drawn(fig: Figure, suffix: str, stamp: str) -> bytes:
    mark = None
    if profile.current().name == "sample":
        mark = fig.text(0.997, 0.003, "sample", color="0.6", size=7, ha="right", va="bottom")
    buffer = io.BytesIO()
    # No date and no version: the same figure gives the same bytes.
    silent = {"CreationDate": None, "Creator": None, "Producer": None}
    facts = {**silent, "Keywords": stamp} if suffix == "pdf" else {"Software": None}
    try:
        fig.savefig(buffer, format=suffix, dpi=DPI, metadata=facts)
    finally:
        if mark is not None:
            mark.remove()
    return _packed_png(buffer, stamp) if suffix == "png" else buffer.getvalue()


def _packed_png(buffer: io.BytesIO, stamp: str) -> bytes:
    """Drop the alpha channel, compress well, and add the stamp as text."""
    facts, out = PngInfo(), io.BytesIO()
    facts.add_text("practicals", stamp)
    Image.open(buffer).convert("RGB").save(out, "png", optimize=True, pnginfo=facts, dpi=(DPI, DPI))
    return out.getvalue()


def _write(name: str, suffix: str, content: bytes) -> None:
    folder = paths.figures_dir(profile.current().name)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / f"{name}.{suffix}") as partial:
        Path(partial).write_bytes(content)
    if len(content) > HEAVY:
        size = len(content) / 1e6
        warnings.warn(
            f"{name}.{suffix} is {size:.1f} MB: draw fewer or smaller pictures, or register it as "
            "RASTER",
            stacklevel=3,
        )
