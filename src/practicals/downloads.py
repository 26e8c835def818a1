"""Fetch an asset over HTTP: temporary name first, hash checked, nothing half-written left."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm

from practicals.atomic import atomic_folder, atomic_path
from practicals.inventory import (
    RECEIPT,
    Asset,
    file_problem,
    folder_problem,
    problem,
    tree_sha256,
)
from practicals.layouts import LAYOUTS, LayoutError

ATTEMPTS = 3
PAUSE_S = 1.0
TIMEOUT_S = (10, 60)


class MissingAsset(RuntimeError):
    """A file or data set is neither here nor to be had; the message says how to get it."""


class _DownloadError(RuntimeError):
    """One attempt failed; ``final`` says that another one cannot help."""

    def __init__(self, reason: str, final: bool = True) -> None:
        super().__init__(reason)
        self.final = final


def size(count: int) -> str:
    """Return a number of bytes in the unit a reader thinks in: ``"553.4 MB"``, ``"29 kB"``."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def command(asset: Asset) -> str:
    """Return what to type to fetch the asset."""
    return f"make data NETS={asset.net}" if asset.net else "make data"


def explain(asset: Asset, reason: str) -> str:
    """Return the one message about a missing asset: which, how large, whence, and both ways out."""
    online = f"with internet: {command(asset)}"
    if asset.url is None:
        online = "no public address serves this file"
        if asset.alternative:
            online += f"; {asset.alternative} stands in for it (with internet: make data)"
    return (
        f"{asset.name} ({size(asset.bytes)}, needed by {asset.needed_by or '-'}) is missing: "
        f"{reason}.\nSource: {asset.url or asset.source}\nTwo ways to get it:\n"
        f"  1. {online};\n"
        f"  2. by hand: put it at data/{asset.path}, or set DATA_MIRROR to a folder "
        f"that holds {asset.path}."
    )


def is_offline() -> bool:
    """Return whether the network is off limits (environment: ``PRACTICALS_OFFLINE``)."""
    return os.environ.get("PRACTICALS_OFFLINE", "0") not in ("", "0")


def download(asset: Asset, root: Path) -> Path:
    """Fetch the asset to its place under ``root`` and return that place.

    Raises ``MissingAsset`` with no network, on a wrong hash, a refused address or a full disk;
    whatever the reason, and also on Ctrl-C, no half-written file is left.
    """
    with _explained(asset):
        if asset.url is None:
            raise _DownloadError("it has no public address to download it from")
        if is_offline():
            raise _DownloadError("PRACTICALS_OFFLINE is set, so nothing is downloaded")
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
            _fetch_file(asset, root / asset.path)
    return root / asset.path


@contextmanager
def _explained(asset: Asset) -> Iterator[None]:
    """Turn every way to fail into a ``MissingAsset``."""
    try:
        yield
    except (_DownloadError, LayoutError) as error:
        raise MissingAsset(explain(asset, str(error))) from error
    except OSError as error:
        reason = f"it could not be written ({error.strerror or error})"
        raise MissingAsset(explain(asset, reason)) from error


def _fetch_members(folder: Asset, root: Path) -> None:
    """Fetch those files of a folder that are not yet right; what is right stays."""
    todo = [member for member in folder.members if problem(member, root)]
    for member in tqdm(todo, desc=folder.name, unit="file"):
        _fetch_file(member, root / member.path, quiet=True)


def _fetch_file(asset: Asset, target: Path, quiet: bool = False, check: bool = True) -> None:
    """Download one file to ``target``, from the start again when the connection is cut."""
    for attempt, url in enumerate(_addresses(asset), start=1):
        try:
            with atomic_path(target) as part:
                _stream(url, part, quiet)
                wrong = file_problem(asset, part) if check else None
                if wrong:
                    raise _DownloadError(f"{url} serves another file: {wrong}")
            return
        except _DownloadError as error:
            failure = error
            if error.final and url == asset.url and not asset.spare_url:
                break
            time.sleep(PAUSE_S * attempt)
    raise failure


def _stream(url: str, part: Path, quiet: bool) -> None:
    """Let pooch write ``url`` to ``part``; raise when fewer bytes arrive than were promised."""
    host = urlsplit(url).netloc
    with tqdm(unit="B", unit_scale=True, desc=Path(url).name, disable=quiet) as bar:
        fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT_S)
        try:
            fetch(url, str(part), None)
        except requests.HTTPError as error:
            answer = error.response
            reason = f"{url} answers {answer.status_code} {answer.reason}"
            raise _DownloadError(reason, final=answer.status_code < 500) from error
        except requests.RequestException as error:
            reason = f"the connection to {host} failed ({type(error).__name__})"
            raise _DownloadError(reason, final=False) from error
        promised, received = bar.total or 0, part.stat().st_size
    if received < promised:
        reason = f"the connection to {host} was cut after {received:,} of {promised:,} bytes"
        raise _DownloadError(reason, final=False)


def _fetch_folder(asset: Asset, root: Path) -> None:
    """Download an archive and lay it out; the archive itself is not kept."""
    root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=root, prefix=".unpack-") as scratch:
        archive = Path(scratch) / "archive"
        _fetch_file(asset, archive, check=False)
        with atomic_folder(root / asset.path) as folder:
            _lay_out(asset, archive, folder)


def _lay_out(asset: Asset, archive: Path, folder: Path) -> None:
    """Unpack; believe the result if the archive's md5 or the files' own hash is the known one."""
    md5 = pooch.file_hash(str(archive), alg="md5")
    about = f"archive md5 {md5}, expected {asset.md5}"
    try:
        LAYOUTS[asset.layout](archive, folder)
    except LayoutError as error:
        raise _DownloadError(f"{error} ({about})") from error
    wrong = folder_problem(asset, folder)
    if wrong and md5 != asset.md5:
        raise _DownloadError(f"{asset.url} serves other files: {wrong} ({about})")
    if wrong:
        # The authors' archive, encoded otherwise than the copy that was measured: remember it.
        (folder / RECEIPT).write_text(tree_sha256(folder, asset.files) + "\n")
