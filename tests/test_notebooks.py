"""Every notebook in the sample profile, as impatient students run it. Slow: ``make twice``."""

import os
from copy import deepcopy

import nbformat
import pytest

from practicals import paths
from practicals.publish import listening, render

pytestmark = pytest.mark.slow


def run(stem, arrange, monkeypatch):
    """Run a notebook's code cells in one kernel, in the arrangement given."""
    from nbclient import NotebookClient

    monkeypatch.setenv("PROFILE", "sample")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.delenv("PRACTICALS_STAGING", raising=False)
    monkeypatch.delenv("MPLBACKEND", raising=False)
    nb = nbformat.read(paths.notebooks_dir() / f"{stem}.ipynb", as_version=4)
    nb.cells = arrange([cell for cell in nb.cells if cell.cell_type == "code"])
    for number, cell in enumerate(nb.cells):
        cell.id = f"cell-{number}"
    folder = {"metadata": {"path": str(paths.notebooks_dir())}}
    client = NotebookClient(nb, kernel_name="python3", timeout=1200, resources=folder)
    listening.attentive(client).execute(env=dict(os.environ), cleanup_kc=True)


@pytest.mark.parametrize("stem", render.stems())
def test_every_cell_runs_twice(stem, monkeypatch):
    run(stem, lambda cells: [deepcopy(c) for cell in cells for c in (cell, cell)], monkeypatch)


@pytest.mark.parametrize("stem", render.stems())
def test_a_notebook_runs_twice_in_one_kernel(stem, monkeypatch):
    run(stem, lambda cells: [*cells, *deepcopy(cells)], monkeypatch)
