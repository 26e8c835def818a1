"""Published notebooks: current, complete, free of errors and of one machine's paths."""

from collections.abc import Iterator
from pathlib import Path

import nbformat.v4
from nbformat import NotebookNode

from practicals import catalogue, cleaning, fingerprint, paths
from practicals.problems import RERUN, Problem


def hashes() -> dict[str, str]:
    """Return stem → current hash under the full profile; ``unknown`` for one with a magic."""
    stems = sorted(path.stem for path in paths.notebooks_dir().glob("*.ipynb"))
    return {stem: fingerprint.of_stem(stem, "full") for stem in stems}


def problems(current: dict[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the notebooks, given their current hashes."""
    for stem in catalogue.FIGURES_OF:
        if stem not in current:
            yield Problem(
                f"notebooks/{stem}.ipynb",
                "is missing, though catalogue.FIGURES_OF has an entry for it",
                "restore the notebook, or remove the entry",
            )
    for stem, code in current.items():
        yield from _of_notebook(paths.notebooks_dir() / f"{stem}.ipynb", code)


def _of_notebook(path: Path, code: str) -> Iterator[Problem]:
    name = f"notebooks/{path.name}"
    if path.stem not in catalogue.FIGURES_OF:
        yield Problem(
            name, "is in no catalogue", "add it to FIGURES_OF in src/practicals/catalogue.py"
        )
    if path.stat().st_size > cleaning.LIMIT:
        size = path.stat().st_size / 1e6
        yield Problem(name, f"is {size:.1f} MB, more than 1 MB", "show smaller figures in it")
    # Not nbformat.read, which repairs what is to be found here.
    nb = nbformat.v4.reads(path.read_text(encoding="utf-8"))
    for what, remedy in [*_stamp(path, nb, code), *_ids(nb), *_cells(nb)]:
        yield Problem(name, what, remedy)


def _stamp(path: Path, nb: NotebookNode, code: str) -> Iterator[tuple[str, str]]:
    stamp = nb.metadata.get("practicals", {})
    if code == "unknown":
        try:
            fingerprint.notebook_hash(path, "full")
        except fingerprint.NotPlainPython as error:
            yield str(error), "remove the magic from the cell"
    elif not stamp:
        yield "has never been rendered: it has no stamp", RERUN
    elif stamp.get("profile") != "full":
        yield f"comes from the profile {stamp.get('profile')!r}, not from 'full'", RERUN
    elif stamp.get("hash") != code:
        yield "is stale: its code, its modules or its budgets changed since it ran", RERUN


def _ids(nb: NotebookNode) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, cell in enumerate(nb.cells, 1):
        identity = cell.get("id")
        if not identity or identity in seen:
            kind = f"the id {identity!r} of another" if identity else "no id"
            remedy = "python -m practicals.render --clean-metadata FILE"
            yield f"cell {number} has {kind}", remedy
        seen.add(identity)


def _cells(nb: NotebookNode) -> Iterator[tuple[str, str]]:
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    for number, cell in enumerate(cells, 1):
        if cell.execution_count != number:
            yield f"code cell {number} carries the count [{cell.execution_count}]", RERUN
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {number} ends in {output.ename}: {output.evalue}", RERUN
            for found in cleaning.absolute_paths(output, paths.root()):
                remedy = "print a path relative to the root, or silence the warning; " + RERUN
                yield f"code cell {number} shows the absolute path {found}", remedy
