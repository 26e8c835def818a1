"""Times on the instructor's page: from committed notebooks, word for word."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from practicals import paths
from practicals.publish import render, times

FACTS = {"device": "cpu (x86_64)", "precision": "float32", "threads": "2"}


def notebook(text="'3 numbers, 1 tables; 12.5 minutes'"):
    shown = [new_output("execute_result", {"text/plain": text})] if text else []
    opening = "# 1 · One: why?\n\n**Time on two cores:** sample 2 minutes, lab 6.  \n**More:** x"
    cells = [new_markdown_cell(opening), new_code_cell("now.close()", outputs=shown)]
    return new_notebook(cells=cells, metadata={"practicals": FACTS} if text else {})


def test_times_come_from_the_last_cell_and_the_opening():
    titles = {"1-x": "1 · One: why?", "2-y": "2 · Two"}
    text = times.page({"1-x": notebook(), "2-y": notebook("")}, titles)
    assert (
        "| 1 · One | 12.5 minutes | cpu (x86\\_64), float32, 2 threads | sample 2 minutes," in text
    )
    assert "| 2 · Two | is due | – | sample 2 minutes, lab 6. |" in text
    assert times.minutes(notebook("'no time'")) is None


def test_the_time_of_one_profile_is_read_from_the_opening():
    said = "sample profile 2 minutes, lab 6, full about an hour the first time; later less."
    nb = new_notebook(cells=[new_markdown_cell(f"# 1\n\n**Time on two cores:** {said}")])
    found = [times.first_run(nb, name) for name in ("sample", "lab", "full", "other")]
    assert found == ["2 minutes", "6 minutes", "about an hour", "–"]


@pytest.mark.parametrize("stem", render.stems())
def test_every_committed_notebook_says_its_times(stem):
    nb = nbformat.read(paths.notebooks_dir() / f"{stem}.ipynb", as_version=4)
    assert "–" not in [times.first_run(nb, name) for name in ("sample", "lab", "full")]
    if "practicals" in nb.metadata:
        assert float(times.minutes(nb)) > 0
