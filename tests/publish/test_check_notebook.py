"""What is wrong with a published notebook is named."""

import shutil

import pytest
from nbformat.v4 import new_output
from tests.publish.small import (
    NOTEBOOK,
    STEM,
    add,
    blame,
    edit,
    edit_cell,
    write_notebook,
)

from practicals import profile
from practicals.publish import check


def shows(text):
    return lambda root: edit_cell(
        root, outputs=[new_output("stream", name="stdout", text=f"saved {text}\n")]
    )


def duplicate_id(root):
    path = root / f"notebooks/{STEM}.ipynb"
    edit(path, '"id": "b"', '"id": "a"')


BREAKS = {
    "cell changed": (lambda r: edit_cell(r, source="print('ho')"), NOTEBOOK, "is stale"),
    "no stamp": (lambda r: write_notebook(r), NOTEBOOK, "never been rendered"),
    "sample notebook": (
        lambda r: edit(r / NOTEBOOK, '"profile": "full"', '"profile": "sample"'),
        NOTEBOOK, "profile 'sample'"),
    "magic": (lambda r: edit_cell(r, source="%time 1"), NOTEBOOK, "not plain Python"),
    "count": (lambda r: edit_cell(r, execution_count=3), NOTEBOOK, "carries the count [3]"),
    "never run": (lambda r: edit_cell(r, execution_count=None), NOTEBOOK, "the count [None]"),
    "error output": (
        lambda r: edit_cell(r, outputs=[new_output("error", ename="ValueError", evalue="bad")]),
        NOTEBOOK, "ValueError: bad"),
    "home path": (shows("/" + "home/ada/x.png"), NOTEBOOK, "absolute path /home/ada/x.png"),
    "windows path": (shows(r"C:\Users\ada\x"), NOTEBOOK, r"absolute path C:\Users\ada\x"),
    "root's path": (lambda r: shows(r)(r), NOTEBOOK, "absolute path"),
    "heavy notebook": (shows("x" * 3_000_001), NOTEBOOK, "3.0 MB"),
    "same cell id": (duplicate_id, NOTEBOOK, "cell 3 has the id 'a' of another"),
    "notebook cut": (add(NOTEBOOK, b'{"cells": [{"cell_ty'), NOTEBOOK, "cannot be read"),
    "merge marks": (
        lambda r: edit(r / NOTEBOOK, '"cells": [', '<<<<<<< HEAD\n"cells": ['),
        NOTEBOOK, "cannot be read"),
    "notebook empty": (add(NOTEBOOK, b""), NOTEBOOK, "no readable notebook"),
    "no notebook": (add(NOTEBOOK, b"[1]"), NOTEBOOK, "no readable notebook"),
    "notebook without cells": (add(NOTEBOOK, b'{"metadata": {}}'), NOTEBOOK, "no readable"),
    "Latin-1 notebook": (
        lambda r: add(NOTEBOOK, (r / NOTEBOOK).read_bytes().replace(b"hi", b"\xe9"))(r),
        NOTEBOOK, "no readable notebook"),
    "output removed": (lambda r: edit_cell(r, outputs=[]), NOTEBOOK, "did not write"),
    "output edited": (shows("95 %"), NOTEBOOK, "did not write"),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_notebook_fails_and_names_the_culprit(repository, capsys, name):
    damage, culprit, what = BREAKS[name]
    damage(repository)
    blame(capsys, culprit, what)


def test_a_changed_budget_makes_the_notebook_stale(repository, monkeypatch, capsys):
    monkeypatch.setitem(profile.PROFILES, "full", lambda: profile.Profile(seed=9))
    assert check.main() == 1
    assert f"{NOTEBOOK}: is stale" in capsys.readouterr().out


def test_a_notebook_without_a_budget_is_named(repository, capsys):
    shutil.copy(repository / NOTEBOOK, repository / "notebooks/9-new.ipynb")
    assert check.main() == 1
    assert "notebooks/9-new.ipynb: has no budget" in capsys.readouterr().out
