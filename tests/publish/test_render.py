"""Rendering: a run in a fresh kernel, clean and stamped, or no trace of it."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from practicals import cleaning, execution, render

STEM = "1-transfer-learning"
GOOD = "# a comment\nfrom practicals.results import Ledger\nLedger('1-transfer-learning').save()"


@pytest.fixture
def repository(monkeypatch, tmp_path):
    """Return a function that writes a repository of one notebook with the given code cells."""
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.delenv("PROFILE", raising=False)
    monkeypatch.setattr(render.catalogue, "FIGURES", {})

    def write(*sources):
        cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells), tmp_path / f"notebooks/{STEM}.ipynb")
        return tmp_path

    return write


def test_sample_run_is_stamped_skipped_and_leaves_the_source(repository, capsys):
    progress = "import sys\nprint('\\r 50%|#####     | 1/2', file=sys.stderr)\nprint('real')\n1"
    root = repository(GOOD, progress)
    source = (root / f"notebooks/{STEM}.ipynb").read_bytes()
    assert render.main([]) == 0
    out = capsys.readouterr().out
    assert "[  1/2] a comment" in out and "done in" in out
    nb = nbformat.read(root / f"build/sample/notebooks/{STEM}.ipynb", as_version=4)
    assert [cell.execution_count for cell in nb.cells[1:]] == [1, 2]
    assert [cleaning.text_of(o).strip() for o in nb.cells[2].outputs] == ["real", "1"]
    assert nb.metadata.practicals["profile"] == "sample"
    assert set(nb.metadata) == {"kernelspec", "language_info", "practicals"}
    assert (root / f"notebooks/{STEM}.ipynb").read_bytes() == source
    assert render.main([STEM]) == 0
    assert capsys.readouterr().out == f"{STEM} (sample): up to date\n"
    (root / f"build/sample/generated/{STEM}.tex").unlink()
    code = render.fingerprint.of_stem(STEM, "sample")
    assert not render.is_current(STEM, "sample", code), "an output is missing"


def test_full_run_writes_over_the_notebook_unless_a_cell_fails(repository, capsys, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    root = repository("x = 1", "print('before')\n1 / 0", "x")
    before = (root / f"notebooks/{STEM}.ipynb").read_bytes()
    assert render.main([]) == 1
    error = capsys.readouterr().err
    assert "1 / 0" in error and "ZeroDivisionError" in error and "build/failed" in error
    assert (root / f"notebooks/{STEM}.ipynb").read_bytes() == before
    failed = nbformat.read(root / f"build/failed/{STEM}.ipynb", as_version=4)
    assert failed.cells[2].outputs[-1].ename == "ZeroDivisionError"


def test_a_dead_kernel_is_reported(repository, capsys):
    repository("import os\nos._exit(1)")
    assert render.main([]) == 1
    assert "the kernel died" in capsys.readouterr().err


def fake_run(monkeypatch, change=lambda nb: None):
    """Replace the kernel by ``change``, which fills in a notebook's outputs."""
    monkeypatch.setattr(execution, "execute", lambda nb, stem: change(nb))


def test_a_figure_that_was_not_saved_is_named(repository, capsys, monkeypatch):
    root = repository("x = 1")
    fake_run(monkeypatch)
    monkeypatch.setattr(render.catalogue, "FIGURES", {f"{STEM}-a": STEM})
    monkeypatch.setattr(render.catalogue, "FIGURES_OF", {STEM: {"a": ("png",)}})
    assert render.main([]) == 1
    assert f"did not write {STEM}-a.png, {STEM}.json" in capsys.readouterr().err
    assert (root / f"build/sample/notebooks/{STEM}.ipynb").exists()


def test_a_heavy_notebook_is_refused_with_its_heaviest_cell(repository, capsys, monkeypatch):
    def fill(nb):
        nb.cells[1].execution_count = 1
        nb.cells[1].outputs = [new_output("stream", text="x" * 1_100_000)]

    root = repository("x = 1")
    fake_run(monkeypatch, fill)
    assert render.main([]) == 1
    assert "Heaviest cells: [1] with 1100 kB" in capsys.readouterr().err
    assert not (root / "build/sample").exists()


