"""The instructor's page, done: nbgrader hands out, collects half of the answers, and marks them.

Slow: ``make course-check``. Every notebook is released. Submitted and marked are a small one of the
same form and one chapter, or those that ``NOTEBOOKS`` names. Every second exercise is answered, so
that an answer must earn its points also where the one before it is missing.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from practicals import paths
from provenance import handout

pytestmark = pytest.mark.slow
SMALL, EVERY, STUDENT = "small", "every", "ada"
EXERCISES = {
    "double": ("    return 2 * x", "assert double(3) == 6"),
    "square": ("    return x * x", "assert square(-3) == 9"),
    "halve": ("    return x / 2", "assert halve(3) == 1.5"),
    "negate": ("    return -x", "assert negate(3) == -3"),
}
WORDS = "I see that it grows."
READINGS = ("answered", "left-empty")
CHOSEN = os.environ.get("NOTEBOOKS", "").split() or ["2-saliency"]


def environment(folder):
    """Return what nbgrader's commands find set: a student's package, and no repository around it.

    As after ``source .venv/bin/activate``, since nbgrader calls alembic by its name.
    """
    foreign = ("PRACTICALS_ROOT", "PROVENANCE_STAGING", "MPLBACKEND")
    kept = {key: value for key, value in os.environ.items() if key not in foreign}
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(folder / "handout" / "src"),
        "PRACTICALS_DATA": str(paths.data_dir()),
        "PRACTICALS_OFFLINE": "1",
        "PROFILE": "sample",
        "TQDM_DISABLE": "1",
    }


def nbgrader(folder, *words):
    """Run one of nbgrader's commands in the course; fail with what it said."""
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]


def small():
    """Return a notebook with four exercises in the form that all notebooks have."""
    told = 'ledger.claim("it-GROWS", "It GROWS", 1 < 2, expect="true")'
    facts = {"schema_version": 3, "task": False, "solution": True, "locked": False}
    cells = [new_markdown_cell("# A small practical"), new_code_cell(told)]
    for name in READINGS:
        mine = facts | {"grade": True, "grade_id": name, "points": 2}
        cells.append(new_markdown_cell("**Reading.** It GROWS.", metadata={"nbgrader": mine}))
    for name, (answer, test) in EXERCISES.items():
        facts = {"schema_version": 3, "task": False}
        mine = facts | {"grade": False, "grade_id": name, "locked": False, "solution": True}
        check = facts | {"grade": True, "grade_id": f"test-{name}", "locked": True, "points": 1}
        check["solution"] = False
        source = f"def {name}(x):\n    {handout.BEGIN['code']}\n{answer}\n    {handout.END['code']}"
        cells.append(new_code_cell(source, metadata={"nbgrader": mine}))
        cells.append(new_code_cell(test, metadata={"nbgrader": check}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def whole(stem):
    """Return a notebook with its answers."""
    return small() if stem == SMALL else handout.sources()[stem]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return a course with the page's settings, in which everything is handed out.

    All notebooks are one assignment, which takes one start of nbgrader; those to be marked are
    one each, as on the page.
    """
    folder, notebooks = tmp_path_factory.mktemp("course"), handout.sources()
    shutil.copyfile(paths.root() / "site" / "nbgrader_config.py", folder / "nbgrader_config.py")
    handout.write(folder / "handout", notebooks)
    assignments = {EVERY: list(notebooks)} | {stem: [stem] for stem in (SMALL, *CHOSEN)}
    for assignment, stems in assignments.items():
        (folder / "source" / assignment).mkdir(parents=True)
        for stem in stems:
            nbformat.write(whole(stem), folder / "source" / assignment / f"{stem}.ipynb")
        nbgrader(folder, "generate_assignment", assignment)
    return folder


def released(folder, assignment, stem):
    return nbformat.read(folder / "release" / assignment / f"{stem}.ipynb", as_version=4)


def test_every_notebook_is_handed_out_without_answers(course):
    ours = {stem: handout.without_answers(nb) for stem, nb in handout.sources().items()}
    for stem, nb in ours.items():
        given = [cell.source for cell in released(course, EVERY, stem).cells]
        assert given == [cell.source for cell in nb.cells], stem
    assert all("GROWS" not in cell.source for cell in released(course, SMALL, SMALL).cells)


def hand_in(folder, stem):
    """Submit every second answer, and edited tests where there is none; return the missing ones."""
    nb, answers = released(folder, stem, stem), whole(stem)
    places = handout.by_hand(answers)
    missing = list(places)[1::2]
    for name, place in places.items():
        assert "NotImplementedError" in nb.cells[place].source
        if name in missing:
            nb.cells[place + 1].source = "pass  # a student who edits a test"
        else:
            nb.cells[place].source = answers.cells[place].source
    for cell in nb.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == READINGS[0]:
            cell.source = WORDS
    target = folder / "submitted" / STUDENT / stem
    target.mkdir(parents=True)
    nbformat.write(nb, target / f"{stem}.ipynb")
    return missing


def points(folder, stem):
    """Return score and possible points of the student, as an export says."""
    nbgrader(folder, "export", "--to", "grades.csv")
    with (folder / "grades.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["student_id"] == STUDENT]
    (row,) = (row for row in rows if row["assignment"] == stem)
    return float(row["score"]), float(row["max_score"])


@pytest.mark.parametrize("stem", [SMALL, *CHOSEN])
def test_half_of_the_answers_give_half_of_the_points(course, stem):
    missing = hand_in(course, stem)
    nbgrader(course, "autograde", stem)
    nbgrader(course, "generate_feedback", stem)
    marked = nbformat.read(course / "autograded" / STUDENT / stem / f"{stem}.ipynb", as_version=4)
    tests = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in marked.cells
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")
    }
    failed = {name: error for name, cell in tests.items() if (error := handout.error_of(cell))}
    assert set(failed) == {f"test-{name}" for name in missing}, failed
    earned = sum(
        cell.metadata.nbgrader.points for name, cell in tests.items() if name not in failed
    )
    if stem == SMALL:  # what a person reads comes through as it was written, and has no mark yet
        assert [c.source for c in marked.cells if c.cell_type == "markdown"][1] == WORDS
        with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
            found = book.find_submission_notebook(stem, stem, STUDENT).grades
            needed = {grade.name: grade.needs_manual_grade for grade in found}
        assert needed[READINGS[0]] and not needed[READINGS[1]], "an empty answer has 0 points"
    score, most = points(course, stem)
    assert 0 < score == earned < most
    page = course / "feedback" / STUDENT / stem / f"{stem}.html"
    assert "NotImplementedError" in page.read_text(encoding="utf-8")
