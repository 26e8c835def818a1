"""What is wrong with a published notebook: its stamp, its cells, its weight."""

from collections.abc import Collection, Iterator
from pathlib import Path

from nbformat import NotebookNode

from practicals import fingerprint, paths, profile
from practicals.publish import cleaning, style
from practicals.publish.problem import RERUN, Problem


def of_notebook(path: Path, code: str, pending: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with one published notebook, whose code has the hash ``code``.

    Of one that is ``pending``, only what no new run would mend.
    """
    name = f"notebooks/{path.name}"
    if path.stem not in profile.BUDGET_OF:
        yield Problem(name, "has no budget", "add it to BUDGET_OF in src/practicals/profile.py")
    if path.stat().st_size > cleaning.LIMIT:
        size = path.stat().st_size / 1e6
        limit = cleaning.LIMIT / 1e6
        yield Problem(
            name, f"is {size:.1f} MB, more than {limit:.0f} MB", "show smaller figures in it"
        )
    try:
        nb = cleaning.read(path)
    except cleaning.Unreadable as error:
        yield Problem(name, f"cannot be read: {error}", "git checkout -- " + name)
        return
    if path.stem in pending:
        return
    found = [*_stamp(path, nb, code), *_ids(nb), *_cells(nb), *style.problems(path)]
    for what, remedy in found:
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
    elif stamp.get("outputs") != cleaning.outputs_hash(nb.cells):
        yield "shows outputs that its last rendering did not write: edited, or run by hand", RERUN


def _ids(nb: NotebookNode) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, cell in enumerate(nb.cells, 1):
        identity = cell.get("id")
        if not identity or identity in seen:
            kind = f"the id {identity!r} of another" if identity else "no id"
            remedy = "python -m practicals.publish.render --clean-metadata FILE"
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
