"""The project: found from where one stands, its settings checked; files whole or not at all."""

import errno
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from tests.provenance.conftest import PYPROJECT

from provenance import project
from provenance.project import ProvenanceError

FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_is_found_from_the_folder_one_stands_in_and_those_below(root, monkeypatch, tmp_path):
    monkeypatch.delenv("PROVENANCE_ROOT")
    assert project.current().root == root, "a kernel starts in notebooks/"
    (root / "notebooks" / "pyproject.toml").write_text("[tool.other]\n")
    assert project.current().root == root, "a pyproject.toml of another kind is passed over"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProvenanceError, match=rf"in {tmp_path} or above it.*PROVENANCE_ROOT"):
        project.current()


def test_the_environment_overrides_and_names_a_folder_at_home(root, monkeypatch, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PROVENANCE_ROOT", "~/other")
    with pytest.raises(ProvenanceError, match=f"in {other}:"):
        project.current()
    (other / "pyproject.toml").write_text(PYPROJECT)
    assert project.current().root == other


def test_settings_and_folders(root):
    here = project.current()
    assert (here.package, here.profiles, here.published) == ("lesson", ("sample", "full"), "full")
    assert here.notebooks() == here.notebooks("full") == root / "notebooks"
    assert here.figures("sample") == root / "build" / "sample" / "figures"
    assert here.generated("full") == root / "report" / "generated"
    (root / "notebooks" / "2-b.ipynb").touch()
    (root / "notebooks" / "1-a.ipynb").touch()
    (root / "notebooks" / ".3-hidden.ipynb").touch()
    assert here.stems() == ["1-a", "2-b"]


def test_a_changed_setting_is_read(root):
    assert project.current().limit("cells") == project.LIMITS["cells"]
    (root / "pyproject.toml").write_text(f"{PYPROJECT}limits = {{cells = 7}}\n")
    assert project.current().limit("cells") == 7
    assert project.current().limit("words") == project.LIMITS["words"]


@pytest.mark.parametrize(("text", "message"), [
    ("reprot = 'x'", "reprot: unknown. Did you mean 'report'?"),
    ("root = 'x'", "root: unknown"),
    ("report = 3", "report = 3: expected text"),
    ("unhashed = 'a'", "unhashed = 'a': expected a list of texts"),
    ("listed = [1]", r"listed = \[1\]: expected a list of texts"),
    ("limits = 3", "limits = 3: expected numbers named cells, lines"),
    ("limits = {cels = 3}", "expected numbers named cells, lines"),
    ("limits = {cells = 'x'}", "expected numbers named cells, lines"),
    ("report = ", "pyproject.toml cannot be read"),
])  # fmt: skip
def test_a_wrong_setting_is_named(root, text, message):
    (root / "pyproject.toml").write_text(f"{PYPROJECT}{text}\n")
    with pytest.raises(ProvenanceError, match=message):
        project.current()


@pytest.mark.parametrize("table", ["report = 'x'", "package = ''", "package='a'\nprofiles = []"])
def test_what_it_cannot_do_without_is_named(root, table):
    (root / "pyproject.toml").write_text(f"[tool.provenance]\n{table}\n")
    with pytest.raises(ProvenanceError, match="needs package, and a name in profiles"):
        project.current()


def test_a_profile_is_named_by_argument_environment_or_settings(root, monkeypatch):
    assert project.profile() == "sample"
    monkeypatch.setenv("PROFILE", "full")
    assert project.profile() == "full" and project.profile("sample") == "sample"
    with pytest.raises(
        ProvenanceError, match=r"'fulll': expected one of sample, full. Did you mean"
    ):
        project.profile("fulll")


def test_the_cache_may_lie_elsewhere(root, monkeypatch, tmp_path):
    assert project.cache_dir() == root / "data" / "cache"
    monkeypatch.setenv("HOME", str(tmp_path))
    for named, found in {"~/x": tmp_path / "x", "/y": Path("/y"), "z": root / "z"}.items():
        monkeypatch.setenv("PROVENANCE_CACHE", named)
        assert project.cache_dir() == found


def test_a_hash_of_a_file_and_of_what_is_none(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert project.sha256_of(tmp_path / "a") == sha256(b"abc").hexdigest()
    os.mkfifo(tmp_path / "pipe")
    for none in (tmp_path, tmp_path / "absent", tmp_path / "pipe"):
        assert project.sha256_of(none) is None


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    final = tmp_path / "new" / "figure.png"
    project.write(final, "one")
    with project.replacing(final) as part:
        assert part.parent == final.parent and part.suffix == ".png"
        part.write_text("two")
        assert final.read_text() == "one"
    assert final.read_text() == "two" and names(final.parent) == ["figure.png"]


@pytest.mark.parametrize("failure", [FULL_DISK, KeyboardInterrupt(), ValueError("no")])
def test_any_failure_leaves_the_older_file(tmp_path, failure):
    final = tmp_path / "facts.json"
    final.write_text("old")
    with pytest.raises(type(failure)), project.replacing(final) as part:
        part.write_text("half")
        raise failure
    assert final.read_text() == "old" and names(tmp_path) == ["facts.json"]


def test_a_body_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), project.replacing(tmp_path / "never"):
        pass


def test_what_a_killed_run_left_goes_with_the_next_one_a_day_later(tmp_path):
    old, fresh, other = (
        tmp_path / f".{name}.part.json" for name in ("x[1]-0123abcd", "x[1]-4567abcd", "y-0123abcd")
    )
    for path in (old, fresh, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (1, 1))
    project.write(tmp_path / "x[1].json", "whole")
    assert names(tmp_path) == sorted([fresh.name, other.name, "x[1].json"])
    (tmp_path / ".run-1").mkdir()
    os.utime(tmp_path / ".run-1", (1, 1))
    (tmp_path / ".run-2").mkdir()
    project.sweep(tmp_path, ".run-*")
    assert ".run-1" not in names(tmp_path) and ".run-2" in names(tmp_path)


@pytest.mark.parametrize(("error", "status", "said"), [
    (ProvenanceError("do this"), 1, "x: do this"),
    (PermissionError(errno.EACCES, "Permission denied", "a/b"), 1,
     "x: a/b: Permission denied. Is the folder writable"),
    (KeyboardInterrupt(), 130, "x: interrupted"),
])  # fmt: skip
def test_a_command_line_says_what_can_be_mended(capsys, error, status, said):
    def body():
        raise error

    assert project.command(body, "x") == status
    assert said in capsys.readouterr().err
    assert project.command(lambda: None, "x") == 0 and project.command(lambda: 3, "x") == 3
    with pytest.raises(ZeroDivisionError):  # a fault of ours keeps its traceback
        project.command(lambda: 1 // 0, "x")


def test_the_package_installs_by_itself(root, tmp_path):
    """Installed from a copy, and imported without the rest of this repository."""
    source, target = tmp_path / "provenance", tmp_path / "site"
    shutil.copytree(Path(project.__file__).parent, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    pip += ["--no-index", "--target", str(target), str(source)]
    subprocess.run(pip, check=True, cwd=tmp_path, capture_output=True)
    inside = {path.name for path in Path(project.__file__).parent.glob("*.py")}
    assert {path.name for path in (target / "provenance").glob("*.py")} == inside
    program = f"import sys; sys.path.insert(0, {str(target)!r})\n"
    program += "from provenance import codehash, project\n"
    program += "print(project.__file__, project.current().root, codehash.module_hash('lesson'))\n"
    program += "print([name for name in sys.modules if name.startswith('practicals')])"
    run = [sys.executable, "-I", "-S", "-c", program]
    out = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    file, found, _, *others = out.stdout.split()
    assert Path(file).parent == target / "provenance" and Path(found) == root, out.stderr
    assert others == ["[]"]
