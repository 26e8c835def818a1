"""Draw digits: ``python -m practicals.gan sample --digit 7 --n 16 --out FILE``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .kept import kept_pair, load_pair, make, write_sheet


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m practicals.gan", description="Draw digits with the kept generator."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("sample", help="write a sheet of generated digits")
    draw.add_argument("--digit", type=int, choices=range(10), help="which (default: all in turn)")
    draw.add_argument("--n", type=int, default=16, help="how many (default: 16)")
    draw.add_argument("--out", type=Path, required=True, help="a picture, such as sevens.png")
    draw.add_argument("--seed", type=int, default=0, help="decides z (default: 0)")
    draw.add_argument("--model", type=Path, help="a pair of networks (default: the kept one)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        generator, _ = load_pair(options.model or kept_pair())
        write_sheet(make(generator, options.digit, options.n, options.seed), options.out)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.n} digits in {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
