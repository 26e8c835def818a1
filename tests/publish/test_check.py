"""A small repository passes ``check``; what is stale, heavy or pending is named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.publish.small import LEDGER, NOTEBOOK, STEM, add, blame, edit, edit_cell, edit_ledger

from practicals import paths
from practicals.publish import check

BREAKS = {
    "heavy file with a Latin-1 name": (
        lambda r: add(os.fsdecode(b"gro\xdf.bin"), bytes(5_000_001))(r), "gro\\xdf.bin", "5.0 MB"),
    "heavy file": (add("big.bin", bytes(5_000_001)), "big.bin", "5.0 MB"),
}  # fmt: skip


def test_a_current_repository_passes(repository, capsys):
    assert check.problems() == []
    assert check.main() == 0
    assert "everything published is current" in capsys.readouterr().out


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_repository_fails_and_names_the_culprit(repository, capsys, name):
    damage, culprit, what = BREAKS[name]
    damage(repository)
    blame(capsys, culprit, what)


@pytest.mark.parametrize("culprit", [NOTEBOOK, LEDGER])
def test_a_changed_module_makes_all_stale(repository, package, capsys, culprit):
    edit(package / "one.py", "return 1", "return 2")
    assert check.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"{culprit}: is stale") for line in lines)


def test_a_repository_that_git_refuses_is_said(repository, monkeypatch, capsys):
    """As where the folder belongs to somebody else: the heavy files are not looked at."""
    (repository / ".git/HEAD").write_text("nonsense")
    assert check.main() == 1
    assert "git: cannot list the files: " in capsys.readouterr().out


def test_outside_git_nothing_is_said_of_heavy_files(repository):
    shutil.rmtree(repository / ".git")
    assert check.problems() == []


def test_line_ends_are_the_same_on_every_machine():
    """Else a clone by git for Windows would differ from every hash."""
    rules = (Path(check.__file__).parents[3] / ".gitattributes").read_text().splitlines()
    assert "* text=auto eol=lf" in rules


def test_a_comment_changes_nothing(repository, package):
    edit(package / "one.py", "return 1", "return 1  # why")
    assert check.problems() == []


def test_nothing_published_says_exactly_that(repository, capsys):
    shutil.rmtree(repository / "figures")
    shutil.rmtree(paths.generated_dir("full"))
    assert check.main() == 1
    assert "no output of the full profile exists yet" in capsys.readouterr().out


def test_check_and_render_do_not_load_torch():
    program = "import sys; from practicals.publish import check, render, report\n"
    program += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_is_pending_is_said_aloud_and_not_checked(repository, monkeypatch, capsys):
    monkeypatch.setattr(check, "PENDING", {STEM: "its run is due"})
    edit_cell(repository, source="print('ho')")
    edit_ledger(repository, code="0")
    assert check.main() == 0
    assert f"NOT VOUCHED FOR: notebooks/{STEM}.ipynb: its run is due" in capsys.readouterr().out
    edit(repository / f"report/generated/{STEM}.tex", "93.0", "95.0")
    assert check.main() == 1, "its numbers must still be those of its ledger"
