"""Where things lie; a file or a folder is written whole or not at all."""

import errno
import os
import warnings

import pytest

from practicals import paths
from practicals.paths import atomic_folder, atomic_path

FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_success_replaces_and_leaves_nothing_else(tmp_path):
    final = tmp_path / "new" / "figure.png"
    with atomic_path(final) as part:
        assert part.parent == final.parent and part.suffix == ".png" and not final.exists()
        part.write_text("one")
    with atomic_path(final) as part:
        part.write_text("two")
        assert final.read_text() == "one"
    assert final.read_text() == "two" and names(final.parent) == ["figure.png"]


@pytest.mark.parametrize("failure", [FULL_DISK, KeyboardInterrupt(), ValueError("no")])
def test_any_failure_leaves_the_older_file(tmp_path, failure):
    final = tmp_path / "ledger.json"
    final.write_text("old")
    with pytest.raises(type(failure)), atomic_path(final) as part:
        part.write_text("half")
        raise failure
    assert final.read_text() == "old" and names(tmp_path) == ["ledger.json"]


def test_failure_without_an_older_file_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="No space"), atomic_path(tmp_path / "new.json") as part:
        part.write_text("half")
        raise FULL_DISK
    assert names(tmp_path) == []


def test_body_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "never"):
        pass


def test_folder_is_swapped_in(tmp_path):
    final = tmp_path / "15-Scene"
    for text in ("one", "two"):
        with atomic_folder(final) as part:
            (part / text).write_text(text)
    assert names(final) == ["two"] and names(tmp_path) == ["15-Scene"]


@pytest.mark.parametrize("failure", [FULL_DISK, KeyboardInterrupt()])
def test_failure_leaves_the_older_folder(tmp_path, failure):
    final = tmp_path / "15-Scene"
    final.mkdir()
    (final / "old").write_text("old")
    with pytest.raises(type(failure)), atomic_folder(final) as part:
        (part / "half").write_text("half")
        raise failure
    assert names(final) == ["old"] and names(tmp_path) == ["15-Scene"]


def test_swap_that_stops_half_way_puts_the_older_folder_back(tmp_path, monkeypatch):
    final, replace, calls = tmp_path / "set", os.replace, []
    final.mkdir()

    def stop_at_second(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop_at_second)
    with pytest.raises(KeyboardInterrupt), atomic_folder(final):
        pass
    assert names(tmp_path) == ["set"]


def test_folder_swap_does_not_follow_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("kept")
    (tmp_path / "set").symlink_to(tmp_path / "elsewhere")
    with atomic_folder(tmp_path / "set") as part:
        (part / "new").write_text("new")
    assert names(tmp_path / "set") == ["new"] and names(tmp_path / "elsewhere") == ["kept"]
    assert names(tmp_path) == ["elsewhere", "set"]


def test_what_a_killed_run_left_goes_with_the_next_one_a_day_later(tmp_path):
    old, fresh, other = (tmp_path / f".{name}.part.json" for name in
                         ("x-0123abcd", "x-4567abcd", "y-0123abcd"))  # fmt: skip
    for path in (old, fresh, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (1, 1))
    with atomic_path(tmp_path / "x.json") as part:
        part.write_text("whole")
    assert names(tmp_path) == sorted([fresh.name, other.name, "x.json"])


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    for name in ("PRACTICALS_DATA", "DATA_MIRROR", "PRACTICALS_STAGING"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("variable", ["PRACTICALS_DATA", "DATA_MIRROR"])
def test_a_relative_folder_starts_at_the_root_wherever_one_stands(root, monkeypatch, variable):
    (root / "elsewhere").mkdir()
    (root / "notebooks").mkdir()
    monkeypatch.chdir(root / "notebooks")
    monkeypatch.setenv(variable, "elsewhere")
    found = paths.data_dir() if variable == "PRACTICALS_DATA" else paths.mirror_dir()
    assert found == root / "elsewhere"


def test_a_mirror_that_is_not_there_is_named(root, monkeypatch):
    monkeypatch.setenv("DATA_MIRROR", "gone")
    with pytest.warns(UserWarning, match="gone, which is no folder"):
        assert paths.mirror_dir() is None
    monkeypatch.delenv("DATA_MIRROR")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paths.mirror_dir() is None


def test_only_a_rendering_writes_to_where_full_is_published(root, monkeypatch):
    assert paths.output_dir("full") == root
    assert paths.writing_dir("full") == root / "build/interactive"
    assert paths.writing_dir("lab") == paths.output_dir("lab") == root / "build/lab"
    monkeypatch.setenv("PRACTICALS_STAGING", str(root / "stage"))
    assert paths.writing_dir("full") == paths.writing_dir("lab") == root / "stage"


def test_a_name_with_a_typing_mistake_gets_the_nearest_one():
    assert paths.did_you_mean("squeezent", ["vgg16", "squeezenet"]) == " Did you mean 'squeezenet'?"
    assert paths.did_you_mean("zzz", ["vgg16"]) == ""
