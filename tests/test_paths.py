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
    for name in ("PRACTICALS_DATA", "DATA_MIRROR", "PROVENANCE_STAGING"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


WAYS = {"PRACTICALS_DATA": paths.data_dir, "DATA_MIRROR": paths.mirror_dir}


@pytest.mark.parametrize("variable", WAYS)
def test_a_relative_folder_starts_at_the_root_wherever_one_stands(root, monkeypatch, variable):
    (root / "elsewhere").mkdir()
    (root / "notebooks").mkdir()
    monkeypatch.chdir(root / "notebooks")
    monkeypatch.setenv(variable, "elsewhere")
    assert WAYS[variable]() == root / "elsewhere"


@pytest.mark.parametrize("variable", [*WAYS, "PRACTICALS_ROOT"])
def test_a_home_is_expanded(root, monkeypatch, variable):
    """``DATA_MIRROR='~/x'``: quoted, the shell leaves the sign as it is."""
    home = root / "home"
    (home / "x").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv(variable, "~/x")
    assert (WAYS | {"PRACTICALS_ROOT": paths.root})[variable]() == home / "x"
    monkeypatch.setenv(variable, "~nobody-of-that-name/x")
    with pytest.raises(ValueError, match=f"{variable} is '~nobody-of-that-name/x'"):
        (WAYS | {"PRACTICALS_ROOT": paths.root})[variable]()


def checkout(folder, name="practicals"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    return folder


def test_the_root_is_the_checkout_above_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PRACTICALS_ROOT", raising=False)
    monkeypatch.delenv("PRACTICALS_DATA", raising=False)
    # A student's own project may lie inside.
    inner = checkout(checkout(tmp_path / "repository") / "build/inner", "another")
    monkeypatch.chdir(inner)
    assert paths.root() == tmp_path / "repository"
    assert paths.data_dir() == tmp_path / "repository/data"


def test_elsewhere_the_root_is_the_checkout_of_the_module(tmp_path, monkeypatch):
    monkeypatch.delenv("PRACTICALS_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert (paths.root() / "src/practicals/paths.py").samefile(paths.__file__)


def test_installed_without_a_checkout_the_error_says_what_to_do(tmp_path, monkeypatch):
    """As with ``pip install .``: the module lies in site-packages, above which is no checkout."""
    installed = tmp_path / "lib/python3.12/site-packages/practicals/paths.py"
    monkeypatch.setattr(paths, "__file__", str(installed))
    monkeypatch.delenv("PRACTICALS_ROOT", raising=False)
    monkeypatch.delenv("PRACTICALS_DATA", raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    with pytest.raises(paths.NoCheckout, match="start in the repository, or let PRACTICALS_ROOT"):
        paths.data_dir()
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "data"))
    assert paths.data_dir() == tmp_path / "data"
    (checkout(tmp_path / "repository") / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "repository/notebooks")
    assert paths.root() == tmp_path / "repository"


def test_a_root_that_is_no_folder_is_named(root, monkeypatch):
    monkeypatch.setenv("PRACTICALS_ROOT", str(root / "gone"))
    with pytest.raises(ValueError, match=r"PRACTICALS_ROOT names .*gone, which is no folder"):
        paths.root()


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
    monkeypatch.setenv("PROVENANCE_STAGING", str(root / "stage"))
    assert paths.writing_dir("full") == paths.writing_dir("lab") == root / "stage"


def test_a_name_with_a_typing_mistake_gets_the_nearest_one():
    assert paths.did_you_mean("squeezent", ["vgg16", "squeezenet"]) == " Did you mean 'squeezenet'?"
    assert paths.did_you_mean("zzz", ["vgg16"]) == ""
