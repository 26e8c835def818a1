"""``check`` on a project that was really rendered and typeset, and on copies with one fault."""

import shutil

import pytest
from tests.provenance import published
from tests.provenance.published import STEM, edit, edit_json

from provenance import check, project

LEDGER, NOTEBOOK = f"report/generated/{STEM}.json", f"notebooks/{STEM}.ipynb"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A project whose notebook and PDF were made by the command lines themselves."""
    root = published.build(tmp_path_factory.mktemp("whole"))
    status, said = published.run(root, "render")
    assert status == 0, said
    if shutil.which("latexmk"):
        status, said = published.run(root, "report")
        assert status == 0, said
    return root


@pytest.fixture
def copy(whole, tmp_path, monkeypatch):
    root = published.copied(whole, tmp_path / "copy")
    monkeypatch.setenv("PROVENANCE_ROOT", str(root))
    monkeypatch.syspath_prepend(str(root / "src"))
    return root


def culprits():
    return [f"{name}: {what}" for name, what, _ in check.problems()]


needs_latex = pytest.mark.skipif(
    not shutil.which("latexmk"), reason="latexmk is not installed, so there is no PDF to check"
)


@needs_latex
def test_what_was_just_made_is_current(copy, capsys):
    assert culprits() == []
    assert check.main() == 0
    assert "everything published is current" in capsys.readouterr().out


def test_what_is_current_is_not_run_again(copy):
    assert published.run(copy, "render")[1].strip() == f"{STEM} (full): up to date"


def claim(**changes):
    return lambda root: edit_json(root, LEDGER, lambda c: c["claims"][0].update(changes))


def first_cell(root, **changes):
    edit_json(root, NOTEBOOK, lambda nb: nb["cells"][-1].update(changes))


def points(root):
    edit_json(root, NOTEBOOK, lambda nb: nb["cells"][-1]["metadata"]["nbgrader"].update(points=9))


def caption(root):
    edit_json(root, LEDGER, lambda c: c["captions"]["curve"].update(alt="It falls."))


def spread(root):
    edit_json(root, LEDGER, lambda c: c["cells"]["scores/A/score"].update(spread=0.001))


def prose(root):
    edit(root, NOTEBOOK, "91.2 %", "93.4 %")


def write(name, data="x"):
    return lambda root: (root / name).write_text(data)


def made_elsewhere(root):
    """A command of the project makes heads; nobody makes tails."""
    edit(root, "pyproject.toml", "profiles", 'made = ["data/models/head-*.pt"]\nprofiles')
    for name in ("head-1.pt", "tail.pt"):
        write(f"data/models/{name}")(root)


FAULTS = {
    "sentence of a claim": (claim(sentence="B is better"), f"{STEM}.ipynb: does not vouch"),
    "effect of a claim": (claim(effect=9.0), "does not vouch"),
    "sign of an effect": (claim(effect=-1.0), "does not follow from its own numbers"),
    "cells of one id": (lambda r: first_cell(r, id="c0"), "two cells have the same id"),
    "outcome of a claim": (claim(outcome="refuted"), "does not follow from its own numbers"),
    "n of a claim": (claim(n=1000), "does not vouch"),
    "alternative text": (caption, "does not vouch"),
    "spread of a cell": (spread, "does not vouch"),
    "macro file": (
        lambda r: edit(r, f"report/generated/{STEM}.tex", "91.2", "95.2"),
        f"report/generated/{STEM}.tex: is not what the run left",
    ),
    "table file": (write(f"report/generated/{STEM}-scores.tex"), "is not what the run left"),
    "figure": (write(f"figures/{STEM}-curve.pdf"), "is not what the run left"),
    "figure gone": (lambda r: (r / f"figures/{STEM}-curve.pdf").unlink(), "is missing"),
    "kept network": (write("data/models/net.pt"), "data/models/net.pt: is not what the run left"),
    "lock": (write("requirements.lock", "numpy==1"), "requirements.lock: is not what"),
    "points of a test": (points, "has outputs or points that its run did not write"),
    "count": (lambda r: first_cell(r, execution_count=99), "carries the count [99]"),
    "code": (
        lambda r: edit(r, "src/lesson/maps.py", "2 * x", "3 * x"),
        "is stale: its code or what it reaches changed",
    ),
    "orphan": (write("figures/1-maps-old.pdf"), "1-maps-old.pdf: is an orphan"),
    "orphan beside what is made": (made_elsewhere, "data/models/tail.pt: is an orphan"),
    "hidden orphan": (write("figures/.hidden"), "figures/.hidden: is an orphan"),
    "number in prose": (prose, "says 93.4, which no output shows"),
    "ledger of another form": (write(LEDGER, '{"values": 3}'), "has no manifest"),
    "ledger that is a list": (write(LEDGER, "[1]"), "has no manifest"),
    "ledger cut short": (write(LEDGER, '{"stem": '), "missing or unreadable"),
    "claims of another form": (
        lambda r: edit_json(r, LEDGER, lambda c: c.update(claims=[3])),
        "has another form",
    ),
    "notebook cut short": (write(NOTEBOOK, "{"), "no readable notebook"),
    "notebook that is no notebook": (write(NOTEBOOK, '{"cells": 3}'), "no readable notebook"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(copy, fault, capsys):
    change, said = FAULTS[fault]
    change(copy)
    assert any(said in culprit for culprit in culprits()), culprits()
    assert check.main() == 1
    assert "remedy:" in capsys.readouterr().out


def test_what_a_command_makes_is_no_orphan(copy):
    made_elsewhere(copy)
    assert not [culprit for culprit in culprits() if "head-1" in culprit]


def test_the_remedy_mends(copy):
    """What check blames a run for, the run mends: both ask the same question."""
    write(f"report/generated/{STEM}.tex")(copy)
    claim(effect=9.0)(copy)
    assert "done in" in published.run(copy, "render")[1]
    assert not [c for c in culprits() if "stale" not in c]


@needs_latex
def test_a_text_that_relies_on_another_outcome_is_named(copy):
    edit(copy, "report/main.tex", "{supported}", "{refuted}")
    assert published.run(copy, "report")[0] == 0
    assert any("relies on an outcome that is supported" in c for c in culprits())


@needs_latex
@pytest.mark.parametrize("name", ["report/main.tex", f"report/generated/{STEM}-scores.tex"])
def test_a_pdf_of_other_sources_is_stale(copy, name):
    (copy / name).write_text((copy / name).read_text() + "% more\n")
    assert any(f"report.pdf: is stale: {name}" in culprit for culprit in culprits())


@needs_latex
def test_a_figure_that_the_report_does_not_show_is_named(copy):
    edit(copy, "report/main.tex", r"\includegraphics{1-maps-curve}", "")
    assert published.run(copy, "report")[0] == 0
    assert any("the report does not show it" in culprit for culprit in culprits())


def test_an_outcome_is_no_fault(whole, tmp_path):
    """A refuted claim is published like any other."""
    cells = [
        cell.replace("'t', 1.0, 0.5, 1.5", "'t', -1.0, -1.5, -0.5") for cell in published.CELLS
    ]
    root = published.build(tmp_path, cells)
    assert published.run(root, "render")[0] == 0
    _, said = published.run(root, "check")
    assert "outcome" not in said and "does not follow" not in said


def test_limits_hold_for_what_hands_over_by_chapter(copy):
    edit(
        copy,
        "pyproject.toml",
        "[tool.provenance]",
        "[tool.provenance.limits]\ncells = 3\n[tool.provenance]",
    )
    assert f"{STEM}.ipynb: has cells 7, more than 3" in culprits()


def test_exempt_numbers_are_not_looked_for(copy):
    nb = check.read(copy / NOTEBOOK)
    assert list(check.unseen_numbers(nb)) == []
    nb.cells[0].source += "\n\nA loss of 4.56, 7 % and 8 points."
    assert [text for _, text in check.unseen_numbers(nb)] == ["4.56", "7"]


def test_heavy_files_are_named(copy):
    import subprocess

    subprocess.run(["git", "init", "-q", str(copy)], check=True)
    (copy / "big.bin").write_bytes(b"0" * 5_100_000)
    assert "big.bin: is 5.1 MB, more than 5 MB" in culprits()


def test_paths_of_a_machine_are_named(copy):
    nb = check.read(copy / NOTEBOOK)
    nb.cells[-1].outputs[0]["data"]["text/plain"] = "/home/me/secret.txt"
    import nbformat

    nbformat.write(nb, copy / NOTEBOOK)
    assert any("shows the absolute path /home/me/secret.txt" in culprit for culprit in culprits())


def test_no_project_is_said_plainly(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PROVENANCE_ROOT", str(tmp_path))
    assert project.command(check.main, "check") == 1
    assert "no pyproject.toml with [tool.provenance]" in capsys.readouterr().err
