"""Find the real data and weights: in ``data/``, in ``$DATA_MIRROR``, or on the internet.

``python -m practicals.data.fetch list | fetch [NAME ...] | verify`` does the same from a shell.
"""

import argparse
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import paths
from .download import download
from .registry import ABSENT, Asset, MissingAsset, explain, load, problem, size

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
