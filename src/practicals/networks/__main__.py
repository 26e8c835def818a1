"""Make the weights that no one serves whole: fetch their layer files, check, convert.

``python -m practicals.networks fetch [NAME ...]``; without names, all of ``converted.SOURCES``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pooch
import torch
from tqdm import tqdm

from ..data import download, fetch, registry
from ..paths import atomic_path, data_dir
from . import converted


def make(name: str) -> Path:
    """Fetch and convert one weights file into the data folder; return its place.

    Raises ``registry.MissingAsset`` where a part cannot be had, and ``ConversionError`` where the
    result is not the network that was measured. Nothing half-written is left.
    """
    asset, source = registry.load()[name], converted.SOURCES[name]
    target = data_dir() / asset.path
    with TemporaryDirectory() as folder, download.explained(asset):
        if download.is_offline():
            raise download.DownloadError("PRACTICALS_OFFLINE is set, so nothing is downloaded")
        raw = {}
        for file, size in tqdm(converted.files(name).items(), desc=name, unit="file"):
            part = registry.Asset(file, file, size, url=f"{source.url}/{file}")
            place = Path(folder) / file
            download.fetch_file(part, place, _size_problem, quiet=True)
            raw[file] = place.read_bytes()
    state = converted.convert(name, raw)
    if wrong := converted.problem(name, state):
        raise converted.ConversionError(f"{name}: {wrong}")
    with atomic_path(target) as partial:
        torch.save(state, partial)
    note = registry.receipt_of(target)
    note.write_text(pooch.file_hash(str(target), alg="sha256") + "\n", encoding="utf-8")
    return target


def _size_problem(part: registry.Asset, place: Path) -> str | None:
    found = place.stat().st_size
    return None if found == part.bytes else f"{found:,} bytes, expected {part.bytes:,}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m practicals.networks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    names = commands.add_parser("fetch", help="fetch and convert what is absent")
    names.add_argument("names", nargs="*", choices=[*converted.SOURCES, []], metavar="NAME")
    failed = 0
    for name in parser.parse_args(arguments).names or converted.SOURCES:
        try:
            there = fetch.available(name)
            print(f"{name}: {'already there' if there else make(name)}")
        except (registry.MissingAsset, converted.ConversionError) as error:
            failed += 1
            print(error, file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
