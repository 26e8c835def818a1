"""Tables of chapter 2: rows by network and by method, read from the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .results import Ledger
from .tables import Row, Table

Names = Mapping[str, str]
"""Key to title."""


def keep(ledger: Ledger, key: str, values: Any, unit: str = "number", **facts: Any) -> None:
    """Record the mean of one value per picture, with standard deviation, number and error."""
    values = np.asarray(values, float)
    std = values.std(ddof=1)
    error = std / np.sqrt(len(values))
    ledger.record(key, values.mean(), std=std, n=len(values), unit=unit, se=error, **facts)


def _absent(absent: Iterable[str], columns: int) -> list[Row]:
    return [(f"{title}: no weights here", *[""] * (columns - 1)) for title in absent]


def by_network(
    ledger: Ledger,
    name: str,
    header: Sequence[str],
    nets: Names,
    keys: Sequence[str],
    absent: Iterable[str],
    form: str = "value",
) -> Table:
    """Add a table with one row per network, of the numbers ``<network>_<key>``.

    ``absent`` names the networks without weights; they get an empty row.
    """
    rows = [
        (title, *(ledger.cell(f"{net}_{k}", form) for k in keys)) for net, title in nets.items()
    ]
    columns = ("network", *header)
    return ledger.table(name, columns, [*rows, *_absent(absent, len(columns))])


def by_method(
    ledger: Ledger,
    name: str,
    header: Sequence[str],
    nets: Names,
    methods: Names,
    keys: Sequence[str],
    form: str = "value",
    last: Sequence[Row] = (),
) -> Table:
    """Add a table with a row per method and columns ``header`` for each network.

    It shows the numbers ``<network>_<method>_<key>``; one that was not recorded leaves its cell
    empty. ``last`` are further rows, filled up with empty cells.
    """
    rows: list[Row] = []
    for method, label in methods.items():
        names = [f"{net}_{method}_{key}" for net in nets for key in keys]
        rows.append((label, *(ledger.cell(n, form) if n in ledger.values else "" for n in names)))
    columns = 1 + len(nets) * len(keys)
    rows += [(*row, *[""] * (columns - len(row))) for row in last if row]
    top = [cell for title in nets.values() for cell in (title, *[""] * (len(keys) - 1))]
    if len(keys) == 1:
        return ledger.table(name, ("method", *top), rows)
    below = ("method", *[label for _ in nets for label in header])
    return ledger.table(name, ("", *top), [below, None, *rows])


def marks(method: str, better: Sequence[Mapping[str, bool]], best: Sequence[Sequence[str]]) -> str:
    """Return a mark per score: ``+`` beats all controls, ``=`` is level with the best."""
    found = []
    for won, level in zip(better, best, strict=True):
        found.append(("+" if won.get(method) else "·") + ("=" if method in level else ""))
    return " ".join(found)


def score_table(
    ledger: Ledger, nets: Names, methods: Names, signs: Mapping[str, Names], absent: Iterable[str]
) -> Table:
    """Add the table ``scores``: means with standard errors, tests and seconds per map.

    ``signs[network][method]`` holds the marks of the paired tests.
    """
    rows: list[Row] = []
    for net, title in nets.items():
        for method, label in methods.items():
            row: list[Any] = [f"{title}: {label}"]
            for score in ("insertion", "deletion", "infidelity"):
                key = f"{net}_{method}_{score}"
                row += [ledger.cell(key), f"± {ledger.values[key]['se']:.3f}"]
            rows.append((*row, signs[net][method], ledger.cell(f"{net}_{method}_seconds")))
        rows.append(None)
    rows += _absent(absent, 9)
    header = ("network: method", "insertion", "", "deletion", "", "infidelity", "", "tests", "time")
    return ledger.table("scores", header, rows, align="lrlrlrlcr")
