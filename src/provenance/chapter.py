"""What a notebook hands over: tables, figures, claims and single values, under its chapter's name.

Re-running a cell overwrites. Everything stays in memory until ``close``, which rendering calls: a
failed run leaves the old files whole, and a session never writes over what is published.
"""

import io
import json
import os
import platform
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image as Pixels

from . import claims, codehash, format, project
from .format import Estimate
from .project import ProvenanceError

NAME = re.compile(r"(?!claims$)[a-z0-9]+([-_][a-z0-9]+)*")
CLAIMS = r"rp{0.44\linewidth}p{0.34\linewidth}l"
VERSIONS = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas")
DPI, PHOTO_DPI, QUALITY, FRAME_MS = 240, 150, 80, 100
"""Lines at twice a screen's resolution; photographs and maps, as JPEG, at 1.25 times."""
STAGING = "PROVENANCE_STAGING"
"""The variable by which ``render`` tells its kernel where a run writes; nobody else sets it."""
_open: dict[str, "Chapter"] = {}


class Shown:
    """What a notebook displays: a table, or a picture with its caption below."""

    def __init__(self, html: str, text: str, picture: dict[str, Any] | None = None) -> None:
        self.html, self.text, self.picture = html, text, picture

    def _ipython_display_(self) -> None:
        from IPython.display import Image, display  # here: only notebooks have it

        if self.picture:
            display(Image(**self.picture))
        display({"text/html": self.html, "text/plain": self.text}, raw=True)


