"""The one error about data that is not here, with the two ways to get it."""

from .inventory import Asset, load


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
    if asset.url is None:
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
