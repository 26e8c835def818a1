"""The project: where its notebooks, figures and report lie, as ``[tool.provenance]`` says.

Environment: ``PROFILE`` (which profile a session runs), ``PROVENANCE_ROOT`` (the folder of the
``pyproject.toml``), ``PROVENANCE_CACHE`` (kept results), ``PROVENANCE_JOBS`` (processes at once).
"""

import difflib
import glob
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

OLD_S = 24 * 3600
"""Age in seconds at which what a killed run left behind is removed."""
LIMITS: Mapping[str, float] = {
    "cells": 45, "lines": 300, "words": 3000, "calls": 30, "claims": 8,
    "median": 6, "p90": 15, "longest": 25, "megabytes": 5, "pdf_megabytes": 12,
}  # fmt: skip
"""What a notebook may have at most; ``[tool.provenance.limits]`` overrides."""


class ProvenanceError(Exception):
    """Raised for what a user can mend; the message says what was expected and what to do."""


@dataclass(frozen=True)
class Project:
    """The settings of one project, and its folders by profile; the last profile is published."""

    root: Path
    package: str
    report: str = "report"
    source: str = "src"
    profiles: tuple[str, ...] = ("sample", "full")
    cache: str = "data/cache"
    models: str = "data/models"
    made: tuple[str, ...] = ()
    """Patterns of committed files that no notebook writes: what a command of the project makes."""
    lock: str = "requirements.lock"
    unhashed: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    settings: str = ""
    appendix: str = ""
    readings: str = "the readings in the text describe the published run"
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def published(self) -> str:
        """The profile whose outputs are committed."""
        return self.profiles[-1]

    def output(self, profile: str) -> Path:
        """Return the folder under which a profile's outputs lie: the root for the published one."""
        return self.root if profile == self.published else self.root / "build" / profile

    def figures(self, profile: str) -> Path:
        """Return the folder of a profile's figures."""
        return self.output(profile) / "figures"

    def generated(self, profile: str) -> Path:
        """Return the folder of what notebooks write for LaTeX, and of what they vouch for."""
        return self.output(profile) / self.report / "generated"

    def notebooks(self, profile: str | None = None) -> Path:
        """Return the folder of rendered notebooks; without a profile, of their sources."""
        return self.output(profile or self.published) / "notebooks"

    def stems(self) -> list[str]:
        """Return the names of the notebooks without suffix, in order."""
        return sorted(path.stem for path in self.notebooks().glob("[!.]*.ipynb"))

    def limit(self, name: str) -> float:
        """Return one of ``LIMITS``, as the project sets it."""
        return self.limits.get(name, LIMITS[name])


def current() -> Project:
    """Return the project of ``PROVENANCE_ROOT``, else of the working folder or one above it.

    Raises ProvenanceError where no ``pyproject.toml`` has a table ``[tool.provenance]``, and for a
    setting that is unknown or of another type.
    """
    named = os.environ.get("PROVENANCE_ROOT")
    start = Path(named or ".").expanduser().resolve()
    for folder in [start] if named else [start, *start.parents]:
        file = folder / "pyproject.toml"
        if file.is_file() and (found := _read(file, file.stat().st_mtime_ns)):
            return found
    raise ProvenanceError(
        f"no pyproject.toml with [tool.provenance] in {start}{'' if named else ' or above it'}: "
        "work inside the project's folder, or name it in PROVENANCE_ROOT"
    )


@lru_cache(maxsize=8)
def _read(file: Path, stamp: int) -> Project | None:
    """Return the project of a ``pyproject.toml``; ``stamp``, its age, is there for the cache."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("provenance")
    except (OSError, ValueError) as error:
        raise ProvenanceError(f"{file} cannot be read: {error}") from None
    if table is None:
        return None
    known = Project.__annotations__.keys() - {"root"}
    for name, value in table.items():
        if name not in known:
            raise ProvenanceError(f"[tool.provenance] {name}: unknown.{did_you_mean(name, known)}")
        if wanted := _wanted(name, value):
            raise ProvenanceError(f"[tool.provenance] {name} = {value!r}: expected {wanted}")
        table[name] = tuple(value) if isinstance(value, list) else value
    if not table.get("package") or not table.get("profiles", True):
        raise ProvenanceError(f"{file}: [tool.provenance] needs package, and a name in profiles")
    return Project(root=file.parent, **table)


def _wanted(name: str, value: object) -> str:
    """Return what a setting should have been, or nothing where it is right."""
    if name == "limits":
        numbers = value.items() if isinstance(value, dict) else [("", value)]
        right = all(k in LIMITS and isinstance(v, int | float) for k, v in numbers)
        return "" if right else f"numbers named {', '.join(LIMITS)}"
    if Project.__annotations__[name] is str:
        return "" if isinstance(value, str) else "text"
    right = isinstance(value, list) and all(isinstance(part, str) for part in value)
    return "" if right else "a list of texts"


def profile(name: str | None = None) -> str:
    """Return a profile's name, by default the environment's ``PROFILE``, else the first one."""
    known = current().profiles
    name = name or os.environ.get("PROFILE") or known[0]
    if name not in known:
        options = f"{', '.join(known)}.{did_you_mean(name, known)}"
        raise ProvenanceError(f"unknown profile {name!r}: expected one of {options}")
    return name


def cache_dir() -> Path:
    """Return the folder of results that can be computed again; a relative one is the root's."""
    here = current()
    return here.root / Path(os.environ.get("PROVENANCE_CACHE") or here.cache).expanduser()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` with the nearest known name, or nothing if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def sha256_of(path: Path) -> str | None:
    """Return a file's sha256, or None where there is no plain file that can be read."""
    try:
        return sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    except OSError:
        return None


def sweep(folder: Path, pattern: str) -> None:
    """Remove what killed runs left in ``folder``: files and folders that match, a day old."""
    for path in folder.glob(pattern):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > OLD_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def replacing(final: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``final`` that takes its name if the body succeeds.

    On any exception it is removed and an older ``final`` stays as it was.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    sweep(final.parent, f".{glob.escape(final.stem)}-????????.part*")
    part = final.with_name(f".{final.stem}-{uuid4().hex[:8]}.part{final.suffix}")
    try:
        yield part
        os.replace(part, final)
    finally:
        part.unlink(missing_ok=True)


def write(path: Path, content: bytes | str) -> None:
    """Write a file completely or not at all."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def complain(error: BaseException) -> str:
    """Return one line for the user about an error of files: what failed, where, why."""
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. Is the folder writable, and the disk not full?"


def command(run: Callable[[], int | None], name: str) -> int:
    """Run a command line's body and return its exit status; what a user can mend is one message."""
    try:
        return run() or 0
    except (ProvenanceError, OSError) as error:
        print(f"{name}: {complain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; nothing half-written was left", file=sys.stderr)
        return 130
