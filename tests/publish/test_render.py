"""Rendering: a run in a fresh kernel, clean and stamped, or no trace of it."""

import json
import os
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from practicals import fingerprint, paths, runtime
from practicals.publish import cleaning, render
from practicals.publish.ledger import Ledger

STEM = "1-transfer-learning"
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


@pytest.fixture
def repository(monkeypatch, tmp_path):
    """Return a function that writes a repository of one notebook with the given code cells."""
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.setenv("PROFILE", "sample")
    monkeypatch.setattr(runtime, "describe", lambda: {"device": "cpu"})

    def write(*sources, stem=STEM):
        cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells), tmp_path / f"notebooks/{stem}.ipynb")
        return tmp_path

    return write


def kernels():
    return [p for p in psutil.Process().children() if "ipykernel_launcher" in p.cmdline()]


def files(root):
    """Return the content of everything in the repository but what is kept of failed runs."""
    found = [path for path in root.rglob("*") if path.is_file()]
    names = {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
    return {name: data for name, data in names.items() if not name.startswith("build/failed/")}


def test_a_run_is_stamped_skipped_and_leaves_the_source(repository, capsys):
    progress = "import sys\nprint('\\r 50%|#####     | 1/2', file=sys.stderr)\nprint('a\\nreal')\n1"
    root = repository(SAVE, progress)
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


def is_current(name="sample"):
    return render.is_current(STEM, name, fingerprint.of_stem(STEM, name))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_notebook_that_saves_and_then_fails_leaves_what_is_published(
    repository, capsys, monkeypatch
):
    monkeypatch.setenv("PROFILE", "full")
    root = repository(SAVE, "print('before')\n1 / 0", "x")
    publish_older(root)
    before = files(root)
    assert render.main([]) == 1
    error = capsys.readouterr().err
    assert "1 / 0" in error and "ZeroDivisionError" in error and "nothing else was written" in error
    assert files(root) == before and kernels() == []
    failed = nbformat.read(root / f"build/failed/{STEM}.ipynb", as_version=4)
    assert failed.cells[2].outputs[-1].ename == "ZeroDivisionError"


def publish_older(root, stem=STEM):
    for name in (f"figures/{stem}-old.png", f"report/generated/{stem}.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")


def test_a_dead_kernel_is_reported_and_stops_the_rest(repository, capsys):
    repository("import os\nos._exit(1)")
    root = repository("x = 1", stem="2-saliency")
    assert render.main([]) == 1
    captured = capsys.readouterr()
    assert "the kernel died" in captured.err and "2-saliency" not in captured.out
    assert not (root / "build/sample").exists() and kernels() == []


def fake_run(monkeypatch, change):
    """Replace the kernel by ``change(nb)``, which runs as a notebook's cells do."""

    def execute(nb, stem, staging):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PRACTICALS_STAGING", str(staging))
            change(nb)

    monkeypatch.setattr(render, "execute", execute)


def save(*figures, stem=STEM):
    def run(nb):
        ledger = Ledger(stem)
        for name in figures:
            ledger.figure(name, plt.figure(figsize=(1, 1)), "A figure", "Nothing")
        ledger.table("layers", ["a"], [["x"]])
        ledger.save()

    return run


def test_a_full_run_takes_the_place_of_the_last_one(repository, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    root = repository("x = 1")
    publish_older(root)
    publish_older(root, f"{STEM}-extra")
    (root / f"notebooks/{STEM}-extra.ipynb").write_bytes(
        (root / f"notebooks/{STEM}.ipynb").read_bytes()
    )
    fake_run(monkeypatch, save("a"))
    assert render.main([STEM]) == 0 and is_current("full")
    outputs = {n for n in files(root) if not n.startswith("notebooks/")}
    assert outputs == {
        *(f"figures/{STEM}-{name}" for name in ("a.pdf", "a.png", "extra-old.png")),
        *(f"report/generated/{STEM}{name}" for name in
          (".json", ".tex", "-layers.tex", "-extra.json")),
    }  # fmt: skip
    for name in (f"figures/{STEM}-a.png", f"report/generated/{STEM}-layers.tex"):
        before = (root / name).read_bytes()
        (root / name).write_bytes(before + b" ")
        assert not is_current("full"), f"{name} was altered"
        (root / name).write_bytes(before)
    assert is_current("full")
    edit(root / f"notebooks/{STEM}.ipynb", '"full"', '"lab"')
    assert not is_current("full"), "another profile"


def test_a_run_that_saves_no_ledger_publishes_nothing(repository, capsys, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    root = repository("x = 1")
    publish_older(root)
    before = files(root)
    fake_run(monkeypatch, lambda nb: None)
    assert render.main([]) == 1
    assert f"did not write {STEM}.json" in capsys.readouterr().err and files(root) == before


def test_a_copied_notebook_does_not_write_over_the_first_ones_outputs(repository, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    root = repository("x = 1")
    fake_run(monkeypatch, save("a"))
    assert render.main([]) == 0
    repository("x = 2", stem=f"{STEM}-Copy1")
    before = files(root)
    assert render.main([f"{STEM}-Copy1"]) == 1
    assert files(root) == before

    def both(nb):
        save("b")(nb)
        save("a", stem=f"{STEM}-Copy1")(nb)

    fake_run(monkeypatch, both)
    assert render.main([f"{STEM}-Copy1"]) == 0
    after = files(root)
    foreign = [name for name in before if "Copy1" not in name]
    assert {n: after[n] for n in foreign} == {n: before[n] for n in foreign}
    assert f"figures/{STEM}-b.png" not in after and f"figures/{STEM}-Copy1-a.png" in after


def test_a_run_under_another_profile_than_asked_publishes_nothing(repository, capsys, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    root = repository("x = 1")

    def switch(nb):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PROFILE", "lab")
            save("a")(nb)

    fake_run(monkeypatch, switch)
    assert render.main([]) == 1
    assert f"did not write {STEM}.json" in capsys.readouterr().err
    assert not (root / "figures").exists() and not (root / "report").exists()


def test_a_heavy_notebook_is_refused_with_its_heaviest_cell(repository, capsys, monkeypatch):
    def fill(nb):
        save("a")(nb)
        nb.cells[1].execution_count = 1
        nb.cells[1].outputs = [new_output("stream", text="x" * (cleaning.LIMIT + 1000))]

    root = repository("x = 1")
    fake_run(monkeypatch, fill)
    assert render.main([]) == 1
    assert "Heaviest cells: [1] with 3001 kB" in capsys.readouterr().err
    assert not (root / "build/sample").exists()


def test_code_changed_during_the_run_is_noticed(repository, capsys, monkeypatch):
    root = repository("x = 1")

    def change(nb):
        save("a")(nb)
        repository("x = 2")

    fake_run(monkeypatch, change)
    assert render.main([]) == 1
    assert "changed during the run" in capsys.readouterr().err
    assert not (root / "build/sample").exists()


def test_force_runs_what_is_up_to_date(repository, monkeypatch, capsys):
    repository("x = 1")
    fake_run(monkeypatch, save("a"))
    for arguments, said in (([], "running"), ([], "up to date"), (["--force"], "running")):
        assert render.main(arguments) == 0
        assert f"{STEM} (sample): {said}" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["cut", "merge", "latin-1", "list"])
def test_a_notebook_that_cannot_be_read_is_named_and_the_others_run(
    repository, capsys, monkeypatch, damage
):
    root = repository("x = 1", stem="2-saliency")
    repository("x = 'é'")
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


def test_a_rendered_notebook_that_cannot_be_read_is_run_again(repository, monkeypatch):
    root = repository("x = 1")
    fake_run(monkeypatch, save("a"))
    assert render.main([]) == 0 and is_current()
    target = root / f"build/sample/notebooks/{STEM}.ipynb"
    for content in (target.read_bytes()[:-30], b"[]", b""):
        target.write_bytes(content)
        assert not is_current()
        assert render.main([]) == 0 and is_current()


def test_what_a_killed_run_left_does_not_stay(repository, monkeypatch):
    root = repository("x = 1")
    left = root / "build/.staging-1-x"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    fake_run(monkeypatch, save("a"))
    assert render.main([]) == 0 and not left.exists()


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


def test_cell_metadata_that_means_something_stays(tmp_path):
    kept = {"tags": ["hide-input"], "nbgrader": {"grade": True, "solution": False}}
    nb = new_notebook(cells=[new_code_cell("1", metadata=kept | {"collapsed": True})])
    assert cleaning.clean(nb, tmp_path).cells[0].metadata == kept


def test_the_hash_of_outputs_sees_any_edit_and_nothing_else(tmp_path):
    def hashed(*outputs, source="1", count=1):
        cells = [new_code_cell(source, outputs=list(outputs), execution_count=count)]
        nb = new_notebook(cells=[new_markdown_cell(source), *cells])
        cleaning.write(nb, tmp_path / "x.ipynb")
        again = cleaning.outputs_hash(cleaning.read(tmp_path / "x.ipynb").cells)
        assert again == cleaning.outputs_hash(nb.cells), "a file keeps it"
        return again

    text = new_output("stream", name="stdout", text="a\nb\n")
    picture = new_output("display_data", {"image/png": "aGk=", "text/plain": "x"})
    found = [hashed(), hashed(text), hashed(picture), hashed(text, picture), hashed(picture, text)]
    found += [hashed(new_output("stream", name="stderr", text="a\nb\n"))]
    found += [hashed(new_output("display_data", {"image/png": "aGkh", "text/plain": "x"}))]
    assert len(set(found)) == len(found)
    assert hashed(text, source="2") == hashed(text)


def test_nothing_to_do_takes_no_time(repository):
    root = repository("x = 1")
    (root / f"notebooks/{STEM}.ipynb").unlink()
    command = [sys.executable, "-m", "practicals.publish.render"]
    run = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and "nothing to do" in run.stdout
    assert paths.root() == root
