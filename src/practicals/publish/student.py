"""The hand-out: the notebooks without the answers that a student is to write, and its check.

``python -m practicals.publish.student make`` writes ``build/student/``, a folder that runs on its
own. ``python -m practicals.publish.student check [STEM ...]`` proves, in a copy that is thrown
away, that every test fails without its answer and passes with it.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbformat import NotebookNode

from practicals import paths
from practicals.publish import render

COPIED = ("pyproject.toml", "requirements.txt", "LICENSE", "data/README.md")
MISSING = ("AssertionError", "NotImplementedError")
"""How a test may fail where its answer is missing; any other error tells a student nothing."""
STUB = "# Your answer, in place of the next line.\nraise NotImplementedError()"

README = """\
# Deep learning applications: the notebooks, for you to complete

In each section the cell that holds the key algorithm is yours to write.

## Install, once

Python 3.10 or later is needed. PyTorch is large, so this takes a few minutes. In this folder:

    python3 -m venv .venv
    .venv/bin/python -m pip install -e .

On Windows, write `.venv\\Scripts\\python` for `.venv/bin/python`, here and below.

## Open

    .venv/bin/python -m jupyter lab notebooks

Nothing is downloaded: notebooks start in the profile `sample`, with pictures and digits that come
inside the libraries and a small network trained on the spot (about a minute, the first time). For
the real networks and data see [data/README.md](data/README.md); `profile="lab"` in a notebook's
first call of `notebook.begin` reads them.

## Write, and test

Replace the line `raise NotImplementedError()` by your answer and run the cell, then the cell below
it, which is its test. A test that passes is silent. `AssertionError` says what is not right yet, and
`NotImplementedError` that the answer is still missing. Tests cannot be edited. A later cell that
uses your answer waits for it; sections without it run as they are.

