"""Find the real data and weights: in ``data/``, in ``$DATA_MIRROR``, or on the internet.

``python -m practicals.data.fetch list | fetch [NAME ...] | verify`` does the same from a shell. A
download goes to a temporary name first and its hash is checked, so nothing half-written is left.
"""

import argparse
import os
import re
import sys
import tarfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
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
    ABSENT,
    RECEIPT,
    Asset,
    MissingAsset,
    explain,
    file_problem,
    folder_problem,
    load,
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


Registry = dict[str, Asset]


def _resolve(name: str, registry: Registry | None) -> Asset:
    """Return the asset of that name; raise ``ValueError`` with the nearest names otherwise."""
    registry = load() if registry is None else registry
    if name in registry:
        return registry[name]
    # Whole names and their first words both count: "vgg61" means "vgg16-397923af.pth".
    words = {re.split(r"[-_.]", known)[0].lower(): known for known in reversed(registry)}
    words |= {known.lower(): known for known in registry}
    near = paths.nearest(name.lower(), words)
    hint = repr(words[near]) if near else f"one of {', '.join(registry)}"
    raise ValueError(f"no asset is called {name!r}; did you mean {hint}?")


def _places() -> Iterator[tuple[str, Path]]:
    """Yield where a copy may lie, the student's own folder first."""
    yield "data", paths.data_dir()
    mirror = paths.mirror_dir()
    if mirror is not None:
        yield "mirror", mirror


def _find(asset: Asset, warn: bool = False) -> Path | None:
    """Return the first right copy, or None; with ``warn``, say which copies are not."""
    for place, root in _places():
        wrong = problem(asset, root)
        if wrong is None:
            return root / asset.path
        if warn and wrong != ABSENT:
            text = f"{asset.path} in the {place} folder is half-written or altered: {wrong}."
            warnings.warn(f"{text} It is not used.", stacklevel=3)
    return None


def locate(name: str, registry: Registry | None = None) -> Path:
    """Return the path of a file or a folder, verified; download it if there is no copy yet.

    A copy in ``data/`` comes first, then ``$DATA_MIRROR`` (used in place, never written to), then
    the internet. A half-written or altered copy gives a warning and is passed over.
    Raises ``MissingAsset`` where none can be had, ``ValueError`` on an unknown name.
    """
    asset = _resolve(name, registry)
    return _find(asset, warn=True) or download(asset, paths.data_dir())


def locate_first(names: Sequence[str], registry: Registry | None = None) -> Path:
    """Return the first of several files that is at hand, else the first, downloaded.

    Raises as ``locate`` does, and warns of each damaged copy that was passed over.
    """
    found = (_find(_resolve(name, registry), warn=True) for name in names)
    return next(filter(None, found), None) or locate(names[0], registry)


def available(name: str, registry: Registry | None = None) -> bool:
    """Return whether a right copy is at hand without a download (``ValueError``: unknown name)."""
    return _find(_resolve(name, registry)) is not None


def explain_missing(name: str, registry: Registry | None = None) -> str:
    """Return the message for a table's row whose file is absent: its size and how to get it."""
    return explain(_resolve(name, registry), "no copy in data/ or DATA_MIRROR")


def megabytes(name: str, registry: Registry | None = None) -> str:
    """Return the size of a download as text, ``"528 MB"`` (``ValueError``: unknown name)."""
    return size(_resolve(name, registry).bytes)


def state(asset: Asset) -> str:
    """Return where a right copy lies (``data`` or ``mirror``), ``absent``, or what is wrong."""
    verdicts = {place: problem(asset, root) for place, root in _places()}
    right = [place for place, wrong in verdicts.items() if wrong is None]
    altered = [
        f"ALTERED in {p}: {wrong}" for p, wrong in verdicts.items() if wrong not in (None, ABSENT)
    ]
    return "; ".join(altered + right) or ABSENT


def _list(registry: Registry) -> int:
    """Print one line for each asset."""
    print(f"{'name':<32}{'size':>10}  {'state':<10}{'needed by':<18}licence")
    for asset in registry.values():
        where = state(asset)
        print(
            f"{asset.name:<32}{size(asset.bytes):>10}  {where:<10}{asset.needed_by:<18}"
            f"{asset.licence}"
        )
    return 0


def _wanted(registry: Registry, names: Sequence[str], nets: Sequence[str]) -> list[Asset]:
    """Return what to fetch: the named assets, else all that are public and not only on request."""
    if names:
        return [_resolve(name, registry) for name in names]
    on_request = {asset.net for asset in registry.values() if asset.net}
    for net in nets:
        if net not in on_request:
            raise ValueError(f"no network is called {net!r}; there is {', '.join(on_request)}")
    return [a for a in registry.values() if a.url and (a.net is None or a.net in nets)]


def _fetch(registry: Registry, names: Sequence[str], nets: Sequence[str]) -> int:
    """Fetch every wanted asset; go on past a failure and return how the whole went."""
    failed = 0
    for asset in _wanted(registry, names, nets):
        try:
            place = _find(asset, warn=True)
            print(f"{asset.name}: {'already there' if place else 'absent'}")
            place or download(asset, paths.data_dir())
        except MissingAsset as error:
            failed += 1
            print(error, file=sys.stderr)
    return int(failed > 0)


def _verify(registry: Registry) -> int:
    """Print the state of every asset; return 1 if a copy is altered."""
    states = {asset.name: state(asset) for asset in registry.values()}
    for name, where in states.items():
        print(f"{name:<32}{where}")
    return int(any("ALTERED" in where for where in states.values()))


def _parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    parser = argparse.ArgumentParser(prog="python -m practicals.data.fetch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="size, state, user and licence of every asset")
    commands.add_parser("verify", help="hash every copy; exit status 1 if one is altered")
    fetch = commands.add_parser(
        "fetch", help="download what is absent; without names, all but VGG16"
    )
    fetch.add_argument("names", nargs="*", metavar="NAME")
    fetch.add_argument("--nets", default="", help="large networks to add, by comma: vgg16")
    return parser


def main(arguments: Sequence[str] | None = None, registry: Registry | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    registry = load() if registry is None else registry
    try:
        if options.command == "fetch":
            return _fetch(registry, options.names, options.nets.replace(",", " ").split())
        return _list(registry) if options.command == "list" else _verify(registry)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("\nStopped. Nothing half-written is left; run it again to go on.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
