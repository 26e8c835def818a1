"""Running notebooks: what a run leaves, what a failed or interrupted one does not."""

import os
import signal
import subprocess
import sys
import time
from copy import deepcopy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from tests.provenance import published
from tests.provenance.published import STEM

from provenance import check, render

CELLS = published.CELLS


def files(root):
    """Return the content of all files but those kept of failed runs."""
    found = [p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    names = {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
    return {name: data for name, data in names.items() if not name.startswith("build/failed/")}


@pytest.fixture
def project_of(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_ROOT", str(tmp_path))
    return lambda *cells: published.build(tmp_path, cells)


def test_a_small_profile_leaves_what_is_published_alone(project_of):
    root = project_of(*CELLS)
    before = files(root)
    status, said = published.run(root, "render", profile="sample")
    assert status == 0, said
    after = files(root)
    assert {name: after[name] for name in before} == before
    new = [name for name in after if name not in before]
    assert new and all(name.startswith("build/sample/") for name in new)
    shown = check.read(root / f"build/sample/notebooks/{STEM}.ipynb")
    assert "describe the published run" in str(shown.cells[2].outputs)
    assert "close_all" not in nbformat.writes(shown)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ((*CELLS, "1 / 0"), "ZeroDivisionError"),
        (("1 + 1",), "handed nothing over"),
        ((*CELLS, CELLS[2]), "two cells hand over the same name: ['scores']"),
        ((*CELLS, "%time"), "is not plain Python"),
        ((*CELLS, "import os; os._exit(1)"), "kernel died"),
        (("print('x' * 6_000_000)", *CELLS), "more than 5 MB"),
    ],
    ids=["error", "nothing", "twice", "magic", "dead", "heavy"],
)
def test_a_run_that_fails_leaves_nothing(project_of, cells, said):
    root = project_of(*cells)
    before = files(root)
    status, told = published.run(root, "render")
    assert status == 1
    assert said in told
    assert "Traceback" not in told.partition("running")[0]  # a cell's own may be shown
    assert files(root) == before


def test_an_interrupt_ends_the_whole_command(project_of):
    """Ctrl-C in the first of two notebooks: the second does not begin, and nothing is left."""
    root = project_of("import time\ntime.sleep(120)")
    published.write_notebook(root, CELLS, stem="2-other")
    before = files(root)
    environment = os.environ | {"PYTHONPATH": str(published.SOURCE), "PROFILE": "full"}
    command = [sys.executable, "-m", "provenance.render"]
    run = subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
        # Ctrl-C is ignored by what a shell has put in the background, and so by its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    said = ""
    while "import time" not in said:
        said += run.stdout.read(1)
    time.sleep(1)
    os.killpg(run.pid, signal.SIGINT)
    said += run.communicate(timeout=30)[0]
    assert run.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert "2-other" not in said
    assert files(root) == before


def test_a_new_run_removes_what_the_last_one_had_left(project_of):
    root = project_of(*CELLS)
    old, other = root / f"figures/{STEM}-old.pdf", root / "figures/1-maps-more-curve.pdf"
    published.write_notebook(root, CELLS[:2], stem="1-maps-more")
    for path in (old, other):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert published.run(root, "render", STEM)[0] == 0
    assert not old.exists()
    assert other.exists()


def test_a_name_that_is_unknown_is_refused(project_of):
    root = project_of(*CELLS)
    status, said = published.run(root, "render", "1-mapz")
    assert status == 1
    assert f"Did you mean '{STEM}'" in said
    status, said = published.run(root, "render", profile="ful")
    assert (status, said.count("\n")) == (1, 1)
    assert "Did you mean 'full'" in said


def test_a_folder_that_cannot_be_written_is_one_line(project_of):
    root = project_of(*CELLS)
    (root / "build").write_text("a file where a folder is needed")
    status, said = published.run(root, "render")
    assert status == 1
    assert "Traceback" not in said
    assert "build" in said


def test_traces_of_one_machine_go(project_of):
    root = project_of(*CELLS)
    outputs = [
        new_output("stream", name="stderr", text=" 50%|█████     | 1/2\n"),
        new_output("stream", name="stdout", text=f"{root}/a.png at 0x7f0000aa\n"),
        new_output("stream", name="stdout", text="first\rlast\n"),
        new_output("display_data", data={render.WIDGET: {}, "text/plain": "w"}),
    ]
    cells = [new_code_cell("1", outputs=outputs, metadata={"tags": ["x"], "collapsed": True})]
    nb = render.strip(new_notebook(cells=[*cells, *deepcopy(cells)], metadata={"widgets": {}}))
    assert [output.text for output in nb.cells[0].outputs] == ["a.png\nlast\n"]
    assert nb.cells[0].metadata == {"tags": ["x"]}
    assert set(nb.metadata) == {"kernelspec", "language_info"}
    assert nb.cells[0].id != nb.cells[1].id
