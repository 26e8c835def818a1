"""Tables of chapter 2: rows by network and by method, read from the ledger."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .results import Ledger
from .tables import Row, Table

Names = Mapping[str, str]
"""Key to title."""
PUBLISHED = {"Grad-CAM": ("0.615", "0.109"), "RISE": ("0.666", "0.098")}
"""Insertion and deletion for VGG16 on ImageNet's validation set (Petsiuk et al., 2018, table 2)."""


def keep(ledger: Ledger, key: str, values: Any, unit: str = "number", **facts: Any) -> None:
    """Record the mean of one value per picture, with standard deviation, number and error."""
    values = np.asarray(values, float)
    std = values.std(ddof=1)
    error = std / np.sqrt(len(values))
    ledger.record(key, values.mean(), std=std, n=len(values), unit=unit, se=error, **facts)


def _absent(absent: Names, columns: int) -> list[Row]:
    return [(f"{title}: {note}", *[""] * (columns - 1)) for title, note in absent.items()]


def by_network(
    ledger: Ledger,
    name: str,
    header: Sequence[str],
    nets: Names,
    keys: Sequence[str],
    absent: Names,
    form: str = "value",
) -> Table:
    """Add a table with one row per network, of the numbers ``<network>_<key>``.

    ``absent`` says, by title, what the networks without weights still need.
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
    """Add a table with a row per network and method, of the numbers ``<network>_<method>_<key>``.

    A number that was not recorded leaves its cell empty; ``last`` are further rows.
    """
    rows: list[Row] = []
    for net, title in nets.items():
        for method, label in methods.items():
            names = [f"{net}_{method}_{key}" for key in keys]
            cells = [ledger.cell(n, form) if n in ledger.values else "" for n in names]
            rows.append((f"{title}: {label}", *cells))
    return ledger.table(name, ("network: method", *header), [*rows, *last])


def marks(method: str, better: Sequence[Mapping[str, bool]], best: Sequence[Sequence[str]]) -> str:
    """Return a mark per score: ``+`` beats all controls, ``=`` is level with the best."""
    found = []
    for won, level in zip(better, best, strict=True):
        found.append(("+" if won.get(method) else "·") + ("=" if method in level else ""))
    return " ".join(found)


def score_table(
    ledger: Ledger, nets: Names, methods: Names, signs: Mapping[str, Names], absent: Names
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
    for method, (insertion, deletion) in PUBLISHED.items():
        rows.append((f"VGG16, published: {method}", insertion, "", deletion, *[""] * 5))
    header = ("network: method", "insertion", "", "deletion", "", "infidelity", "", "tests", "time")
    return ledger.table("scores", header, rows, align="lrlrlrlcr")
