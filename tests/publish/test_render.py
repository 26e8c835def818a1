"""Rendering: a run in a fresh kernel, clean and stamped, or no trace of it."""

import json
import os
import subprocess
import sys

import nbformat
import psutil
import pytest
from nbformat.v4 import new_output
from tests.publish.runs import STEM, fake_run, files, is_current, publish_older, save
from tests.publish.small import edit

from practicals import fingerprint, paths
from practicals.publish import cleaning, render

# A ledger is only text and a hash: written by hand it spares a kernel the time to load torch.
SAVE = f"""# a comment
import os, json
from pathlib import Path
from practicals import fingerprint
base, name = Path(os.environ["PRACTICALS_STAGING"]), os.environ["PROFILE"]
for file, text in {{
    "figures/{STEM}-new.png": "new",
    "data/models/net.pt": "weights",
    "report/generated/{STEM}.tex": "numbers",
    "report/generated/{STEM}.json": json.dumps({{
        "code": fingerprint.of_stem("{STEM}", name), "profile": name, "tables": {{}},
        "values": {{}}, "figures": {{"new": {{"files": {{}}}}}},
    }}),
}}.items():
    (base / file).parent.mkdir(parents=True, exist_ok=True)
    (base / file).write_text(text)"""


def kernels():
    return [p for p in psutil.Process().children() if "ipykernel_launcher" in p.cmdline()]


def test_a_run_is_stamped_skipped_and_leaves_the_source(repository_of, capsys):
    progress = "import sys\nprint('\\r 50%|#####     | 1/2', file=sys.stderr)\nprint('a\\nreal')\n1"
    root = repository_of(SAVE, progress)
    source = (root / f"notebooks/{STEM}.ipynb").read_bytes()
    assert render.main([]) == 0
    assert kernels() == [], "a finished kernel gives its memory back"
    out = capsys.readouterr().out
    assert "[  1/2] a comment" in out and "done in" in out
    target = root / f"build/sample/notebooks/{STEM}.ipynb"
    nb = nbformat.read(target, as_version=4)
    assert [cell.execution_count for cell in nb.cells[1:]] == [1, 2]
    assert [cleaning.text_of(o).strip() for o in nb.cells[2].outputs] == ["a\nreal", "1"]
    stamp = nb.metadata.practicals
    assert stamp["profile"] == "sample" and stamp["hash"] == fingerprint.of_stem(STEM, "sample")
    assert set(nb.metadata) == {"kernelspec", "language_info", "practicals"}
    assert (root / f"notebooks/{STEM}.ipynb").read_bytes() == source
    assert (root / "build/sample/data/models/net.pt").read_text() == "weights"
    assert not list((root / "build").glob(".staging*"))
    assert render.main([STEM]) == 0
    assert capsys.readouterr().out == f"{STEM} (sample): up to date\n"
    assert is_current()
    edit(target, "a\\n", "b\\n")
    assert not is_current(), "an output was edited"
    edit(target, "b\\n", "a\\n")
    (root / f"build/sample/report/generated/{STEM}.tex").unlink()
    assert not is_current(), "an output is missing"


def test_a_notebook_that_saves_and_then_fails_leaves_what_is_published(
    repository_of, capsys, monkeypatch
):
    monkeypatch.setenv("PROFILE", "full")
    root = repository_of(SAVE, "print('before')\n1 / 0", "x")
    publish_older(root)
    before = files(root)
    assert render.main([]) == 1
    error = capsys.readouterr().err
    assert "1 / 0" in error and "ZeroDivisionError" in error and "nothing else was written" in error
    assert files(root) == before and kernels() == []
    failed = nbformat.read(root / f"build/failed/{STEM}.ipynb", as_version=4)
    assert failed.cells[2].outputs[-1].ename == "ZeroDivisionError"


def test_a_dead_kernel_is_reported_and_stops_the_rest(repository_of, capsys):
    repository_of("import os\nos._exit(1)")
    root = repository_of("x = 1", stem="2-saliency")
    assert render.main([]) == 1
    captured = capsys.readouterr()
    assert "the kernel died" in captured.err and "2-saliency" not in captured.out
    assert not (root / "build/sample").exists() and kernels() == []


def test_force_runs_what_is_up_to_date(repository_of, monkeypatch, capsys):
    repository_of("x = 1")
    fake_run(monkeypatch, save("a"))
    for arguments, said in (([], "running"), ([], "up to date"), (["--force"], "running")):
        assert render.main(arguments) == 0
        assert f"{STEM} (sample): {said}" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["cut", "merge", "latin-1", "list"])
def test_a_notebook_that_cannot_be_read_is_named_and_the_others_run(
    repository_of, capsys, monkeypatch, damage
):
    root = repository_of("x = 1", stem="2-saliency")
    repository_of("x = 'é'")
    broken = root / f"notebooks/{STEM}.ipynb"
    text = json.dumps(json.loads(broken.read_text()), ensure_ascii=False)
    broken.write_bytes({
        "cut": text[:-40].encode(),
        "merge": f"<<<<<<< HEAD\n{text}".encode(),
        "latin-1": text.encode("latin-1"),
        "list": b"[1]",
    }[damage])  # fmt: skip
    fake_run(monkeypatch, save("a", stem="2-saliency"))
    assert render.main([]) == 1
    captured = capsys.readouterr()
    assert (
        f"{STEM}.ipynb cannot be run" in captured.err
        and "2-saliency (sample): done" in captured.out
    )


def test_a_rendered_notebook_that_cannot_be_read_is_run_again(repository_of, monkeypatch):
    root = repository_of("x = 1")
    fake_run(monkeypatch, save("a"))
    assert render.main([]) == 0 and is_current()
    target = root / f"build/sample/notebooks/{STEM}.ipynb"
    for content in (target.read_bytes()[:-30], b"[]", b""):
        target.write_bytes(content)
        assert not is_current()
        assert render.main([]) == 0 and is_current()


def test_magics_names_and_profiles_are_refused(repository_of, capsys, monkeypatch):
    repository_of("%time 1")
    assert render.main([]) == 1
    assert "not plain Python" in capsys.readouterr().err
    assert render.main(["1-transfer"]) == 2
    assert f"Did you mean '{STEM}'" in capsys.readouterr().err
    monkeypatch.setenv("PROFILE", "ful")
    assert render.main([]) == 2
    assert "Did you mean 'full'" in capsys.readouterr().err


def test_clean_metadata_keeps_outputs_and_settles(repository_of, capsys):
    root = repository_of("1")
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


def test_nothing_to_do_takes_no_time(repository_of):
    root = repository_of("x = 1")
    (root / f"notebooks/{STEM}.ipynb").unlink()
    command = [sys.executable, "-m", "practicals.publish.render"]
    run = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and "nothing to do" in run.stdout
    assert paths.root() == root
