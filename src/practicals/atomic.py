"""Write a file or a folder completely or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def _sibling(final: Path) -> Path:
    """Return a free hidden name in the same folder; the suffix stays, since writers read it."""
    final.parent.mkdir(parents=True, exist_ok=True)
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
