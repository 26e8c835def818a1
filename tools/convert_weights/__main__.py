"""Make the weights that no one serves whole: fetch their layer files, convert, check.

``python -m tools.convert_weights fetch [NAME ...]``, from the repository's root; without names,
all that are absent. A packed file, which comes whole, is decoded.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from practicals.data import fetch
from practicals.networks import packed
from practicals.paths import atomic_path, cache_dir, data_dir

from . import layers

NAMES = (*layers.SOURCES, packed.DECODED)


def make(name: str) -> Path:
    """Fetch and convert one weights file of ``NAMES`` into the data folder; return its place.

    Layer files that have come stay until all are there, so that an interrupted run goes on where
    it stopped. Raises ``fetch.MissingAsset`` where one cannot be had, and ``ConversionError`` or
    ``DecodeError`` where the result is not the network that was measured: then nothing stays.
    """
    asset = fetch.load()[name]
    target = data_dir() / asset.path
    if name == packed.DECODED:
        packed.load(fetch.locate(packed.PACKED))
        return target
    parts = cache_dir() / "layers" / name
    raw = _fetch_parts(asset, parts)
    try:
        state = layers.convert(name, raw)
        if wrong := fetch.state_problem(asset, state):
            raise layers.ConversionError(f"{name}: {wrong}")
        with atomic_path(target) as partial, partial.open("wb") as file:
            torch.save(state, file)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    return target


def _fetch_parts(asset: fetch.Asset, folder: Path) -> dict[str, bytes]:
    """Return the layer files of a weights file, name to content, by way of ``folder``."""
    source, raw = layers.SOURCES[asset.name], {}
    with fetch.explained(asset):
        fetch.refuse_offline()
        print(f"{asset.name}: {fetch.size(asset.bytes)}, from {source.url}", file=sys.stderr)
        for file, size in tqdm(layers.files(asset.name).items(), asset.name, unit="file"):
            part = fetch.Asset(file, file, size, url=f"{source.url}/{file}")
            raw[file] = fetch.fetch_file(part, folder, quiet=True).read_bytes()
    return raw


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.convert_weights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    names = commands.add_parser("fetch", help="fetch and convert what is absent")
    names.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    failed = 0
    try:
        for name in parser.parse_args(arguments).names or NAMES:
            try:
                print(f"{name}: {'already there' if fetch.available(name) else make(name)}")
            except (
                fetch.MissingAsset,
                layers.ConversionError,
                packed.DecodeError,
                OSError,
            ) as error:
                failed += 1
                print(f"{name}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped. Nothing half-written is left; run it again to go on.", file=sys.stderr)
        return 130
    except ValueError as error:  # the environment's, which names its variable
        parser.error(str(error))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
