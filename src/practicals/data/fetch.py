"""Find the real data and weights: in ``data/``, in ``$DATA_MIRROR``, or on the internet.

``python -m practicals.data.fetch list | fetch [NAME ...] | verify`` does the same from a shell.
pooch downloads, to temporary names and with several attempts; hashes alone say what is right.
"""

import argparse
import gzip
import hashlib
import json
import lzma
import math
import os
import re
import shutil
import struct
import sys
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import resources
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any

import pooch
import requests
import torch
from tqdm import tqdm

from .. import paths

ABSENT = "absent"
RECEIPT = ".tree_sha256"
RETRIES = 2
TIMEOUT_S = (10, 60)
"""Seconds to wait for a connection and for the next bytes."""
SLACK = 64 << 10
WEB_PAGE = re.compile(
    rb"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.I | re.S
)
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, struct.error)
pooch.get_logger().setLevel("WARNING")  # the one line before a download is ours


@dataclass(frozen=True)
class Asset:
    """One entry of the registry: a file, an unpacked archive, or a folder of single files.

    ``path`` is relative to the data folder; ``bytes`` informs, and bounds what a server may send.
    A file carries ``sha256`` (or its first digits, torchvision's convention), ``content_sha256``
    (of what a ``.gz`` holds, whoever wrapped it), ``state_sha256`` (of the tensors in a file that
    was converted, see ``state_problem``) or nothing: then it has exactly ``bytes``.
    An archive carries the ``files`` it becomes, their ``tree_sha256``, and ``md5``.
    A folder of single files carries ``members``. ``net`` marks what is fetched only on request.
    ``converted`` marks what ``tools.convert_weights`` makes from files that are public.
    """

    name: str
    path: str
    bytes: int
    licence: str = ""
    needed_by: str = ""
    source: str = ""
    url: str | None = None
    spare_url: str | None = None
    sha256: str | None = None
    content_sha256: str | None = None
    state_sha256: str | None = None
    computed: tuple[tuple[str, float], ...] = ()
    files: tuple[str, ...] = ()
    tree_sha256: str | None = None
    md5: str | None = None
    members: tuple["Asset", ...] = ()
    net: str | None = None
    alternative: str | None = None
    converted: bool = False


Registry = Mapping[str, Asset]
Processor = Callable[[str, str, pooch.Pooch], str]


class MissingAsset(RuntimeError):
    """A file or data set is neither here nor to be had; the message says how to get it."""


class Refused(Exception):
    """Why no right file came; not a ``ValueError``, after which pooch would try again."""


def lines(name: str) -> list[str]:
    """Return the lines of a text file of the registry, comments and blanks left out."""
    text = resources.files("practicals.data").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@cache
def scene15_files() -> tuple[str, ...]:
    """Return the 4,485 names ``{train,test}/<class>/image_NNNN.jpg`` of the official split."""
    names = []
    for line in lines("scene15_split.txt"):
        label, total, *numbers = line.split()
        train = set(map(int, numbers))
        for n in range(1, int(total) + 1):
            names.append(f"{'train' if n in train else 'test'}/{label}/image_{n:04d}.jpg")
    return tuple(sorted(names))


@cache
def load() -> dict[str, Asset]:
    """Return the registry, name to asset, in the order in which it is listed."""
    entries = json.loads("\n".join(lines("registry.json")))
    return {name: _build(name, fields) for name, fields in entries.items()}


def _build(name: str, fields: dict[str, Any]) -> Asset:
    """Turn one JSON entry into an asset, with the lists of names it points to."""
    files, members = fields.pop("files", ""), fields.pop("members", ())
    computed = tuple(fields.pop("computed", {}).items())
    asset = Asset(name=name, computed=computed, **fields)
    if files:
        names = scene15_files() if files == "scene15_split.txt" else tuple(lines(files))
        return replace(asset, files=names)
    if isinstance(members, str):
        rows = [row.split() for row in lines(members)]
        members = [{"file": f, "sha256": digest, "bytes": int(n)} for f, digest, n in rows]
    return replace(asset, members=tuple(_member(asset, **member) for member in members))


