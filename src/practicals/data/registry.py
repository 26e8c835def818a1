"""The registry of downloads: what each file is, where it comes from, whether a copy is right."""

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pooch

ABSENT = "absent"
RECEIPT = ".tree_sha256"


@dataclass(frozen=True)
class Asset:
    """One entry of the registry: a file, an unpacked archive, or a folder of single files.

    ``path`` is relative to the data folder. ``bytes`` informs the reader; only hashes decide.
    A file carries one of ``sha256``, ``sha256_prefix`` (torchvision's convention: the eight digits
    in the file's name) or ``content_sha256`` (of what a ``.gz`` holds, whoever wrapped it).
    An archive carries ``layout``, the ``files`` it becomes, their ``tree_sha256``, and ``md5``.
    A folder of single files carries ``members``. ``net`` marks what is fetched only on request.
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
    sha256_prefix: str | None = None
    content_sha256: str | None = None
    md5: str | None = None
    layout: str | None = None
    files: tuple[str, ...] = ()
    tree_sha256: str | None = None
    members: tuple["Asset", ...] = ()
    net: str | None = None
    alternative: str | None = None
    converted: bool = False
    """Whether ``python -m practicals.networks fetch`` makes it from files that are public."""


def lines(name: str) -> list[str]:
    """Return the lines of a text file of the registry, comments and blanks left out."""
    text = resources.files("practicals.data").joinpath("registry", name).read_text(encoding="utf-8")
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
    entries = json.loads("\n".join(lines("assets.json")))
    return {name: _build(name, fields) for name, fields in entries.items()}


def _build(name: str, fields: dict[str, Any]) -> Asset:
    """Turn one JSON entry into an asset, with the lists of names it points to."""
    fields = dict(fields)
    files, members = fields.pop("files", None), fields.pop("members", ())
    asset = Asset(name=name, **fields)
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
    if asset.members:
        return _members_problem(asset, root)
    path = root / asset.path
    if not path.exists():
        return ABSENT
    try:
        return _verdict(asset, path, _stamp(path))
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"


def _members_problem(folder: Asset, root: Path) -> str | None:
    """Judge every file of a folder; name the first that is not right."""
    found = {member.name: problem(member, root) for member in folder.members}
    bad = [name for name, verdict in found.items() if verdict]
    if not bad:
        return None
    if all(verdict == ABSENT for verdict in found.values()):
        return ABSENT
    return f"{len(bad)} of {len(found)} files are absent or altered, first {bad[0]}"


def _stamp(path: Path) -> int:
    """Return a number that changes with the size or the time of anything at ``path``."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    return hash(
        tuple((str(f), s.st_size, s.st_mtime_ns) for f, s in zip(files, stats, strict=True))
    )


@cache
def _verdict(asset: Asset, path: Path, stamp: int) -> str | None:
    """Read everything at ``path`` and compare; ``stamp`` is only there for the cache."""
    return folder_problem(asset, path) if asset.files else file_problem(asset, path)


def file_problem(asset: Asset, path: Path) -> str | None:
    """Return how the file's hash differs from the registry's, or None."""
    if asset.content_sha256:
        kind, expected, found = "content sha256", asset.content_sha256, _content_sha256(path)
    else:
        kind, expected = "sha256", asset.sha256 or asset.sha256_prefix or ""
        found = pooch.file_hash(str(path), alg="sha256")[: len(expected)]
    if found == expected or _receipt(path) == pooch.file_hash(str(path), alg="sha256"):
        return None
    return f"its {kind} is {found}, expected {expected}"


def receipt_of(path: Path) -> Path:
    """Return where the hash of a file that was made here, from checked parts, is noted."""
    return path.with_name(f".{path.name}.sha256")


def _receipt(path: Path) -> str | None:
    note = receipt_of(path)
    return note.read_text(encoding="utf-8").strip() if note.is_file() else None


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


def names_problem(asset: Asset, folder: Path) -> str | None:
    """Return which of the asset's files are absent or too many in ``folder``, or None."""
    kinds = {Path(name).suffix for name in asset.files}
    images = [f for f in folder.rglob("[!.]*") if f.suffix in kinds]
    found = {f.relative_to(folder).as_posix() for f in images}
    absent, extra = sorted(set(asset.files) - found), sorted(found - set(asset.files))
    if absent:
        return f"{len(absent)} of {len(asset.files)} files are absent, first {absent[0]}"
    return f"{len(extra)} files do not belong, first {extra[0]}" if extra else None


def folder_problem(asset: Asset, folder: Path) -> str | None:
    """Return how a laid-out folder differs in names or in content, or None."""
    if wrong := names_problem(asset, folder):
        return wrong
    found, receipt = tree_sha256(folder, asset.files), folder / RECEIPT
    known = {asset.tree_sha256, receipt.read_text().strip() if receipt.is_file() else None}
    return None if found in known else f"its sha256 is {found}, expected {asset.tree_sha256}"


def tree_sha256(folder: Path, files: tuple[str, ...]) -> str:
    """Return one hash of many files: that of their ``sha256sum`` listing in the given order."""
    digest = hashlib.sha256()
    for name in files:
        one = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        digest.update(f"{one}  {name}\n".encode())
    return digest.hexdigest()


class MissingAsset(RuntimeError):
    """A file or data set is neither here nor to be had; the message says how to get it."""


def size(count: int) -> str:
    """Return a number of bytes in torchvision's units, 1 MB = 2^20: ``"528 MB"``."""
    if count < 1 << 20:
        return f"{count / 1024:.0f} kB"
    return f"{count / (1 << 20):.{0 if count > 100 << 20 else 1}f} MB"


def command(asset: Asset) -> str:
    """Return what to type to fetch the asset."""
    return f"make data NETS={asset.net}" if asset.net else "make data"


def explain(asset: Asset, reason: str) -> str:
    """Return the one message about a missing asset: its name, size, source and both ways out."""
    online = f"with internet: {command(asset)}"
    if asset.converted:
        online = f"with internet: {command(asset)}, which fetches its parts and converts them"
    elif asset.url is None:
        online = "no public address serves this file"
        if other := load().get(asset.alternative or ""):
            online += f"; {other.name} stands in for it: with internet, {command(other)}"
    return (
        f"{asset.name} ({size(asset.bytes)}, needed by {asset.needed_by or '-'}) is missing: "
        f"{reason}.\nSource: {asset.url or asset.source}\nTwo ways to get it:\n"
        f"  1. {online};\n"
        f"  2. by hand: put it at data/{asset.path}, or set DATA_MIRROR to a folder "
        f"that holds {asset.path}."
    )
