"""The ledger of a notebook's numbers: JSON for programs, macros and tables for LaTeX.

Everything is held in memory until ``save``, so that a failed run leaves the old files whole.
"""

import json
import math
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from practicals import fingerprint, macros, numerals, paths, profile
from practicals.atomic import atomic_path
from practicals.tables import Cell, Row, Table

KEY = re.compile(r"[a-z0-9_]+")
NAME = re.compile(r"[a-z0-9-]+")
RANGES = {"fraction": (0, 1), "points": (-1, 1), "seconds": (0, float("inf"))}
FORMS = {"value": macros.res, "pm": macros.respm, "int": macros.resint, "n": macros.resn}


class LedgerError(ValueError):
    """Raised for a number or a table that the ledger refuses; the message says what to do."""


class Ledger:
    """The numbers and tables of the notebook ``stem`` under the current profile."""

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self.profile = profile.current()
        self.values: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, Table] = {}

    def record(
        self,
        key: str,
        value: float,
        *,
        std: float | None = None,
        n: int | None = None,
        seeds: int | Sequence[int] | None = None,
        unit: str = "fraction",
        note: str | None = None,
        **extra: Any,
    ) -> None:
        """Add the number ``value`` under ``key``, with its spread, sample size and seeds.

        ``unit`` is one of ``numerals.UNITS``; fractions are held in [0, 1]. Raises LedgerError for
        a duplicate or badly formed key, and for a value or a spread that is not finite.
        """
        if not KEY.fullmatch(key):
            raise LedgerError(f"key {key!r}: use lower-case letters, digits and underscores only")
        if key in self.values:
            raise LedgerError(f"key {key!r} is already recorded: a key names one number")
        facts = {"std": std, "n": n, "seeds": seeds, "unit": unit, "note": note, **extra}
        entry = {"value": value} | {name: x for name, x in facts.items() if x is not None}
        entry = {name: _plain(x) for name, x in entry.items()}
        _refuse_bad_numbers(key, entry)
        self.values[key] = entry

    def cell(self, key: str, form: str = "value", bold: bool = False) -> Cell:
        """Return a table cell with a recorded number; ``form`` is value, pm (± std), int or n."""
        if form not in FORMS:
            raise LedgerError(f"form {form!r}: expected one of {sorted(FORMS)}")
        if key not in self.values:
            raise LedgerError(f"no number is recorded under {key!r}: record it before the table")
        text = FORMS[form](self.values[key])
        if text is None:
            raise LedgerError(f"{key!r} has no spread or sample size: record it with std= and n=")
        return Cell(key, text, bold)

    def table(
        self,
        name: str,
        header: Sequence[str],
        rows: Sequence[Row],
        align: str | None = None,
        caption: str | None = None,
    ) -> Table:
        r"""Add the table that the report includes with ``\input{<stem>-<name>}``; return it.

        Cells are strings or ``cell(key)``; a row that is None is a rule. ``align`` holds one of
        l, c, r per column (default: the first left, the others right).
        """
        align = align or "l" + "r" * (len(header) - 1)
        table = Table(tuple(header), tuple(rows), align, caption)
        _refuse_bad_table(name, table)
        self.tables[name] = table
        return table

    def save(self) -> None:
        """Write ``<stem>.json``, ``<stem>.tex`` and the tables, each completely or not at all."""
        from practicals import runtime  # here, since it loads torch, which ``check`` can do without

        content = self._content(runtime.describe())
        tables = {f"{self.stem}-{name}.tex": table.tex() for name, table in self.tables.items()}
        macro_file = {f"{self.stem}.tex": macros.definitions(self.stem, self.values)}
        ledger = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        folder = paths.generated_dir(self.profile.name)
        dropped = _old_tables(folder / f"{self.stem}.json") - set(self.tables)
        # The JSON last: where it is new, so is all that it vouches for.
        for name, text in {**tables, **macro_file, f"{self.stem}.json": ledger}.items():
            _write(folder / name, text)
        for name in dropped:
            (folder / f"{self.stem}-{name}.tex").unlink(missing_ok=True)

    def _content(self, device: dict[str, str]) -> dict[str, Any]:
        return {
            "stem": self.stem,
            "profile": self.profile.name,
            "seed": self.profile.seed,
            "code": fingerprint.of_stem(self.stem, self.profile.name),
            "device": device,
            "values": self.values,
            "tables": {
                name: {"keys": table.keys(), "sha256": text_hash(table.tex())}
                for name, table in self.tables.items()
            },
        }


def text_hash(text: str) -> str:
    """Return the sha256 of a text file's content."""
    return sha256(text.encode()).hexdigest()


def _old_tables(path: Path) -> set[str]:
    return set(json.loads(path.read_text(encoding="utf-8"))["tables"]) if path.exists() else set()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    """Turn scalars of NumPy and torch, alone or in sequences, into Python's own."""
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def _refuse_bad_numbers(key: str, entry: dict[str, Any]) -> None:
    unit = entry["unit"]
    if unit not in numerals.UNITS:
        raise LedgerError(f"{key!r}: unit {unit!r}, expected one of {numerals.UNITS}")
    for name in ("value", "std", "n"):
        number = entry.get(name, 0)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise LedgerError(f"{key!r}: {name} must be a number, not {number!r}")
        if not math.isfinite(number):
            raise LedgerError(f"{key!r}: {name} is {number}: only finite numbers are recorded")
    low, high = RANGES.get(unit, (-math.inf, math.inf))
    if not low <= entry["value"] <= high:
        raise LedgerError(f"{key!r}: {entry['value']} as {unit} lies outside [{low}, {high}]")
    if unit == "count" and "std" not in entry and entry["value"] != round(entry["value"]):
        raise LedgerError(f"{key!r}: a count is a whole number, not {entry['value']}")


def _refuse_bad_table(name: str, table: Table) -> None:
    width = len(table.header)
    if not NAME.fullmatch(name):
        raise LedgerError(f"table {name!r}: use lower-case letters, digits and hyphens only")
    if len(table.align) != width:
        raise LedgerError(f"table {name!r}: align {table.align!r} is not for {width} columns")
    for number, row in enumerate(table.rows, 1):
        if row is None:
            continue
        if len(row) != width:
            raise LedgerError(f"table {name!r}, row {number}: {len(row)} cells, expected {width}")
        wrong = [cell for cell in row if not isinstance(cell, str | Cell)]
        if wrong:
            raise LedgerError(
                f"table {name!r}, row {number}: {wrong[0]!r} is neither text nor ledger.cell(key)"
            )