def _member(folder: Asset, file: str, **fields: Any) -> Asset:
    """Return one file of a folder, served below the folder's address."""
    url = f"{folder.url}/{Path(file).name}" if folder.url else None
    return Asset(name=file, path=f"{folder.path}/{file}", url=url, **fields)


def problem(asset: Asset, root: Path) -> str | None:
    """Return None if ``root`` holds a right copy, ``ABSENT`` if none, else what is wrong with it.

    A verdict is kept for the life of the process, until a size or a modification time changes.
    """
    path, is_folder = root / asset.path, bool(asset.files or asset.members)
    try:
        if not path.exists():
            return ABSENT
        # Asked before anything is opened: a named pipe would block for ever.
        if not (path.is_dir() if is_folder else path.is_file()):
            return f"it is no {'folder' if is_folder else 'regular file'}"
        return _verdict(asset, path, _stamp(path), root == paths.data_dir())
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"


def _stamp(path: Path) -> int:
    """Return a number that changes with the size or the time of anything at ``path``."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(str(file), file.stat()) for file in files]
    return hash(tuple((name, s.st_size, s.st_mtime_ns) for name, s in stats))


@cache
def _verdict(asset: Asset, path: Path, stamp: int, made_here: bool) -> str | None:
    """Read everything at ``path`` and compare; ``stamp`` is only there for the cache."""
    if asset.files:
        return folder_problem(asset, path, made_here)
    if not asset.members:
        return file_problem(asset, path)
    # A member's name is its path in the folder.
    inside = ((member, path / member.name) for member in asset.members)
    bad = [m.name for m, file in inside if not file.is_file() or file_problem(m, file)]
    few = f"{len(bad)} of {len(asset.members)} files are absent or altered, first "
    return few + bad[0] if bad else None


def file_problem(asset: Asset, path: Path) -> str | None:
    """Return how a regular file differs from what the registry says, or None."""
    kind, expected = "sha256", asset.sha256 or ""
    if expected or asset.state_sha256:
        found = pooch.file_hash(str(path), alg="sha256")
        if expected and found.startswith(expected):
            return None
        if asset.state_sha256:
            return _weights_problem(asset, path)
    elif asset.content_sha256:
        kind, expected, found = "content sha256", asset.content_sha256, _content_sha256(path)
    else:
        kind, expected, found = "size", f"{asset.bytes:,} bytes", f"{path.stat().st_size:,} bytes"
    return None if found == expected else f"its {kind} is {found}, expected {expected}"


def _content_sha256(path: Path) -> str:
    """Return the hash of what a gzip file holds, or the words that say why there is none."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return "none (not a complete gzip file)"
    return digest.hexdigest()


def _weights_problem(asset: Asset, path: Path) -> str | None:
    """Judge a file of weights by the tensors in it; reading it runs no code."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if sum(value.nbytes for value in state.values()) > 2 * asset.bytes:
            return "its tensors are too large"
        return state_problem(asset, state)
    except Exception as error:  # a damaged or hostile file may raise anything
        return f"it holds no readable weights ({type(error).__name__})"


def state_problem(asset: Asset, state: Mapping[str, torch.Tensor]) -> str | None:
    """Return how a state dict differs from the one that was measured, or None.

    One hash covers all names, types, shapes and values, whatever file they came from, except the
    values of ``asset.computed``: their last digits depend on the machine's order of summation, and
    ``weighted_sum`` sees every other change.
    """
    digest, computed = hashlib.sha256(), dict(asset.computed)
    for key, value in sorted(state.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        if key not in computed:
            digest.update(value.contiguous().numpy().tobytes())
    if digest.hexdigest() != asset.state_sha256:
        return f"its content sha256 is {digest.hexdigest()}, expected {asset.state_sha256}"
    for key, expected in computed.items():
        found = weighted_sum(state[key])
        if not math.isclose(found, expected, rel_tol=1e-5):
            return f"the weighted sum of {key} is {found:.6g}, expected {expected:.6g}"
    return None


def weighted_sum(value: torch.Tensor) -> float:
    """Return a tensor's sum with weights 2 + cos(i), between 1 and 3: blind to the last digits."""
    flat = value.double().flatten()
    return float(flat @ (2 + torch.cos(torch.arange(len(flat), dtype=torch.float64))))


