"""Where things lie; a file or a folder written completely or not at all."""

import difflib
import os
import re
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from pathlib import Path
from uuid import uuid4

OLD_S = 24 * 3600
"""Age at which what a killed run left behind is removed."""


class NoCheckout(FileNotFoundError):
    """The repository's files are nowhere to be found; the message says how to name their place."""


def root() -> Path:
    """Return the repository's root (environment: ``PRACTICALS_ROOT``).

    Without the variable: the checkout that the working folder lies in, else the one that this
    module lies in; installed without ``-e`` it lies in none. Raises ``NoCheckout`` where there is
    neither, ``ValueError`` where the variable names no folder.
    """
    override = _outside("PRACTICALS_ROOT")
    if override is None:
        found = _checkout(Path.cwd()) or _checkout(Path(__file__).resolve().parent)
        if found is None:
            raise NoCheckout(
                f"no checkout of the project at or above {Path.cwd()}: start in the repository, or "
                "let PRACTICALS_ROOT name its folder"
            )
        return found
    if not override.is_dir():
        raise ValueError(f"PRACTICALS_ROOT names {override}, which is no folder: give the checkout")
    return override.resolve()


@cache
def _checkout(start: Path) -> Path | None:
    """Return the nearest folder at or above ``start`` whose pyproject.toml is the project's."""
    for folder in (start, *start.parents):
        with suppress(OSError, UnicodeDecodeError):
            text = (folder / "pyproject.toml").read_text(encoding="utf-8")
            if re.search(r"^name\s*=\s*[\"']practicals[\"']", text, re.M):
                return folder
    return None


def _outside(variable: str) -> Path | None:
    """Return the path in an environment variable, ``~`` expanded, or None where it is empty."""
    value = os.environ.get(variable)
    try:
        return Path(value).expanduser() if value else None
    except RuntimeError as error:
        raise ValueError(f"{variable} is {value!r}: {error} Write the whole path.") from None


def _named(variable: str) -> Path | None:
    """Return the folder that an environment variable names; relative ones start at the root.

    A kernel's working folder is ``notebooks/``, so the working folder must not decide.
    """
    path = _outside(variable)
    if path is None or path.is_absolute():
        return path and path.resolve()
    return (root() / path).resolve()


def data_dir() -> Path:
    """Return the folder of downloads and caches (environment: ``PRACTICALS_DATA``)."""
    return _named("PRACTICALS_DATA") or root() / "data"


def mirror_dir() -> Path | None:
    """Return the read-only mirror of the data folder, or None (environment: ``DATA_MIRROR``).

    Warns once where the variable names a folder that is not there.
    """
    found = _named("DATA_MIRROR")
    if found is not None and not found.is_dir():
        warnings.warn(f"DATA_MIRROR names {found}, which is no folder: not used", stacklevel=2)
        return None
    return found


def cache_dir() -> Path:
    """Return the folder of results that can be computed again."""
    return data_dir() / "cache"


def output_dir(profile: str) -> Path:
    """Return the folder under which a profile's outputs lie: the root itself for ``full``."""
    return root() if profile == "full" else root() / "build" / profile


def writing_dir(profile: str) -> Path:
    """Return where a running notebook writes (environment: ``PROVENANCE_STAGING``).

    ``render`` names a folder of its own, whose content takes its place once the whole notebook
    has run. A session without it never writes over what is published.
    """
    interactive = root() / "build" / "interactive"
    free = interactive if profile == "full" else output_dir(profile)
    return _named("PROVENANCE_STAGING") or free


def generated_dir(profile: str) -> Path:
    """Return the folder of a profile's ledgers, macros and tables."""
    return output_dir(profile) / "report" / "generated"


def notebooks_dir(profile: str = "full") -> Path:
    """Return the folder of a profile's rendered notebooks; sources live in ``full``'s."""
    return output_dir(profile) / "notebooks"


def report_dir() -> Path:
    """Return the folder of the report's LaTeX sources."""
    return root() / "report"


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is spelt most like ``name``, or None if none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``" Did you mean 'x'?"`` with the nearest known name, or nothing if none is near."""
    near = nearest(name, known, cutoff)
    return f" Did you mean {near!r}?" if near else ""


def sweep(folder: Path, pattern: str) -> None:
    """Remove what killed runs left in ``folder``: entries that match and are a day old."""
    for path in folder.glob(pattern):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > OLD_S:
                _remove(path)


def _sibling(final: Path) -> Path:
    """Return a free hidden name in the same folder; the suffix stays, since writers read it."""
    final.parent.mkdir(parents=True, exist_ok=True)
    sweep(final.parent, f".{escape(final.stem)}-????????.part*")
    return final.with_name(f".{final.stem}-{uuid4().hex[:8]}.part{final.suffix}")


def _remove(path: Path) -> None:
    """Delete a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``final``, which takes its name once the body has succeeded.

    On any exception, ``KeyboardInterrupt`` included, the temporary file is removed and an older
    ``final`` stays as it was. Raises ``FileNotFoundError`` when the body wrote nothing.
    """
    part = _sibling(Path(final))
    try:
        yield part
        os.replace(part, final)
    finally:
        _remove(part)


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``final``, swapped in once the body has succeeded.

    On any exception the temporary folder is removed and an older ``final`` stays as it was.
    """
    final = Path(final)
    part, old = _sibling(final), _sibling(final)
    try:
        part.mkdir()
        yield part
        # A folder cannot be replaced in one step, so the older one moves aside for an instant.
        if os.path.lexists(final):
            os.replace(final, old)
        os.replace(part, final)
    finally:
        if os.path.lexists(old) and not os.path.lexists(final):
            os.replace(old, final)
        _remove(part)
        _remove(old)
