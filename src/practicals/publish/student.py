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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbformat import NotebookNode

from practicals import paths
from practicals.publish import render

COPIED = ("pyproject.toml", "requirements.txt", "LICENSE", "data/README.md")
STUB = "# Your answer, in place of the next line.\nraise NotImplementedError()"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
# How a test fails where its answer is missing; other errors do not tell a student what is.
EXPECTED = ("AssertionError", "NotImplementedError")
HINT = f"(expected {' or '.join(EXPECTED)}: let the answer be a function's body)"


class BadExercise(ValueError):
    """Raised for a cell to be written by hand that nbgrader or a student could not use."""


def by_hand(nb: NotebookNode) -> dict[str, int]:
    """Return the exercises of a notebook, name to place; the test of each is the cell below.

    Raises BadExercise for an answer without nbgrader's metadata or markers, a name used twice, an
    answer without a test of its name directly below, and a test without an answer.
    """
    names = [_name(cell) for cell in nb.cells if _facts(cell)]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadExercise(f"the same grade_id names several cells: {sorted(twice)}")
    found = {_name(cell): place for place, cell in enumerate(nb.cells) if _is_answer(cell)}
    for name, place in found.items():
        _refuse_unusable(name, nb.cells[place], nb.cells[place + 1 : place + 2])
    for cell in nb.cells:
        if _is_test(cell) and _name(cell).removeprefix("test-") not in found:
            raise BadExercise(f"test {_name(cell)!r} has no answer directly above")
    return found


def _facts(cell: NotebookNode) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


def _name(cell: NotebookNode) -> str:
    return _facts(cell).get("grade_id", "")


def _is_test(cell: NotebookNode) -> bool:
    return bool(_facts(cell).get("grade")) and not _facts(cell).get("solution")


def _is_answer(cell: NotebookNode) -> bool:
    """Return whether a cell is code that a test checks; a person reads answers with points."""
    is_code, facts = cell.cell_type == "code", _facts(cell)
    if is_code and BEGIN in cell.source and not facts.get("solution"):
        raise BadExercise(f"a cell holds {BEGIN}, but no nbgrader metadata of a solution")
    return is_code and facts.get("solution", False) and not facts.get("grade", False)