def folder_problem(asset: Asset, folder: Path, made_here: bool = False) -> str | None:
    """Return how a laid-out folder differs in names or in content, or None.

    ``made_here``: whether it lies in the user's own data folder. Only there may the note of
    ``_lay_out`` stand in for the known hash; a mirror cannot vouch for itself.
    """
    kinds = {Path(name).suffix for name in asset.files}
    images = [f for f in folder.rglob("[!.]*") if f.suffix in kinds and f.is_file()]
    names = {f.relative_to(folder).as_posix() for f in images}
    if absent := sorted(set(asset.files) - names):
        return f"{len(absent)} of {len(asset.files)} files are absent, first {absent[0]}"
    if extra := sorted(names - set(asset.files)):
        return f"{len(extra)} files do not belong, first {extra[0]}"
    found, receipt = tree_sha256(folder, asset.files), folder / RECEIPT
    noted = receipt.read_text(encoding="utf-8") if made_here and receipt.is_file() else ""
    if found in (asset.tree_sha256, noted.strip()):
        return None
    return f"its sha256 is {found}, expected {asset.tree_sha256}"


def tree_sha256(folder: Path, files: tuple[str, ...]) -> str:
    """Return one hash of many files: that of their ``sha256sum`` listing in the given order."""
    digest = hashlib.sha256()
    for name in files:
        one = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        digest.update(f"{one}  {name}\n".encode())
    return digest.hexdigest()


def refuse_offline() -> None:
    """Raise ``Refused`` where the user forbids downloads (environment: ``PRACTICALS_OFFLINE``)."""
    value = os.environ.get("PRACTICALS_OFFLINE", "")
    answer = value.strip().lower()
    if answer in ("1", "true", "yes", "on"):
        raise Refused("PRACTICALS_OFFLINE is set, so nothing is downloaded")
    if answer not in ("", "0", "false", "no", "off"):
        raise ValueError(
            f"PRACTICALS_OFFLINE is {value!r}: expected 1, true, yes or on to forbid downloads, "
            "0, false, no, off or nothing to allow them"
        )


