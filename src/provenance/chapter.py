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

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
DPI, PHOTO_DPI, QUALITY, FRAME_MS = 240, 192, 80, 100
"""Lines at twice a screen's resolution; photographs and maps, as JPEG, at 1.6 times."""
STAGING = "PROVENANCE_STAGING"
"""The variable by which ``render`` tells its kernel where a run writes; nobody else sets it."""
_open: dict[str, "Chapter"] = {}


class Shown:
    """Something that a notebook displays: HTML, or a picture with its caption below."""

    def __init__(self, html: str, text: str, picture: dict[str, Any] | None = None) -> None:
        self.html, self.text, self.picture = html, text, picture

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, Image, display  # here: only notebooks have it

        if self.picture:
            display(Image(**self.picture))
        display(HTML(self.html))

    def __repr__(self) -> str:
        return self.text


class Chapter:
    """The tables, figures, claims and values of the notebook ``stem`` under one profile.

    ``profile`` is by default the environment's ``PROFILE``. Shown last in a cell it says which
    profile runs, and outside the published one that the text describes another run.
    """

    def __init__(self, stem: str, profile: str | None = None) -> None:
        self.stem, self.profile = stem, project.profile(profile)
        os.environ["PROFILE"] = self.profile  # other processes follow the notebook
        self.tables: dict[str, pd.DataFrame] = {}
        self.values: dict[str, Estimate] = {}
        self.claims: dict[str, claims.Claim] = {}
        self.captions: dict[str, dict[str, str]] = {}
        self.drawn: dict[str, dict[str, bytes]] = {}
        self._times: Counter[str] = Counter()
        _open[stem] = self

    @property
    def folder(self) -> Path:
        """Where this run writes; networks that it keeps go to ``models`` below it."""
        here, staged = project.current(), os.environ.get(STAGING)
        free = here.root / "build" / "interactive"
        free = free if self.profile == here.published else here.output(self.profile)
        return Path(staged) if staged else free

    @property
    def models(self) -> Path:
        """The folder of the networks that this chapter keeps; files there are vouched for."""
        found = self.folder / project.current().models
        found.mkdir(parents=True, exist_ok=True)
        return found

    def table(self, name: str, frame: pd.DataFrame, caption: str) -> Shown:
        r"""Keep a table, whose cells are estimates, numbers or text; return it to be shown.

        ``caption`` says what is counted and which spread is shown. The index and the columns name
        the numbers: ``\val{stem/name/row/column}``. Outside the published profile one more column
        has the published numbers of each row.
        """
        self._named(name, caption)
        format.cells(name, frame)
        self.tables[name], self.captions[name] = frame.copy(), {"caption": caption}
        shown = frame if self.profile == project.current().published else self._beside(name, frame)
        return Shown(format.html_table(shown, caption), f"{caption}\n{format.as_text(shown)}")

    def _beside(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with one more column: the published numbers of its rows."""
        known = published(self.stem).get("cells", {})
        rows: dict[int, list[str]] = {}
        for i, _, named in format.places(name, frame):
            if named in known:
                rows.setdefault(i, []).append(str(Estimate(**known[named])))
        column = [" / ".join(rows.get(i, [])) or None for i in range(len(frame))]
        return frame.assign(published=column) if rows else frame

    def figure(
        self, name: str, fig: Figure | Sequence[np.ndarray], caption: str, alt: str
    ) -> Shown:
        """Keep a figure, and return it as the notebook shows it: with its caption below.

        Lines are kept as PDF, figures of pictures alone as JPEG; frames, uint8 (H, W, 3), as a
        WebP animation. ``alt`` says in words what is seen. The figure is closed.
        """
        self._named(name, caption, alt)
        mark = "" if self.profile == project.current().published else self.profile
        files, shown = drawn(fig, mark) if isinstance(fig, Figure) else animated(fig)
        self.drawn[name] = {f"{self.stem}-{name}.{kind}": data for kind, data in files.items()}
        self.captions[name] = {"caption": caption, "alt": alt}
        below = f'<p class="caption"><em>{format.to_html(caption)}</em></p>'
        return Shown(below, caption, shown | {"alt": alt})

    def claim(
        self, name: str, sentence: str, test: Any, published: str | None = None
    ) -> claims.Claim:
        """Keep a conclusion with the test it stands on; return it to be shown.

        The test states its direction; what comes out is supported, refuted or undecided. The
        p-values of a chapter are corrected together when it is closed: what is returned shows its
        own.
        """
        self._named(name, sentence)
        self.claims[name] = claims.make(name, sentence, test, published)
        return self.claims[name]

    def value(self, name: str, x: Any, n: int | None = None, **facts: Any) -> Estimate:
        r"""Keep a number that stands in no table, for ``\val{stem/name}``; return it.

        ``facts`` are those of ``Estimate``: spread, spread_of, unit.
        """
        self._named(name, "value")
        self.values[name] = x if isinstance(x, Estimate) else Estimate(x, n=n, **facts)
        return self.values[name]

    def _named(self, name: str, *texts: str) -> None:
        if not NAME.fullmatch(name):
            raise ProvenanceError(f"{name!r}: expected a name of a-z, 0-9 and single hyphens")
        if not all(text.strip() for text in texts):
            raise ProvenanceError(f"{name!r}: say what it shows (caption) and what is seen (alt)")
        self._times[name] += 1

    def numbers(self) -> dict[str, Estimate]:
        """Return all numbers by name: the values, and the cells of the tables."""
        found = dict(self.values)
        for name, frame in self.tables.items():
            found |= format.cells(name, frame)
        return found

    def close(self, strict: bool = False) -> str:
        """Write what was handed over, each file completely or not at all; return a line about it.

        ``strict``, as rendering has it, refuses a name that two cells have used.
        """
        if strict and (twice := [name for name, times in self._times.items() if times > 1]):
            raise ProvenanceError(f"{self.stem}: two cells hand over the same name: {twice}")
        files = {
            f"figures/{name}": data for some in self.drawn.values() for name, data in some.items()
        }
        corrected = claims.corrected(self.claims.values())
        numbered = {
            c.name: f"{self.stem.partition('-')[0]}.{i}" for i, c in enumerate(corrected, 1)
        }
        generated = f"{project.current().report}/generated/{self.stem}"
        tex = {f"-{name}": format.tex_table(frame) for name, frame in self.tables.items()}
        tex[""] = format.macros(self.stem, self.numbers(), numbered)
        files |= {f"{generated}{name}.tex": text.encode() for name, text in tex.items()}
        for name, data in files.items():
            project.write(self.folder / name, data)
        hashes = {name: sha256(data).hexdigest() for name, data in files.items()}
        # The JSON last: where it is new, so is all that it vouches for.
        facts = self._facts(corrected) | {"manifest": hashes | kept_elsewhere(self.folder)}
        text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
        project.write(self.folder / f"{generated}.json", f"{text}\n")
        counts = (len(self.numbers()), len(self.tables), len(self.drawn), len(corrected))
        return "{} numbers, {} tables, {} figures, {} claims".format(*counts)

    def _facts(self, corrected: Sequence[claims.Claim]) -> dict[str, Any]:
        return {
            "stem": self.stem,
            "profile": self.profile,
            "code": code_of(self.stem, self.profile),
            "environment": environment(),
            "values": {name: value.entry() for name, value in self.values.items()},
            "cells": {
                name: e.entry() for name, e in self.numbers().items() if name not in self.values
            },
            "claims": [claim.entry() for claim in corrected],
            "captions": self.captions,
        }

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>"

    def __repr__(self) -> str:
        line = f"Profile {self.profile}, {platform.machine()}."
        here = project.current()
        return (
            line
            if self.profile == here.published
            else f"{line} Note: {here.readings}; what is shown below is smaller and may differ."
        )


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
    names = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas")
    found = {"machine": platform.machine(), "python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def published(stem: str) -> dict[str, Any]:
    """Return what a chapter has published, empty where there is nothing that can be read."""
    path = project.current().generated(project.current().published) / f"{stem}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def drawn(fig: Figure, mark: str = "") -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return a figure's files by suffix, and what a notebook displays; the figure is closed.

    The same figure gives the same bytes: no date and no version are written.
    """
    fig.text(0.997, 0.003, mark, color="0.6", size=7, ha="right", va="bottom")
    axes = [ax for ax in fig.axes if ax.get_label() != "<colorbar>"]
    photo = all(ax.images and not (ax.lines or ax.collections or ax.containers) for ax in axes)
    dpi, picture, out = PHOTO_DPI if photo else DPI, io.BytesIO(), io.BytesIO()
    fig.savefig(picture, format="png", dpi=dpi, metadata={"Software": None})
    pixels = Pixels.open(picture).convert("RGB")
    width = round(pixels.width * DPI / dpi / 2)
    if photo:
        # Halved chroma would turn red and blue grains violet.
        pixels.save(out, "jpeg", dpi=(dpi, dpi), quality=QUALITY, subsampling=0)
        files = {"jpg": out.getvalue()}
    else:
        # Lines have few colours: a palette keeps them and a third of the bytes.
        pixels.quantize(256, dither=Pixels.Dither.NONE).save(out, "png", optimize=True)
        print_form, facts = io.BytesIO(), {"CreationDate": None, "Creator": None, "Producer": None}
        fig.savefig(print_form, format="pdf", metadata=facts)
        files = {"pdf": print_form.getvalue()}
    plt.close(fig)
    return files, {"data": out.getvalue(), "format": "jpeg" if photo else "png", "width": width}


def animated(frames: Sequence[np.ndarray]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return frames as a WebP animation that repeats, and what a notebook displays."""
    if not len(frames) or any(f.dtype != np.uint8 or f.ndim != 3 for f in frames):
        raise ProvenanceError("expected a Figure, or frames: uint8 arrays of shape (H, W, 3)")
    first, *others = (Pixels.fromarray(frame) for frame in frames)
    out = io.BytesIO()
    options: dict[str, Any] = {"save_all": True, "append_images": others, "loop": 0}
    first.save(out, "webp", duration=FRAME_MS, quality=QUALITY, **options)
    return {"webp": out.getvalue()}, {"data": out.getvalue(), "format": "webp"}
