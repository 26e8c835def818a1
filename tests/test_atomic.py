"""A file or a folder is written whole or not at all."""

import errno

import pytest

from practicals.atomic import atomic_folder, atomic_path

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
    import os

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