class _Bounded:
    """A file that refuses to grow beyond a limit: an answer may have no end."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.left, self.limit = file, limit, limit

    def write(self, chunk: bytes) -> int:
        self.left -= len(chunk)
        if self.left < 0:
            raise Refused(f"more than the {self.limit:,} bytes came that the file can have")
        return self.file.write(chunk)

    def flush(self) -> None:
        self.file.flush()


class _Downloader(pooch.HTTPDownloader):
    """pooch's downloader with a largest size, which names what cannot be mended by a retry."""

    def __init__(self, asset: Asset, progressbar: bool) -> None:
        # Compressed on the way, a file would have another length than the one that is announced.
        headers = {"Accept-Encoding": "identity"}
        super().__init__(progressbar, 1 << 16, timeout=TIMEOUT_S, headers=headers)
        # Authors may pack an archive again; a single file has the size of the registry, rounded.
        self.limit = asset.bytes + SLACK + (asset.bytes if asset.files else asset.bytes // 20)

    def __call__(self, url: str, output_file: str, *_: Any) -> None:
        part = Path(output_file)
        part.unlink()  # pooch's own is readable by its owner alone, and a data folder is shared
        try:
            with part.open("wb") as file:
                super().__call__(url, _Bounded(file, self.limit), None)
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code < 500:
                raise Refused(_reason(error)) from error
            raise
        with part.open("rb") as file:
            if WEB_PAGE.match(file.read(1 << 12)):
                raise Refused("it serves a web page (HTML) in place of the file")


def _reason(error: Exception) -> str:
    """Return in words why an address gave nothing."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.RequestException):
        cut = isinstance(error, requests.exceptions.ChunkedEncodingError)
        return f"the connection {'was cut' if cut else 'failed'} ({type(error).__name__})"
    return str(error)


def fetch_file(
    asset: Asset, folder: Path, processor: Processor | None = None, quiet: bool = False
) -> Path:
    """Let pooch fetch one file below ``folder``, from the first of its addresses that serves it.

    ``processor`` is pooch's: called on what arrived, by default the check of its hash. Return
    where the file lies; raise ``Refused``, with every reason, where none is right.
    """
    known, failures = asset.sha256 or "", []
    for url in filter(None, (asset.url, asset.spare_url)):
        pup = pooch.create(
            folder,
            base_url="",
            registry={asset.path: known if len(known) == 64 else None},
            urls={asset.path: url},
            retry_if_failed=RETRIES,
        )
        check = processor or partial(_judge, asset)
        try:
            return Path(pup.fetch(asset.path, check, _Downloader(asset, not quiet)))
        # ValueError is pooch's word for a wrong hash.
        except (Refused, requests.RequestException, ValueError) as error:
            failures.append(f"{url}: {_reason(error)}")
    raise Refused("; then ".join(failures))


def _judge(asset: Asset, file: str, *_: Any) -> str:
    """Check a download as any other copy is checked (pooch knows whole hashes only)."""
    if wrong := file_problem(asset, Path(file)):
        Path(file).unlink()
        raise Refused(f"it serves another file: {wrong}")
    return file


def download(asset: Asset, root: Path) -> Path:
    """Fetch the asset to its place under ``root`` and return that place.

    Raises ``MissingAsset`` with no network, on a wrong hash, a refused address or a full disk;
    whatever the reason, and also on Ctrl-C, no half-written file is left.
    """
    with explained(asset):
        if asset.url is None:
            raise Refused("it has no public address to download it from")
        refuse_offline()
        print(
            f"Downloading {asset.name}: {size(asset.bytes)}, licence {asset.licence}, "
            f"from {asset.url}",
            file=sys.stderr,
        )
        root.mkdir(parents=True, exist_ok=True)
        paths.sweep(root, ".fetch-*")
        with TemporaryDirectory(dir=root, prefix=".fetch-") as scratch:
            if asset.files:
                fetch_file(asset, Path(scratch), partial(_lay_out, asset, root / asset.path))
                return root / asset.path
            wanted = [m for m in asset.members or (asset,) if problem(m, root)]
            for file in tqdm(wanted, asset.name, unit="file", disable=not asset.members):
                place = fetch_file(file, Path(scratch), quiet=bool(asset.members))
                (root / file.path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(place, root / file.path)
    return root / asset.path


@contextmanager
def explained(asset: Asset) -> Iterator[None]:
    """Turn every way to fail into a ``MissingAsset``."""
    try:
        yield
    except Refused as error:
        raise MissingAsset(explain(asset, str(error))) from error
    except OSError as error:
        reason = f"it could not be written ({error.strerror or error})"
        raise MissingAsset(explain(asset, reason)) from error


def _lay_out(asset: Asset, target: Path, archive: str, *_: Any) -> str:
    """Unpack; believe the result if the files' own hash or the archive's md5 is the known one."""
    with paths.atomic_folder(target) as folder:
        md5 = pooch.file_hash(archive, alg="md5")
        about = f"the archive's md5 is {md5}, expected {asset.md5}"
        try:
            _unpack(asset, Path(archive), folder)
        except (RuntimeError, ValueError, *DAMAGED) as error:
            raise Refused(f"the archive cannot be unpacked ({error!r}); {about}") from error
        except OSError as error:
            if error.errno is not None:  # a full disk, for instance
                raise
            raise Refused(f"the archive is damaged ({error}); {about}") from error
        if md5 == asset.md5 and all((folder / name).is_file() for name in asset.files):
            # The authors' archive may hold other encodings than the copy that was measured.
            note = tree_sha256(folder, asset.files)
            (folder / RECEIPT).write_text(f"{note}\n", encoding="utf-8")
        if wrong := folder_problem(asset, folder, made_here=True):
            raise Refused(f"{wrong}; {about}")
    return str(target)


def _unpack(asset: Asset, archive: Path, folder: Path) -> None:
    """Copy those files out of a zip or a tar that the asset expects, by class and file name.

    Folders above them do not matter, nor the prefixes of 15-Scene's sources (CALsuburb, MITcoast,
    PARoffice). Only expected names are ever written, as plain files, so no link is followed.
    """
    place = {tuple(name.split("/")[-2:]): name for name in asset.files}
    left = 2 * asset.bytes
    for member, count, opened in _members(archive):
        path = PurePosixPath(member.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member:
            raise Refused(f"the archive holds an unsafe name: {member}")
        label, image = re.sub("[^a-z]", "", path.parent.name.lower()), path.name.lower()
        options = (label, image), (re.sub("^(cal|mit|par)", "", label), image)
        name = next((place[option] for option in options if option in place), None)
        source = opened() if name and opened else None
        if name is None or source is None:
            continue
        left -= count
        if left < 0:
            raise Refused(f"the archive unpacks to more than {2 * asset.bytes:,} bytes")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with source, (folder / name).open("wb") as out:
            shutil.copyfileobj(source, out)


def _members(archive: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes] | None] | None]]:
    """Yield name, size and, for a plain file, how to open it, of all that is in a zip or a tar."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                opened = None if info.is_dir() else partial(bundle.open, info)
                yield info.filename, info.file_size, opened
    else:
        with tarfile.open(archive) as bundle:
            for member in bundle:
                plain = partial(bundle.extractfile, member) if member.isfile() else None
                yield member.name, member.size, plain