def test_code_changed_during_the_run_is_noticed(repository, capsys, monkeypatch):
    repository("x = 1")
    fake_run(monkeypatch, lambda nb: repository("x = 2"))
    assert render.main([]) == 1
    assert "changed during the run" in capsys.readouterr().err


def test_magics_names_and_profiles_are_refused(repository, capsys, monkeypatch):
    repository("%time 1")
    assert render.main([]) == 1
    assert "not plain Python" in capsys.readouterr().err
    assert render.main(["1-transfer"]) == 2
    assert f"Did you mean '{STEM}'" in capsys.readouterr().err
    monkeypatch.setenv("PROFILE", "ful")
    assert render.main([]) == 2
    assert "Did you mean 'full'" in capsys.readouterr().err


def test_clean_metadata_keeps_outputs_and_settles(repository, capsys):
    root = repository("1")
    path = root / f"notebooks/{STEM}.ipynb"
    nb = nbformat.read(path, as_version=4)
    nb.metadata["widgets"] = {"state": {}}
    nb.cells[1].metadata = {"execution": {"iopub.status.busy": "now"}, "tags": ["keep"]}
    nb.cells[1].outputs = [new_output("execute_result", {"text/plain": "1"}, execution_count=1)]
    nbformat.write(nb, path)
    assert render.main(["--clean-metadata", str(path)]) == 1
    cleaned = nbformat.read(path, as_version=4)
    assert cleaned.cells[1].metadata == {"tags": ["keep"]} and "widgets" not in cleaned.metadata
    assert cleaned.cells[1].outputs == nb.cells[1].outputs
    assert render.main(["--clean-metadata", str(path)]) == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("result\n", "result\n"),
        ("step 1\rstep 2\n", "step 2\n"),
        (" 10%|█ | 1/10\r100%|██| 10/10 [00:01<00:00, 9.9it/s]\n", ""),
        ("accuracy 93 %\n", "accuracy 93 %\n"),
        ("<f at 0x7f00aa11bb22>", "<f>"),
        ("saved ROOT/figures/x.png", "saved figures/x.png"),
    ],
)
def test_streams_are_cleaned(tmp_path, before, after):
    text = before.replace("ROOT", str(tmp_path))
    outputs = [new_output("stream", name="stdout", text=piece) for piece in (text[:3], text[3:])]
    cleaned = cleaning.clean_outputs(outputs, tmp_path)
    assert [output.text for output in cleaned] == ([after] if after else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://example.org/home/x and a/tmp/b", []),
        ("1/2, and/or, </var>", []),
        ("/" + "tmp/ipykernel_1/2.py:3: UserWarning", ["/" + "tmp/ipykernel_1/2.py:3:"]),
    ],
)
def test_absolute_paths_are_found(tmp_path, text, found):
    assert cleaning.absolute_paths(new_output("stream", text=text), tmp_path) == found


def test_pictures_become_lighter_only_over_the_limit(monkeypatch):
    import base64
    import io

    import numpy as np
    from PIL import Image

    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, "png")
    png = base64.b64encode(out.getvalue()).decode()
    cell = new_code_cell("x", outputs=[new_output("display_data", {"image/png": png})])
    nb = new_notebook(cells=[cell])
    cleaning.lighten(nb)
    assert set(nb.cells[0].outputs[0].data) == {"image/png"}
    monkeypatch.setattr(cleaning, "LIMIT", cleaning.size_of(nb) - 100)
    cleaning.lighten(nb)
    assert set(nb.cells[0].outputs[0].data) == {"image/jpeg"}
    fine = cleaning.size_of(nb)
    nb.cells[0].outputs[0].data = {"image/png": png}
    monkeypatch.setattr(cleaning, "LIMIT", fine - 100)
    cleaning.lighten(nb)
    assert cleaning.size_of(nb) <= fine - 100, "a lower quality, where the first is not enough"


def test_nothing_to_do_takes_no_time(repository):
    root = repository("x = 1")
    (root / f"notebooks/{STEM}.ipynb").unlink()
    command = [sys.executable, "-m", "practicals.render"]
    run = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=30)
    assert run.returncode == 0 and "nothing to do" in run.stdout