def _refuse_unusable(name: str, cell: NotebookNode, below: list[NotebookNode]) -> None:
    marks = [line for line in map(str.strip, cell.source.splitlines()) if line in (BEGIN, END)]
    if not marks or marks != [BEGIN, END] * (len(marks) // 2):
        raise BadExercise(f"{name!r} needs a line {BEGIN}, and after it a line {END}")
    if not below or not _is_test(below[0]) or _name(below[0]) != f"test-{name}":
        raise BadExercise(f"the cell directly below {name!r} must be its test, 'test-{name}'")


def without_answers(nb: NotebookNode) -> NotebookNode:
    """Return the notebook as a student gets it: no answers, outputs, stamp or hidden tests.

    nbgrader's own steps in its own order, but for those that need its database.
    """
    from nbgrader import preprocessors
    from traitlets.config import Config

    config = Config({"ClearSolutions": {"code_stub": {"python": STUB}}})
    steps = ("CheckCellMetadata", "LockCells", "ClearSolutions", "ClearOutput", "ClearHiddenTests")
    nb, resources = deepcopy(nb), {}
    nb.metadata.pop("practicals", None)
    for step in (*steps, "ComputeChecksums"):
        nb, resources = getattr(preprocessors, step)(config=config)(nb, resources)
    return nb


def sources() -> dict[str, NotebookNode]:
    """Return the notebooks with exercises, stem to content; raise BadExercise where none has."""
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
    package, ignore = "src/practicals", shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(paths.root() / package, folder / package, ignore=ignore)
    readme = Path(__file__).with_name("student.md").read_text(encoding="utf-8")
    for stem, nb in notebooks.items():
        readme += f"| [{stem}](notebooks/{stem}.ipynb) | {', '.join(by_hand(nb))} |\n"
        (folder / "notebooks").mkdir(exist_ok=True)
        nbformat.write(without_answers(nb), folder / "notebooks" / f"{stem}.ipynb")
    (folder / "README.md").write_text(readme, encoding="utf-8")
    # Ledgers hold the published numbers, which tables show beside one's own.
    for name in (*COPIED, *(f"report/generated/{stem}.json" for stem in notebooks)):
        if (paths.root() / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(paths.root() / name, folder / name)


def make() -> Path:
    """Write the hand-out to ``build/student/`` and return that folder."""
    with paths.atomic_folder(target := paths.root() / "build/student") as folder:
        write(folder, sources())
    return target


def both_ways(given: NotebookNode, answered: NotebookNode) -> tuple[NotebookNode, dict[str, int]]:
    """Return a notebook that runs each exercise without its answer and then with it, in four cells.

    The second value says where these begin, name to place. In this order nothing that an answer
    leaves behind can help the test without it; all earlier answers are in place.
    """
    cells, begins = list(deepcopy(given.cells)), {}
    for number, (name, place) in enumerate(by_hand(answered).items()):
        begin = begins[name] = place + 2 * number
        pair = (cell.source for cell in answered.cells[place : place + 2])
        cells[begin + 2 : begin + 2] = map(nbformat.v4.new_code_cell, pair)
    return nbformat.v4.new_notebook(metadata=given.metadata, cells=cells), begins


def run(nb: NotebookNode, folder: Path, label: str) -> None:
    """Run all cells in place, errors kept, in the sample profile of the hand-out in ``folder``.

    Caches are those of the repository, and nothing may be downloaded.
    """
    from tqdm import tqdm

    own = {"PROFILE": "sample", "PRACTICALS_OFFLINE": "1", "TQDM_DISABLE": "1"}
    own |= {"PYTHONPATH": str(folder / "src"), "PRACTICALS_DATA": str(paths.data_dir())}
    foreign = ("PRACTICALS_ROOT", "PRACTICALS_STAGING", "MPLBACKEND")
    environment = {key: value for key, value in os.environ.items() if key not in foreign}
    client = render.client_for(nb, folder / "notebooks")
    client.allow_errors, client.on_cell_execute = True, None
    client.store_widget_state = True  # without it nbclient ends at the first slider
    with tqdm(total=len(nb.cells), desc=label, unit="cell", leave=False) as bar:
        client.on_cell_executed = lambda **_: bar.update()
        client.execute(env=environment | own, cleanup_kc=True)


def error_of(cell: NotebookNode) -> str:
    """Return name and text of the error that a cell ended in, or nothing."""
    errors = (o for o in cell.get("outputs", []) if o.output_type == "error")
    return next((f"{error.ename}: {error.evalue}" for error in errors), "")


def verdicts(nb: NotebookNode, begins: dict[str, int]) -> Iterator[tuple[bool, str]]:
    """Yield, for each exercise and each other cell that failed, whether all is well, and a line."""
    others = dict(enumerate(nb.cells))
    for name, begin in begins.items():
        _, blank, answer, test = (error_of(others.pop(begin + i)) for i in range(4))
        good = blank.startswith(EXPECTED)
        why = blank.partition(":")[0] if good else f"{blank} {HINT}"
        before = f"fails without the answer: {why}" if blank else "passes without the answer"
        after = f"fails with it: {answer or test}" if answer or test else "passes with it"
        yield good and not (answer or test), f"{name}: {before}; {after}"
    for cell in others.values():
        if error_of(cell):
            first = cell.source.strip().partition("\n")[0]
            yield False, f"{first!r}, no exercise: fails with all answers: {error_of(cell)}"


def check(stems: Sequence[str] = ()) -> int:
    """Prove the hand-out of all notebooks, or of ``stems``; print a line for each exercise.

    Return the number of culprits. Raises BadExercise for a stem without exercises.
    """
    notebooks, wrong = sources(), 0
    if unknown := set(stems) - set(notebooks):
        raise BadExercise(f"{unknown}: not among the notebooks with exercises, {set(notebooks)}")
    with TemporaryDirectory(prefix="student-") as name:
        folder = Path(name).resolve()
        write(folder, notebooks)
        for stem in stems or notebooks:
            given = nbformat.read(folder / "notebooks" / f"{stem}.ipynb", as_version=4)
            nb, begins = both_ways(given, notebooks[stem])
            run(nb, folder, stem)
            for good, line in verdicts(nb, begins):
                wrong += not good
                print(f"{stem}: {'' if good else 'WRONG: '}{line}", flush=True)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m practicals.publish.student")
    parser.add_argument("command", choices=("make", "check"))
    parser.add_argument("stems", nargs="*", metavar="STEM", help="check only these notebooks")
    options = parser.parse_args(arguments)
    try:
        if options.command == "make":
            print(f"student: the hand-out is {make().relative_to(paths.root())}/")
            return 0
        wrong = check(options.stems)
    except (BadExercise, RuntimeError) as error:  # RuntimeError: nbgrader, or the kernel died
        print(f"student: {error}", file=sys.stderr)
        return 1
    print(f"student: {f'{wrong} wrong' if wrong else 'every test needs its answer'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
