"""The instructor's page, done: nbgrader hands out, collects half of the answers, and marks them.

Slow: ``make course-check``. Every notebook is released; what is submitted and marked is a small one
of the same form, since ``make student-check`` runs the notebooks themselves.
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

from practicals import paths
from practicals.publish import student

pytestmark = pytest.mark.slow
SMALL, STUDENT = "small", "ada"
EXERCISES = {
    "double": ("    return 2 * x", "assert double(3) == 6"),
    "square": ("    return x * x", "assert square(-3) == 9"),
    "halve": ("    return x / 2", "assert halve(3) == 1.5"),
    "negate": ("    return -x", "assert negate(3) == -3"),
}
SOLVED = ("double", "halve")


def nbgrader(folder, *words):
    """Run one of nbgrader's commands in the course; fail with what it said."""
    # As after `source .venv/bin/activate`: nbgrader calls alembic by its name.
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=folder,
        env=os.environ | {"PATH": here, "PROFILE": "sample"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]


def small():
    """Return a notebook with four exercises in the form that all notebooks have."""
    cells = [new_markdown_cell("# A small practical")]
    for name, (answer, test) in EXERCISES.items():
        facts = {"schema_version": 3, "task": False}
        mine = facts | {"grade": False, "grade_id": name, "locked": False, "solution": True}
        check = facts | {"grade": True, "grade_id": f"test-{name}", "locked": True, "points": 1}
        check["solution"] = False
        source = f"def {name}(x):\n    {student.BEGIN}\n{answer}\n    {student.END}"
        cells.append(new_code_cell(source, metadata={"nbgrader": mine}))
        cells.append(new_code_cell(test, metadata={"nbgrader": check}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return a course with the page's settings, in which everything is handed out."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copyfile(paths.root() / "site" / "nbgrader_config.py", folder / "nbgrader_config.py")
    for stem, nb in (student.sources() | {SMALL: small()}).items():
        (folder / "source" / stem).mkdir(parents=True)
        nbformat.write(nb, folder / "source" / stem / f"{stem}.ipynb")
        nbgrader(folder, "generate_assignment", stem)
    return folder


def released(folder, stem):
    return nbformat.read(folder / "release" / stem / f"{stem}.ipynb", as_version=4)


def test_every_notebook_is_handed_out_without_answers(course):
    for stem, nb in student.sources().items():
        text = "\n".join(cell.source for cell in released(course, stem).cells)
        assert student.BEGIN not in text, stem
        assert text.count("raise NotImplementedError()") >= len(student.by_hand(nb)), stem


def test_half_of_the_answers_give_half_of_the_points(course):
    nb, whole = released(course, SMALL), small()
    for name, place in student.by_hand(whole).items():
        assert "NotImplementedError" in nb.cells[place].source
        if name in SOLVED:
            nb.cells[place].source = whole.cells[place].source
        else:
            nb.cells[place + 1].source = "pass  # a student who edits a test"
    target = course / "submitted" / STUDENT / SMALL
    target.mkdir(parents=True)
    nbformat.write(nb, target / f"{SMALL}.ipynb")
    nbgrader(course, "autograde", SMALL)
    nbgrader(course, "generate_feedback", SMALL)
    nbgrader(course, "export", "--to", "grades.csv")
    with (course / "grades.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if (r["student_id"], r["assignment"]) ==
                (STUDENT, SMALL)]  # fmt: skip
    assert [(float(r["score"]), float(r["max_score"])) for r in rows] == [(2, 4)]
    marked = nbformat.read(course / "autograded" / STUDENT / SMALL / f"{SMALL}.ipynb", as_version=4)
    failed = {
        cell.metadata.nbgrader.grade_id
        for cell in marked.cells
        if cell.metadata.get("nbgrader", {}).get("grade") and student.error_of(cell)
    }
    assert failed == {f"test-{name}" for name in EXERCISES if name not in SOLVED}
    page = course / "feedback" / STUDENT / SMALL / f"{SMALL}.html"
    assert "NotImplementedError" in page.read_text(encoding="utf-8")
