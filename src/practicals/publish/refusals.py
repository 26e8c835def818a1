"""What a ledger refuses: numbers that cannot be meant, and tables whose rows do not fit."""

import math
from collections.abc import Mapping
from typing import Any

from practicals.publish import numerals
from practicals.publish.tables import Cell, Table

RANGES = {"fraction": (0, 1), "points": (-1, 1), "seconds": (0, float("inf"))}
SPREADS = ("se", *(f"sd over {what}" for what in "seeds pictures mosaics splits classes".split()))


class LedgerError(ValueError):
    """Raised for what the ledger refuses; the message says what to do."""


def refuse_numbers(key: str, entry: Mapping[str, Any]) -> None:
    """Raise LedgerError for an entry with an unknown unit or spread, or a number out of range."""
    unit, spread = entry["unit"], entry.get("spread")
    if spread is not None and spread not in SPREADS:
        raise LedgerError(f"{key!r}: spread {spread!r}, expected one of {SPREADS}")
    if unit not in numerals.UNITS:
        raise LedgerError(f"{key!r}: unit {unit!r}, expected one of {numerals.UNITS}")
    for name in ("value", "std", "se", "n"):
        number = entry.get(name, 0)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise LedgerError(f"{key!r}: {name} must be a number, not {number!r}")
        if not math.isfinite(number):
            raise LedgerError(f"{key!r}: {name} is {number}: only finite numbers are recorded")
        if name != "value" and number < 0:
            raise LedgerError(f"{key!r}: {name} is {number}, and cannot be negative")
    low, high = RANGES.get(unit, (-math.inf, math.inf))
    if not low <= entry["value"] <= high:
        raise LedgerError(f"{key!r}: {entry['value']} as {unit} lies outside [{low}, {high}]")
    if unit == "count" and "std" not in entry and entry["value"] != round(entry["value"]):
        raise LedgerError(f"{key!r}: a count is a whole number, not {entry['value']}")


def refuse_table(name: str, table: Table) -> None:
    """Raise LedgerError for a table whose rows are not as wide as its header."""
    width = len(table.header)
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
