"""What a run wrote takes its place whole and alone, or not at all."""

import os

import pytest
from nbformat.v4 import new_output
from tests.publish.runs import STEM, fake_run, files, is_current, publish_older, save
from tests.publish.small import edit

from practicals.publish import cleaning, render


def test_a_full_run_takes_the_place_of_the_last_one(repository_of, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    root = repository_of("x = 1")
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


def test_a_run_that_saves_no_ledger_publishes_nothing(repository_of, capsys, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    root = repository_of("x = 1")
    publish_older(root)
    before = files(root)
    fake_run(monkeypatch, lambda nb: None)
    assert render.main([]) == 1
    assert f"did not write {STEM}.json" in capsys.readouterr().err and files(root) == before


def test_a_copied_notebook_does_not_write_over_the_first_ones_outputs(repository_of, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    root = repository_of("x = 1")
    fake_run(monkeypatch, save("a"))
    assert render.main([]) == 0
    repository_of("x = 2", stem=f"{STEM}-Copy1")
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


def test_a_run_under_another_profile_than_asked_publishes_nothing(
    repository_of, capsys, monkeypatch
):
    monkeypatch.setenv("PROFILE", "full")
    root = repository_of("x = 1")

    def switch(nb):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PROFILE", "lab")
            save("a")(nb)

    fake_run(monkeypatch, switch)
    assert render.main([]) == 1
    assert f"did not write {STEM}.json" in capsys.readouterr().err
    assert not (root / "figures").exists() and not (root / "report").exists()


def test_a_heavy_notebook_is_refused_with_its_heaviest_cell(repository_of, capsys, monkeypatch):
    def fill(nb):
        save("a")(nb)
        nb.cells[1].execution_count = 1
        nb.cells[1].outputs = [new_output("stream", text="x" * (cleaning.LIMIT + 1000))]

    root = repository_of("x = 1")
    fake_run(monkeypatch, fill)
    assert render.main([]) == 1
    assert "Heaviest cells: [1] with 3001 kB" in capsys.readouterr().err
    assert not (root / "build/sample").exists()


def test_code_changed_during_the_run_is_noticed(repository_of, capsys, monkeypatch):
    root = repository_of("x = 1")

    def change(nb):
        save("a")(nb)
        repository_of("x = 2")

    fake_run(monkeypatch, change)
    assert render.main([]) == 1
    assert "changed during the run" in capsys.readouterr().err
    assert not (root / "build/sample").exists()


def test_what_a_killed_run_left_does_not_stay(repository_of, monkeypatch):
    root = repository_of("x = 1")
    left = root / "build/.staging-1-x"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    fake_run(monkeypatch, save("a"))
    assert render.main([]) == 0 and not left.exists()