def size(count: int) -> str:
    """Return a number of bytes in torchvision's units, 1 MB = 2^20: ``"528 MB"``."""
    if count < 1 << 20:
        return f"{count / 1024:.0f} kB"
    return f"{count / (1 << 20):.{0 if count > 100 << 20 else 1}f} MB"


def explain(asset: Asset, reason: str) -> str:
    """Return the one message about a missing asset: its name, size, source and both ways out."""
    command = f"make data NETS={asset.net}" if asset.net else "make data"
    online = f"with internet: {command}"
    if asset.converted:
        online += ", which fetches its parts and converts them"
    elif asset.url is None:
        online = "no public address serves this file"
        if other := load().get(asset.alternative or ""):
            online += f"; {other.name} stands in for it: with internet, make data"
            online += f" NETS={other.net}" if other.net else ""
    return (
        f"{asset.name} ({size(asset.bytes)}, needed by {asset.needed_by or '-'}) is missing: "
        f"{reason}.\nSource: {asset.url or asset.source}\nTwo ways to get it:\n"
        f"  1. {online};\n"
        f"  2. by hand: put it at data/{asset.path}, or set DATA_MIRROR to a folder "
        f"that holds {asset.path}."
    )


def _resolve(name: str, registry: Registry | None) -> Asset:
    """Return the asset of that name; raise ``ValueError`` with the nearest name otherwise."""
    known = load() if registry is None else registry
    if name not in known:
        hint = paths.did_you_mean(name, known, cutoff=0.3)
        raise ValueError(f"no asset is called {name!r}.{hint} There is {', '.join(known)}.")
    return known[name]


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
    """Print one line for each asset; return 1 if a copy is altered."""
    print(f"{'name':<32}{'size':>10}  {'needed by':<18}{'licence':<28}state")
    states = [state(asset) for asset in registry.values()]
    for asset, where in zip(registry.values(), states, strict=True):
        row = f"{asset.name:<32}{size(asset.bytes):>10}  {asset.needed_by:<18}"
        print(f"{row}{asset.licence:<28}{where}")
    return int(any("ALTERED" in where for where in states))


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


def main(arguments: Sequence[str] | None = None, registry: Registry | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m practicals.data.fetch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="size, user, licence and state of every asset")
    commands.add_parser("verify", help="the same, with exit status 1 if a copy is altered")
    fetch = commands.add_parser("fetch", help="download what is absent; without names, not VGG16")
    fetch.add_argument("names", nargs="*", metavar="NAME")
    fetch.add_argument("--nets", default="", help="large networks to add, by comma: vgg16")
    options = parser.parse_args(arguments)
    registry = load() if registry is None else registry
    try:
        if options.command == "fetch":
            return _fetch(registry, options.names, options.nets.replace(",", " ").split())
        return _list(registry) * (options.command == "verify")
    except (ValueError, paths.NoCheckout) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("\nStopped. Nothing half-written is left; run it again to go on.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
