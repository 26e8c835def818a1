"""Every notebook in the sample profile, as impatient students run it. Slow: ``make twice``."""

import os
from copy import deepcopy

import nbformat
import pytest

from provenance import project, render

pytestmark = pytest.mark.slow


def run(stem, arrange, monkeypatch):
    """Run a notebook's code cells in one kernel, in the arrangement given."""
    monkeypatch.setenv("PROFILE", "sample")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.delenv("PROVENANCE_STAGING", raising=False)
    monkeypatch.delenv("PROVENANCE_CACHE", raising=False)  # what the report has kept saves minutes
    monkeypatch.delenv("MPLBACKEND", raising=False)
    nb = nbformat.read(project.current().notebooks() / f"{stem}.ipynb", as_version=4)
    nb.cells = arrange([cell for cell in nb.cells if cell.cell_type == "code"])
    for number, cell in enumerate(nb.cells):
        cell.id = f"cell-{number}"
    client = render.client_for(nb, project.current().notebooks())
    client.timeout = 1200
    client.store_widget_state = True  # without it nbclient ends at the first slider
    client.execute(env=dict(os.environ), cleanup_kc=True)


@pytest.mark.parametrize("stem", project.current().stems())
def test_every_cell_runs_twice(stem, monkeypatch):
    run(stem, lambda cells: [deepcopy(c) for cell in cells for c in (cell, cell)], monkeypatch)


@pytest.mark.parametrize("stem", project.current().stems())
def test_a_notebook_runs_twice_in_one_kernel(stem, monkeypatch):
    run(stem, lambda cells: [*cells, *deepcopy(cells)], monkeypatch)
