"""The ledger of a notebook: the numbers, tables, figures and claims that it vouches for.

Everything is held in memory until ``save``, so that a failed run leaves the old files whole.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from practicals import figures, paths, profile, stats
from practicals.publish import claims, numerals, refusals
from practicals.publish.picture import Picture
from practicals.publish.refusals import LedgerError
from practicals.publish.tables import Cell, Row, Table, with_published
from provenance import chapter, project

KEY = re.compile(r"[a-z0-9_]+")
NAME = re.compile(r"[a-zA-Z0-9-]+")
FORMS = {
    "value": numerals.res,
    "pm": numerals.respm,
    "se": numerals.resse,
    "int": numerals.resint,
    "n": numerals.resn,
}


def is_strict() -> bool:
    """Return whether a key may be recorded only once: while rendering, not while trying out."""
    return bool(os.environ.get(chapter.STAGING))


class Ledger:
    """The numbers, tables, figures and claims of the notebook ``stem`` under one profile."""

    def __init__(self, stem: str, of: profile.Profile | None = None) -> None:
        self.stem = stem
        self.profile = of or profile.current()
        self.values: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, Table] = {}
        self.figures: dict[str, dict[str, Any]] = {}
        self.claims: dict[str, claims.Claim] = {}
        self._drawn: dict[str, bytes] = {}

    def record(
        self,
        key: str,
        value: float,
        *,
        std: float | None = None,
        spread: str | None = None,
        n: int | None = None,
        seeds: int | Sequence[int] | None = None,
        unit: str = "fraction",
        **extra: Any,
    ) -> None:
        """Keep the number ``value`` under ``key``, with its spread, sample size and seeds.

        ``spread`` says what ``std`` is, one of ``refusals.SPREADS``. ``unit`` is one of
        ``numerals.UNITS``; fractions are held in [0, 1]. Raises LedgerError for a badly formed key,
        a number that is not finite, for a negative spread, and, while a notebook is rendered, for a
        duplicate.
        """
        self._refuse_key(key, KEY, self.values)
        facts = {"std": std, "spread": spread, "n": n, "seeds": seeds, "unit": unit, **extra}
        entry = {"value": value} | {name: x for name, x in facts.items() if x is not None}
        entry = {name: _plain(x) for name, x in entry.items()}
        refusals.refuse_numbers(key, entry)
        self.values[key] = entry

    def sample(self, key: str, values: Any, unit: str = "number", **facts: Any) -> None:
        """Keep the mean of one value per picture, with deviation, number and standard error."""
        values = np.asarray(values, float)
        mean, std = stats.mean_std(values)
        facts = {"std": std, "n": len(values), "unit": unit, "spread": "sd over pictures"} | facts
        self.record(key, mean, se=std / math.sqrt(len(values)), **facts)

    def samples(
        self, nested: Mapping[str, Mapping[str, Any]], key: str, unit: str = "number", **facts: Any
    ) -> None:
        """Keep ``nested[a][b]``, one value per picture each, under ``key`` with both in it.

        ``key`` holds two ``{}``; a slash in a name becomes an underscore.
        """
        for outer, inner in nested.items():
            for name, values in inner.items():
                self.sample(key.format(outer, name.replace("/", "_")), values, unit, **facts)

    def cell(self, key: str, form: str = "value", bold: bool = False) -> Cell:
        """Return a table cell with a recorded number; ``form`` is one of ``FORMS``."""
        if form not in FORMS:
            raise LedgerError(f"form {form!r}: expected one of {sorted(FORMS)}")
        if key not in self.values:
            raise LedgerError(f"no number is recorded under {key!r}: record it before the table")
        text = FORMS[form](self.values[key])
        if text is None:
            raise LedgerError(f"{key!r} has no spread or sample size: record it with std= and n=")
        return Cell(key, text, bold, form)

    def table(
        self,
        name: str,
        header: Sequence[str],
        rows: Sequence[Row],
        align: str | None = None,
        caption: str | None = None,
    ) -> Table:
        r"""Keep the table that the report includes with ``\input{<stem>-<name>}``; return it.

        Cells are strings or ``cell(key)``; a row that is None is a rule. ``align`` holds one of
        l, c, r per column (default: the first left, the others right). Outside the full profile
        the table that is returned has a column with the published numbers.
        """
        align = align or "l" + "r" * (len(header) - 1)
        table = Table(tuple(header), tuple(rows), align, caption)
        self._refuse_key(name, NAME, self.tables)
        refusals.refuse_table(name, table)
        self.tables[name] = table
        if self.profile.is_published:
            return table
        return with_published(table, published(self.stem).get("values", {}), FORMS)

    def grid(
        self,
        name: str,
        header: Sequence[str],
        rows: Mapping[str, str],
        keys: Sequence[str],
        form: str = "value",
        last: Iterable[Row] = (),
        **options: Any,
    ) -> Table:
        """Keep a table with a row per entry of ``rows`` (key part to title).

        ``keys`` hold one ``{}`` each, which the row's key part fills. A number that was not
        recorded leaves its cell empty; ``last`` are further rows, filled up with empty cells.
        """
        lines: list[Row] = []
        for part, title in rows.items():
            names = [key.format(part) for key in keys]
            lines.append((title, *(self.cell(k, form) if k in self.values else "" for k in names)))
        width = len(header)
        lines += [row and (*row, *[""] * (width - len(row))) for row in last]
        return self.table(name, header, lines, **options)

    def figure(
        self, name: str, fig: Figure, caption: str, alt: str, raster: bool = False
    ) -> Picture:
        """Keep a figure, and return it as the notebook shows it: with its caption below.

        Lines are kept as PDF and PNG; ``raster`` figures, of photographs or maps, as JPEG. ``alt``
        says in words what is seen. The figure is closed.
        """
        self._refuse_figure(name, caption, alt)
        mark = "" if self.profile.is_published else self.profile.name
        suffixes = ("jpg",) if raster else ("pdf", "png")
        drawn = {f"{self.stem}-{name}.{s}": figures.as_bytes(fig, s, mark) for s in suffixes}
        plt.close(fig)
        self._keep_figure(name, drawn, caption, alt)
        return Picture(drawn[f"{self.stem}-{name}.{suffixes[-1]}"], suffixes[-1], caption, alt)

    def animation(
        self, name: str, frames: Sequence[np.ndarray], caption: str, alt: str, frame_ms: int = 100
    ) -> Picture:
        """Keep ``frames``, uint8 (H, W, 3), as a GIF, and return it with its caption."""
        self._refuse_figure(name, caption, alt)
        content = figures.animation(frames, frame_ms)
        self._keep_figure(name, {f"{self.stem}-{name}.gif": content}, caption, alt)
        return Picture(content, "gif", caption, alt)

    def _keep_figure(self, name: str, drawn: dict[str, bytes], caption: str, alt: str) -> None:
        hashes = {file: _sha256(content) for file, content in drawn.items()}
        self.figures[name] = {"caption": caption, "alt": alt, "files": hashes}
        self._drawn |= drawn

    def claim(
        self,
        key: str,
        sentence: str,
        test: stats.Test | bool,
        expect: str = "higher",
        published: str | None = None,
    ) -> claims.Claim:
        """Keep a conclusion with the test it stands on, where it is drawn; return it to be shown.

        ``expect`` is what the sentence says of the test's effect: ``higher``, ``lower``, ``equal``
        (an equivalence test), ``undecided``, or ``true`` for a check without chance. The p-values
        of a chapter are corrected together (Holm) when the ledger is saved; the claim that is
        returned shows its own.
        """
        self._refuse_key(key, NAME, self.claims)
        self.claims[key] = claims.make(key, sentence, test, expect, published)
        return self.claims[key]

    def claims_table(self) -> Table:
        """Keep and return the table of all claims so far, corrected together."""
        rows = []
        for number, claim in enumerate(claims.corrected(self.claims.values()), 1):
            holds = "yes" if claim.holds else "no"
            rows.append(
                (str(number), claim.sentence, claim.evidence(), claim.published or "–", holds)
            )
        header = ("", "claim", "evidence", "published", "holds")
        align = r"rp{0.40\linewidth}p{0.27\linewidth}p{0.14\linewidth}l"
        table = Table(header, tuple(rows), align, "Claims of this chapter")
        self.tables["claims"] = table
        return table

    def save(self) -> Path:
        """Write numbers, macros, tables and figures, each completely or not at all.

        Return the folder below which they went: ``render`` takes them from there, and a session
        that tries things out never writes over what is published.
        """
        from practicals import runtime  # here, since it loads torch, which ``check`` can do without

        base = paths.writing_dir(self.profile.name)
        generated, drawn = base / "report" / "generated", base / "figures"
        if self.claims:
            self.claims_table()
        content = self._content(runtime.describe())
        files = {f"{self.stem}-{name}.tex": table.tex() for name, table in self.tables.items()}
        files[f"{self.stem}.tex"] = numerals.definitions(self.stem, self.values, list(self.claims))
        written = {drawn / name: picture for name, picture in self._drawn.items()}
        written |= {generated / name: text.encode() for name, text in files.items()}
        hashes = {p.relative_to(base).as_posix(): _sha256(data) for p, data in written.items()}
        content["manifest"] = hashes | chapter.kept_elsewhere(base)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        # The JSON last: where it is new, so is all that it vouches for.
        for path, data in (written | {generated / f"{self.stem}.json": text.encode()}).items():
            project.write(path, data)
        return base

    def _content(self, device: dict[str, str]) -> dict[str, Any]:
        return {
            "stem": self.stem,
            "profile": self.profile.name,
            "seed": self.profile.seed,
            "code": chapter.code_of(self.stem, self.profile.name),
            "device": device,
            "values": self.values,
            "claims": {c.key: c.entry() for c in claims.corrected(self.claims.values())},
            "tables": {
                name: {"keys": table.keys(), "sha256": _sha256(table.tex().encode())}
                for name, table in self.tables.items()
            },
            "figures": self.figures,
        }

    def _refuse_figure(self, name: str, caption: str, alt: str) -> None:
        self._refuse_key(name, NAME, self.figures)
        if not caption.strip() or not alt.strip():
            raise LedgerError(
                f"figure {name!r}: say what it shows (caption) and what is seen (alt)"
            )

    def _refuse_key(self, key: str, form: re.Pattern[str], known: Mapping[str, Any]) -> None:
        if not form.fullmatch(key):
            raise LedgerError(f"key {key!r}: expected only characters of {form.pattern}")
        if is_strict() and key in known:
            raise LedgerError(f"{key!r} is already recorded: a key names one thing")


@cache
def published(stem: str) -> dict[str, Any]:
    """Return the published ledger of a notebook, empty where there is none that can be read."""
    path = paths.generated_dir("full") / f"{stem}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _sha256(data: bytes) -> str:
    return sha256(data).hexdigest()


def _plain(value: Any) -> Any:
    """Turn scalars of NumPy and torch, alone or in sequences, into Python's own."""
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
