"""Download an asset to its place: several attempts and addresses, hashes, archives laid out.

A download goes to a temporary name first and its hash is checked, so nothing half-written is left.
"""

import os
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm

from .. import paths
from ..paths import atomic_folder, atomic_path
from .layouts import LAYOUTS, LayoutError
from .registry import (
    RECEIPT,
    Asset,
    MissingAsset,
    explain,
    file_problem,
    folder_problem,
    problem,
    size,
    tree_sha256,
)

ATTEMPTS = 3
PAUSE_S = 1.0
TIMEOUT_S = (10, 60)
Judge = Callable[[Asset, Path], str | None]


class DownloadError(RuntimeError):
    """One attempt failed; ``final`` says that another one cannot help."""

    def __init__(self, reason: str, final: bool = True) -> None:
        super().__init__(reason)
        self.final = final


def is_offline() -> bool:
    """Return whether the network is off limits (environment: ``PRACTICALS_OFFLINE``)."""
    return os.environ.get("PRACTICALS_OFFLINE", "0") not in ("", "0")


def download(asset: Asset, root: Path) -> Path:
    """Fetch the asset to its place under ``root`` and return that place.

    Raises ``MissingAsset`` with no network, on a wrong hash, a refused address or a full disk;
    whatever the reason, and also on Ctrl-C, no half-written file is left.
    """
    with explained(asset):
        if asset.url is None:
            raise DownloadError("it has no public address to download it from")
        if is_offline():
            raise DownloadError("PRACTICALS_OFFLINE is set, so nothing is downloaded")
        print(
            f"Downloading {asset.name}: {size(asset.bytes)}, licence {asset.licence}, "
            f"from {asset.url}",
            file=sys.stderr,
        )
        if asset.members:
            _fetch_members(asset, root)
        elif asset.layout:
            _fetch_folder(asset, root)
        else:
            fetch_file(asset, root / asset.path, file_problem)
    return root / asset.path


@contextmanager
def explained(asset: Asset) -> Iterator[None]:
    """Turn every way to fail into a ``MissingAsset``."""
    try:
        yield
    except (DownloadError, LayoutError) as error:
        raise MissingAsset(explain(asset, str(error))) from error
    except OSError as error:
        reason = f"it could not be written ({error.strerror or error})"
        raise MissingAsset(explain(asset, reason)) from error


def _fetch_members(folder: Asset, root: Path) -> None:
    """Fetch those files of a folder that are not yet right; what is right stays."""
    todo = [member for member in folder.members if problem(member, root)]
    for member in tqdm(todo, desc=folder.name, unit="file"):
        fetch_file(member, root / member.path, file_problem, quiet=True)


def fetch_file(asset: Asset, target: Path, judge: Judge, quiet: bool = False) -> None:
    """Download one file to ``target`` from the first of its addresses that serves it."""
    failures = []
    for url in filter(None, (asset.url, asset.spare_url)):
        try:
            return _fetch_from(url, target, lambda part: judge(asset, part), quiet)
        except DownloadError as error:
            failures.append(str(error))
    raise DownloadError("; then ".join(failures))


def _fetch_from(
    url: str, target: Path, judge: Callable[[Path], str | None], quiet: bool = False
) -> None:
    """Download from one address, from the start again when the connection is cut."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with atomic_path(target) as part:
                _stream(url, part, quiet)
                if wrong := judge(part):
                    raise DownloadError(f"{url} serves another file: {wrong}")
            return
        except DownloadError as error:
            if error.final or attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_S * attempt)


def _stream(url: str, part: Path, quiet: bool) -> None:
    """Let pooch write ``url`` to ``part``; raise when fewer bytes arrive than were promised."""
    host = urlsplit(url).netloc
    # pooch sets the real total, but needs one from the start: a bar without has no truth value.
    look = {"desc": Path(url).name, "unit": "B", "unit_scale": True, "leave": False}
    with tqdm(total=1, disable=quiet, **look) as bar:
        fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT_S)
        try:
            fetch(url, str(part), None)
        except requests.HTTPError as error:
            answer = error.response
            reason = f"{url} answers {answer.status_code} {answer.reason}"
            raise DownloadError(reason, final=answer.status_code < 500) from error
        except requests.RequestException as error:
            reason = f"the connection to {host} failed ({type(error).__name__})"
            raise DownloadError(reason, final=False) from error
        promised, received = bar.total or 0, part.stat().st_size
    if received < promised:
        reason = f"the connection to {host} was cut after {received:,} of {promised:,} bytes"
        raise DownloadError(reason, final=False)


def _archive_problem(asset: Asset, archive: Path) -> str | None:
    """Return that the file is no archive at all, as when a dead host serves its goodbye page."""
    if zipfile.is_zipfile(archive) or tarfile.is_tarfile(archive):
        return None
    return f"no archive, {_about_md5(asset, archive)}"


def _about_md5(asset: Asset, archive: Path) -> str:
    """Return the archive's md5 beside the expected one."""
    return f"its md5 is {pooch.file_hash(str(archive), alg='md5')}, expected {asset.md5}"


def _fetch_folder(asset: Asset, root: Path) -> None:
    """Download an archive and lay it out; the archive itself is not kept."""
    root.mkdir(parents=True, exist_ok=True)
    paths.sweep(root, ".unpack-*")
    with TemporaryDirectory(dir=root, prefix=".unpack-") as scratch:
        archive = Path(scratch) / "archive"
        fetch_file(asset, archive, _archive_problem)
        with atomic_folder(root / asset.path) as folder:
            _lay_out(asset, archive, folder)


def _lay_out(asset: Asset, archive: Path, folder: Path) -> None:
    """Unpack; believe the result if the archive's md5 or the files' own hash is the known one."""
    try:
        LAYOUTS[asset.layout](archive, folder)
    except LayoutError as error:
        raise DownloadError(f"{error}; {_about_md5(asset, archive)}") from error
    wrong = folder_problem(asset, folder)
    if not wrong:
        return
    if pooch.file_hash(str(archive), alg="md5") != asset.md5:
        raise DownloadError(
            f"{wrong}; the archive is not the known one either: {_about_md5(asset, archive)}"
        )
    # The authors' archive, encoded otherwise than the copy that was measured: remember it.
    (folder / RECEIPT).write_text(tree_sha256(folder, asset.files) + "\n")
