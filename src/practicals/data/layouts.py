"""Turn the archives, as their authors publish them, into the folders that the project reads."""

import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from . import registry


class LayoutError(RuntimeError):
    """An archive that is damaged, unsafe, or not the one that was expected."""


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Give one kind of error for everything that a damaged archive can raise."""
    broken = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
    try:
        yield
    except LayoutError:
        raise
    except broken as error:
        raise LayoutError(f"the archive is damaged ({error or type(error).__name__})") from error
    except RuntimeError as error:  # encrypted, or packed in a way that zipfile does not know
        raise LayoutError(f"the archive cannot be unpacked ({error})") from error
    except OSError as error:
        if error.errno is not None:  # a full disk, for instance
            raise
        raise LayoutError(f"the archive is damaged ({error})") from error


def _parts(member: str) -> tuple[str, ...]:
    """Split a member's name; refuse one that would leave the folder it is unpacked in."""
    path = PurePosixPath(member.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member:
        raise LayoutError(f"the archive holds an unsafe name: {member}")
    return path.parts


def _write(source: IO[bytes], target: Path) -> None:
    """Copy one member to its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("wb") as out:
        shutil.copyfileobj(source, out)


def scene15(archive: Path, folder: Path) -> None:
    """Lay the 15-Scene zip out as ``{train,test}/<class>/image_NNNN.jpg``.

    Class folders may carry their sources' prefixes (CALsuburb, MITcoast, PARoffice) and any folder
    above them. Raises ``LayoutError`` unless the 1,500 + 2,985 images come out.
    """
    place = {tuple(name.split("/")[1:]): name for name in registry.scene15_files()}
    classes = {label for label, _ in place}
    with _readable(archive), zipfile.ZipFile(archive) as bundle:
        for info in bundle.infolist():
            parts = _parts(info.filename)
            if len(parts) < 2 or info.is_dir():
                continue
            name = place.get((_scene_class(parts[-2], classes), parts[-1].lower()))
            if name:
                _write(bundle.open(info), folder / name)
    _require(registry.scene15_files(), folder)


def _scene_class(name: str, classes: set[str]) -> str:
    """Return the class that a folder's name means: ``MITtallbuilding`` is ``tallbuilding``."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    short = re.sub(r"^(cal|mit|par)", "", plain)
    return short if short in classes else plain


def bsds500(archive: Path, folder: Path) -> None:
    """Lay the BSDS500 archive out as ``images/{train,val,test}/*.jpg``.

    Raises ``LayoutError`` unless the 500 photos come out.
    """
    wanted = set(registry.lines("bsds500_files.txt"))
    with _readable(archive), tarfile.open(archive) as bundle:
        for member in bundle:
            name = "/".join(_parts(member.name)[-3:])
            # Links are never followed: only the bytes of a plain file are copied.
            if name in wanted and member.isfile():
                _write(bundle.extractfile(member), folder / name)
    _require(wanted, folder)


def _require(names: set[str] | tuple[str, ...], folder: Path) -> None:
    """Raise ``LayoutError`` unless every name has its file."""
    absent = sorted(name for name in names if not (folder / name).is_file())
    if absent:
        count = f"{len(absent)} of {len(names)}"
        raise LayoutError(f"the archive lacks {count} expected files, first {absent[0]}")


LAYOUTS: dict[str, Callable[[Path, Path], None]] = {"scene15": scene15, "bsds500": bsds500}