| notebook | what you write |
|---|---|
"""


class BadExercise(ValueError):
    """Raised for a cell to be written by hand that nbgrader or a student could not use."""


@dataclass(frozen=True)
class Exercise:
    """A cell to be written by hand: its name, and where it and its test stand in the notebook."""

    name: str
    answer: int
    test: int


def by_hand(nb: NotebookNode) -> list[Exercise]:
    """Return the exercises of a notebook: code cells with an answer, each above its test.

    Raises BadExercise for an answer without nbgrader's metadata or markers, a name used twice, an
    answer without a test of its name directly below, and a test without an answer.
    """
    _refuse_same_names(nb)
    found = [_exercise(nb, i) for i, cell in enumerate(nb.cells) if _is_answer(cell, i)]
    paired = {exercise.test for exercise in found}
    for i, cell in enumerate(nb.cells):
        facts = _facts(cell)
        if facts.get("grade") and not facts.get("solution") and i not in paired:
            raise BadExercise(f"cell {i}: test {facts['grade_id']!r} has no answer directly above")
    return found


def _facts(cell: NotebookNode) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


def _refuse_same_names(nb: NotebookNode) -> None:
    names = [_facts(cell)["grade_id"] for cell in nb.cells if "grade_id" in _facts(cell)]
    for name in names:
        if names.count(name) > 1:
            raise BadExercise(f"grade_id {name!r} names {names.count(name)} cells")


def _is_answer(cell: NotebookNode, index: int) -> bool:
    """Return whether a code cell is checked by a test; one with points of its own is read."""
    marked = cell.cell_type == "code" and "### BEGIN SOLUTION" in cell.source
    if marked and not _facts(cell).get("solution"):
        raise BadExercise(f"cell {index} holds an answer, but no nbgrader metadata with solution")
    is_code = cell.cell_type == "code" and _facts(cell).get("solution", False)
    return is_code and not _facts(cell).get("grade", False)


def _exercise(nb: NotebookNode, index: int) -> Exercise:
    cell, name = nb.cells[index], _facts(nb.cells[index])["grade_id"]
    lines = [line.strip() for line in cell.source.splitlines()]
    marks = [line for line in lines if line in ("### BEGIN SOLUTION", "### END SOLUTION")]
    if not marks or marks != ["### BEGIN SOLUTION", "### END SOLUTION"] * (len(marks) // 2):
        raise BadExercise(f"{name!r}: needs the line ### BEGIN SOLUTION, then ### END SOLUTION")
    below = nb.cells[index + 1] if index + 1 < len(nb.cells) else NotebookNode(metadata={})
    facts = _facts(below)
    if facts.get("grade_id") != f"test-{name}" or not facts.get("grade") or facts.get("solution"):
        raise BadExercise(f"{name!r}: the cell below is not its test, named 'test-{name}'")
    return Exercise(name, index, index + 1)


def without_answers(nb: NotebookNode) -> NotebookNode:
    """Return the notebook as a student gets it: no answers, outputs, stamp or hidden tests.

    nbgrader's own steps in its own order, but for those that need its database.
    """
    from nbgrader import preprocessors
    from traitlets.config import Config

    config = Config({"ClearSolutions": {"code_stub": {"python": STUB}}})
    steps = ("LockCells", "ClearSolutions", "ClearOutput", "ClearHiddenTests", "ComputeChecksums")
    nb, resources = deepcopy(nb), {}
    nb.metadata.pop("practicals", None)
    for step in (*steps, "CheckCellMetadata"):
        nb, resources = getattr(preprocessors, step)(config=config)(nb, resources)
    return nb


def sources() -> dict[str, NotebookNode]:
    """Return the notebooks with exercises, stem to content; raise BadExercise naming the stem."""
    found = {}
    for stem in render.stems():
        nb = nbformat.read(paths.notebooks_dir() / f"{stem}.ipynb", as_version=4)
        try:
            if by_hand(nb):
                found[stem] = nb
        except BadExercise as error:
            raise BadExercise(f"{stem}: {error}") from None
    if not found:
        raise BadExercise("no notebook in notebooks/ has a cell to be written by hand")
    return found


def write(folder: Path, notebooks: dict[str, NotebookNode]) -> None:
    """Write the hand-out into ``folder``: notebooks without answers and all that they need."""
    root, rows = paths.root(), []
    for name in COPIED:
        if (root / name).exists():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(root / "src" / "practicals", folder / "src" / "practicals", ignore=ignored)
    # The published numbers, which tables show beside one's own.
    generated = Path("report", "generated")
    for part in ("notebooks", generated):
        (folder / part).mkdir(parents=True)
    for stem, nb in notebooks.items():
        nbformat.write(without_answers(nb), folder / "notebooks" / f"{stem}.ipynb")
        if (root / generated / f"{stem}.json").exists():
            shutil.copyfile(root / generated / f"{stem}.json", folder / generated / f"{stem}.json")
        names = ", ".join(exercise.name for exercise in by_hand(nb))
        rows.append(f"| [{stem}](notebooks/{stem}.ipynb) | {names} |\n")
    (folder / "README.md").write_text(README + "".join(rows), encoding="utf-8")


def make() -> Path:
    """Write the hand-out to ``build/student/`` and return that folder."""
    notebooks, target = sources(), paths.root() / "build" / "student"
    with paths.atomic_folder(target) as folder:
        write(folder, notebooks)
    return target


def both_ways(given: NotebookNode, answered: NotebookNode) -> tuple[NotebookNode, list[list[int]]]:
    """Return a notebook that runs each exercise without its answer, then with it, and the places.

    Of each exercise, the places in the returned notebook of four cells: without an answer and its
    test, with the answer and its test. In this order nothing that an answer leaves in the kernel
    can help the test without it, and every exercise is tried with all earlier answers in place.
    """
    cells, places = deepcopy(list(given.cells)), []
    for exercise in reversed(by_hand(answered)):
        at = exercise.test + 1
        cells[at:at] = deepcopy([answered.cells[exercise.answer], answered.cells[exercise.test]])
    for number, exercise in enumerate(by_hand(answered)):
        start = exercise.answer + 2 * number
        places.append([start, start + 1, start + 2, start + 3])
    return nbformat.v4.new_notebook(metadata=given.metadata, cells=cells), places


def run(nb: NotebookNode, folder: Path, label: str) -> None:
    """Run all cells in place, errors kept, in the sample profile of the hand-out in ``folder``.

    Caches are those of the repository, and nothing may be downloaded. Raises DeadKernelError.
    """
    from tqdm import tqdm

    own = {"PROFILE": "sample", "PRACTICALS_OFFLINE": "1", "TQDM_DISABLE": "1"}
    own["PYTHONPATH"] = str(folder / "src")
    own["PRACTICALS_DATA"] = str(paths.data_dir())
    dropped = ("PRACTICALS_ROOT", "PRACTICALS_STAGING", "MPLBACKEND")
    outside = {key: value for key, value in os.environ.items() if key not in dropped}
    client = render._client(nb, folder / "notebooks")
    client.allow_errors = True
    with tqdm(total=len(nb.cells), desc=label, unit="cell", leave=False) as bar:
        client.on_cell_execute = None
        client.on_cell_executed = lambda **_: bar.update()
        client.execute(env={**outside, **own}, cleanup_kc=True)


def error_of(cell: NotebookNode) -> tuple[str, str] | None:
    """Return name and text of the error that a cell ended in, or None."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            return output.ename, output.evalue
    return None