class Chapter:
    """The tables, figures, claims and values of the notebook ``stem`` under one profile.

    ``profile`` is by default the environment's ``PROFILE``. Shown last in a cell it says which
    profile runs, and outside the published one that the text describes another run.
    """

    def __init__(self, stem: str, profile: str | None = None) -> None:
        self.stem, self.profile = stem, project.profile(profile)
        self.is_published = self.profile == project.current().published
        os.environ["PROFILE"] = self.profile  # other processes follow the notebook
        self.tables: dict[str, pd.DataFrame] = {}
        self.values: dict[str, Estimate] = {}
        self.claims: dict[str, claims.Claim] = {}
        self.captions: dict[str, dict[str, str]] = {}
        self.figures: dict[str, tuple[str, bytes]] = {}
        self._times: Counter[str] = Counter()
        _open[stem] = self

    def __repr__(self) -> str:
        note = (
            f" Note: {project.current().readings}; what is shown below is smaller and may differ."
        )
        return f"Profile {self.profile}, {platform.machine()}.{'' if self.is_published else note}"

    @property
    def folder(self) -> Path:
        """Where this run writes; networks that it keeps go to ``models`` below it."""
        here = project.current()
        free = here.root / "build/interactive" if self.is_published else here.output(self.profile)
        return Path(os.environ.get(STAGING) or free)

    @property
    def models(self) -> Path:
        """The folder of the networks that this chapter keeps; files there are vouched for."""
        found = self.folder / project.current().models
        found.mkdir(parents=True, exist_ok=True)
        return found

    def table(self, name: str, frame: pd.DataFrame, caption: str) -> Shown:
        r"""Keep a table, whose cells are estimates, numbers or text; return it to be shown.

        ``caption`` says what is counted and which spread is shown. The index (without one: the
        first column) and the columns name the numbers: ``\val{stem/name/row/column}``. Outside the
        published profile one more column has the published numbers of each row.
        """
        self._named(name, caption)
        if frame.empty:
            raise ProvenanceError(f"table {name!r} has no rows or no columns")
        format.cells(name, frame)
        self.tables[name], self.captions[name] = frame.copy(), {"caption": caption}
        shown = frame if self.is_published else self._beside(name, frame)
        return Shown(format.html_table(shown, caption), f"{caption}\n{shown.map(format.text)}")

    def _beside(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with one more column: the published numbers of its rows."""
        known = published(self.stem).get("cells", {})
        found: list[list[str]] = [[] for _ in range(len(frame))]
        for row, named, _ in format.places(name, frame):
            found[row] += [str(Estimate(**known[named]))] if named in known else []
        column = [" / ".join(texts) or None for texts in found]
        return frame.assign(published=column) if any(found) else frame

    def figure(
        self, name: str, fig: Figure | Sequence[np.ndarray], caption: str, alt: str
    ) -> Shown:
        """Keep a figure, and return it as the notebook shows it: with its caption below.

        Lines are kept as PDF, figures of pictures alone as JPEG; frames, uint8 (H, W, 3), as a
        WebP animation. ``alt`` says in words what is seen. The figure is closed.
        """
        self._named(name, caption, alt)
        mark = "" if self.is_published else self.profile
        kind, data, shown = drawn(fig, mark) if isinstance(fig, Figure) else animated(fig)
        self.figures[name] = f"figures/{self.stem}-{name}.{kind}", data
        self.captions[name] = {"caption": caption, "alt": alt}
        below = f'<p class="caption"><em>{format.to_html(caption)}</em></p>'
        return Shown(below, caption, shown | {"alt": alt})

    def claim(
        self, name: str, sentence: str, test: Any, published: str | None = None
    ) -> claims.Claim:
        """Keep a conclusion with the test it stands on; return it to be shown.

        The test states its direction; what comes out is supported, refuted or undecided. What is
        returned shows its own p: those of a chapter are corrected together when it is closed.
        """
        self._named(name, sentence)
        self.claims[name] = claims.make(name, sentence, test, published)
        return self.claims[name]

    def value(self, name: str, x: Any, n: int | None = None, **facts: Any) -> Estimate:
        r"""Keep a number that stands in no table, for ``\val{stem/name}``; return it.

        ``facts`` are those of ``Estimate``: spread, spread_of, unit.
        """
        self._named(name)
        self.values[name] = x if isinstance(x, Estimate) else Estimate(x, n=n, **facts)
        return self.values[name]

    def _named(self, name: str, *texts: str) -> None:
        if not NAME.fullmatch(name):
            raise ProvenanceError(
                f"{name!r}: expected a-z, 0-9, and - or _ between them, and not 'claims'"
            )
        if not all(text.strip() for text in texts):
            raise ProvenanceError(f"{name!r}: say what it shows (caption) and what is seen (alt)")
        self._times[name] += 1

    def close(self, strict: bool = False) -> str:
        """Write what was handed over, each file completely or not at all; return a line about it.

        ``strict``, as rendering has it, refuses a name that two cells have used.
        """
        if strict and (twice := [name for name, times in self._times.items() if times > 1]):
            raise ProvenanceError(f"{self.stem}: two cells hand over the same name: {twice}")
        cells: dict[str, Estimate] = {}
        for name, frame in self.tables.items():
            cells |= format.cells(name, frame)
        corrected = claims.corrected(self.claims.values())
        generated = f"{project.current().report}/generated/{self.stem}"
        tex = self._tex(self.values | cells, corrected)
        files = {f"{generated}{name}.tex": words.encode() for name, words in tex.items()}
        files |= dict(self.figures.values())
        for name, data in files.items():
            project.write(self.folder / name, data)
        facts = {
            "stem": self.stem, "profile": self.profile, "code": code_of(self.stem, self.profile),
            "environment": environment(), "captions": self.captions,
            "values": {name: asdict(value) for name, value in self.values.items()},
            "cells": {name: asdict(cell) for name, cell in cells.items()},
            "claims": [claim.entry() for claim in corrected],
            "manifest": kept_elsewhere(self.folder)
            | {name: sha256(data).hexdigest() for name, data in files.items()},
        }  # fmt: skip
        # The JSON last: where it is new, so is all that it vouches for.
        text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
        project.write(self.folder / f"{generated}.json", f"{text}\n")
        return (f"{len(self.values) + len(cells)} numbers, {len(tex) - 1} tables, "
                f"{len(self.figures)} figures, {len(corrected)} claims")  # fmt: skip

    def _tex(self, numbers: dict[str, Estimate], found: Sequence[claims.Claim]) -> dict[str, str]:
        """Return what LaTeX reads, by what follows the stem: numbers, tables, table of claims."""
        numbered = {c.name: f"{self.stem.partition('-')[0]}.{i}" for i, c in enumerate(found, 1)}
        tex = {f"-{name}": format.tex_table(frame) for name, frame in self.tables.items()}
        rows = [(c.sentence, c.evidence(), c.outcome) for c in found]
        if rows:
            index = pd.Index(numbered.values(), name="")
            frame = pd.DataFrame(rows, index, ["claim", "evidence", "outcome"])
            tex["-claims"] = format.tex_table(frame, CLAIMS)
        return tex | {"": format.macros(self.stem, numbers, numbered)}


def close_all() -> None:
    """Close the chapters of this kernel; ``render`` has it run after the last cell."""
    for book in _open.values():
        print(book.close(strict=True))


def code_of(stem: str, profile: str) -> str:
    """Return the hash of a notebook's code, or ``unknown`` for a student's copy that has none."""
    try:
        return codehash.notebook_hash(project.current().notebooks() / f"{stem}.ipynb", profile)
    except (FileNotFoundError, ProvenanceError):
        return "unknown"


def kept_elsewhere(folder: Path) -> dict[str, str | None]:
    """Return the hashes of a run's networks, and of the lock file that names its versions."""
    here = project.current()
    models = sorted((folder / here.models).glob("[!.]*")) if os.environ.get(STAGING) else []
    found = {f"{here.models}/{path.name}": project.sha256_of(path) for path in models}
    return found | {here.lock: project.sha256_of(here.root / here.lock)}


def environment() -> dict[str, str]:
    """Return where a run took place: processor, Python, and the versions that numbers depend on."""
    found = {d.name: d.version for d in metadata.distributions() if d.name in VERSIONS}
    return {"machine": platform.machine(), "python": platform.python_version(), **found}


def published(stem: str) -> dict[str, Any]:
    """Return what a chapter has published, empty where there is nothing that can be read."""
    path = project.current().generated(project.current().published) / f"{stem}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def drawn(fig: Figure, mark: str = "") -> tuple[str, bytes, dict[str, Any]]:
    """Return a figure's suffix, its file, and what a notebook displays; the figure is closed.

    The same figure gives the same bytes: no date and no version are written.
    """
    axes = [ax for ax in fig.axes if ax.get_label() != "<colorbar>"]
    photo = axes and all(a.images and not (a.lines or a.collections or a.containers) for a in axes)
    dpi, png, pdf, out = PHOTO_DPI if photo else DPI, io.BytesIO(), io.BytesIO(), io.BytesIO()
    corner = fig.text(0.997, 0.003, mark, color="0.6", size=7, ha="right", va="bottom")
    try:
        fig.savefig(png, format="png", dpi=dpi)
        undated = {"CreationDate": None, "Creator": None, "Producer": None}
        if not photo:
            fig.savefig(pdf, format="pdf", dpi=dpi, metadata=undated)
    finally:
        corner.remove()
        plt.close(fig)
    pixels = Pixels.open(png).convert("RGB")
    width = round(pixels.width * DPI / dpi / 2)
    if photo:
        # Halved chroma would turn red and blue grains violet.
        pixels.save(out, "jpeg", dpi=(dpi, dpi), quality=QUALITY, subsampling=0)
        kind, file = "jpg", out.getvalue()
    else:
        # Lines have few colours: a palette keeps them and a third of the bytes.
        pixels.quantize(256, dither=Pixels.Dither.NONE).save(out, "png", optimize=True)
        kind, file = "pdf", pdf.getvalue()
    form = "jpeg" if photo else "png"
    return kind, file, {"data": out.getvalue(), "format": form, "width": width}


def animated(frames: Sequence[np.ndarray]) -> tuple[str, bytes, dict[str, Any]]:
    """Return suffix and file of a WebP animation that repeats, and what a notebook displays."""
    if not len(frames) or any(f.dtype != np.uint8 or f.ndim != 3 for f in frames):
        raise ProvenanceError("expected a Figure, or frames: uint8 arrays of shape (H, W, 3)")
    first, *others = (Pixels.fromarray(frame) for frame in frames)
    out = io.BytesIO()
    options: dict[str, Any] = {"save_all": True, "append_images": others, "loop": 0}
    first.save(out, "webp", duration=FRAME_MS, quality=QUALITY, **options)
    return "webp", out.getvalue(), {"data": out.getvalue(), "format": "webp"}
