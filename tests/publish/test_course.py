"""The instructor's page, done: nbgrader hands out a notebook, collects half of it, and marks it.

Slow: ``make course-check``. The notebook is cut to what its exercises need, as the page's commands
are what is on trial here; ``make student-check`` runs the notebooks whole.
"""

import csv
import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from practicals import paths
from practicals.publish import student

pytestmark = pytest.mark.slow
STEM, NAME = "3-adversarial", "adversarial"
SOLVED = "ada"


def nbgrader(folder, *words):
    """Run one of nbgrader's commands in the course; fail with what it said."""
    environment = os.environ | {
        "PROFILE": "sample",
        "PRACTICALS_OFFLINE": "1",
        "TQDM_DISABLE": "1",
        "PRACTICALS_ROOT": str(paths.root()),
        "PYTHONPATH": str(paths.root() / "src"),
    }
    command = [sys.executable, "-m", "nbgrader", *words]
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    return run.stdout + run.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    shutil.copyfile(paths.root() / "site" / "nbgrader_config.py", folder / "nbgrader_config.py")
    (folder / "source" / NAME).mkdir(parents=True)
    whole = nbformat.read(paths.notebooks_dir() / f"{STEM}.ipynb", as_version=4)
    nbformat.write(needed(whole), folder / "source" / NAME / f"{STEM}.ipynb")
    nbgrader(folder, "generate_assignment", NAME)
    return folder


def needed(nb):
    """Leave out the code between exercises that takes minutes: studies, tables and figures."""
    heavy = ("ledger", "study.", "jobs.once", "picker", "now.", "plots.")
    own = set()
    for place in student.by_hand(nb).values():
        own |= {place, place + 1}
    nb.cells = [
        cell
        for place, cell in enumerate(nb.cells)
        if place in own
        or cell.cell_type == "markdown"
        or "import" in cell.source
        or not any(word in cell.source for word in heavy)
    ]
    return nb


def released(folder):
    return nbformat.read(folder / "release" / NAME / f"{STEM}.ipynb", as_version=4)


def test_what_is_handed_out_holds_no_answer(course):
    cells = "\n".join(cell.source for cell in released(course).cells)
    assert "raise NotImplementedError()" in cells and "BEGIN SOLUTION" not in cells


def test_half_of_the_answers_give_half_of_the_points(course):
    source = nbformat.read(course / "source" / NAME / f"{STEM}.ipynb", as_version=4)
    exercises = student.by_hand(source)
    solved = list(exercises)[: len(exercises) // 2]
    answers = {name: source.cells[exercises[name]].source for name in solved}
    nb = released(course)
    for cell in nb.cells:
        facts = cell.metadata.get("nbgrader", {})
        if facts.get("grade_id") in answers:
            cell.source = answers[facts["grade_id"]]
        elif facts.get("grade"):
            cell.source = "pass  # a student who deletes a test"
    target = course / "submitted" / SOLVED / NAME
    target.mkdir(parents=True)
    nbformat.write(nb, target / f"{STEM}.ipynb")
    nbgrader(course, "autograde", NAME)
    nbgrader(course, "generate_feedback", NAME)
    nbgrader(course, "export", "--to", "grades.csv")
    with (course / "grades.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["student_id"] == SOLVED]
    assert len(rows) == 1
    assert float(rows[0]["max_score"]) >= len(exercises)
    marked = nbformat.read(
        course / "autograded" / SOLVED / NAME / f"{STEM}.ipynb", as_version=4
    )  # fmt: skip
    failed = {
        cell.metadata.nbgrader.grade_id
        for cell in marked.cells
        if cell.metadata.get("nbgrader", {}).get("grade") and student.error_of(cell)
    }
    assert failed == {f"test-{name}" for name in exercises if name not in solved}
    assert float(rows[0]["score"]) == len(solved)
    page = course / "feedback" / SOLVED / NAME / f"{STEM}.html"
    assert "NotImplementedError" in page.read_text(encoding="utf-8")