def verdicts(
    nb: NotebookNode, places: list[list[int]], names: list[str]
) -> Iterator[tuple[bool, str]]:
    """Yield whether it is as it should be, and a line, for each exercise and each failed cell."""
    for (_, blank, answer, test), name in zip(places, names, strict=True):
        without = error_of(nb.cells[blank])
        with_it = error_of(nb.cells[answer]) or error_of(nb.cells[test])
        if without is None:
            before = "PASSES without the answer: the test does not need it"
        elif without[0] in MISSING:
            before = f"fails without the answer: {without[0]}"
        else:
            before = f"fails without the answer by {': '.join(without)}, not by {MISSING}"
        after = f"FAILS with it: {': '.join(with_it)}" if with_it else "passes with it"
        good = without is not None and without[0] in MISSING and not with_it
        yield good, f"{name}: {before}; {after}"
    judged = {index for four in places for index in four}
    for index, cell in enumerate(nb.cells):
        if index not in judged and error_of(cell):
            first = cell.source.strip().split("\n")[0]
            yield False, f"the cell {first!r} fails with all answers: {': '.join(error_of(cell))}"


def check(stems: Sequence[str] = ()) -> int:
    """Prove the hand-out of all notebooks, or of ``stems``; print a line per exercise.

    Return the number of culprits. Raises BadExercise for an unknown stem.
    """
    notebooks, wrong = sources(), 0
    for stem in stems:
        if stem not in notebooks:
            hint = paths.did_you_mean(stem, notebooks)
            raise BadExercise(f"no notebook {stem!r} with cells to be written by hand.{hint}")
    with TemporaryDirectory(prefix="student-") as name:
        folder = Path(name).resolve()
        write(folder, notebooks)
        for stem in stems or notebooks:
            given = nbformat.read(folder / "notebooks" / f"{stem}.ipynb", as_version=4)
            nb, places = both_ways(given, notebooks[stem])
            run(nb, folder, stem)
            names = [exercise.name for exercise in by_hand(notebooks[stem])]
            for good, line in verdicts(nb, places, names):
                wrong += not good
                print(f"{stem}: {'' if good else 'WRONG: '}{line}", flush=True)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m practicals.publish.student")
    parser.add_argument("command", choices=("make", "check"))
    parser.add_argument("stems", nargs="*", metavar="STEM", help="check: only these notebooks")
    options = parser.parse_args(arguments)
    try:
        if options.command == "make":
            print(f"student: {make().relative_to(paths.root())}/ is the hand-out")
            return 0
        wrong = check(options.stems)
    except BadExercise as error:
        print(f"student: {error}", file=sys.stderr)
        return 1
    print(f"student: {f'{wrong} wrong' if wrong else 'every test needs its answer'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
