"""Test the networks that are kept: ``python -m practicals.adaptation evaluate FOLDER``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .kept import evaluate, kept_models, load_model, read_folder

DESCRIPTION = "Domain adaptation from MNIST to MNIST-M: test the networks that are kept."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m practicals.adaptation", description=DESCRIPTION
    )
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser("evaluate", help="accuracy on a folder of 28 × 28 or 32 × 32 digits")
    test.add_argument("folder", type=Path)
    test.add_argument("--labels", type=Path, help="list of 'name label' lines (default: the .txt)")
    test.add_argument("--model", type=Path, action="append", help="a network (default: all kept)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        # All networks first: a bad one should not cost the time of reading the folder.
        nets = {file: load_model(file) for file in options.model or kept_models()}
        views, y = read_folder(options.folder, options.labels)
        for file, net in nets.items():
            found = evaluate(net, views, y)
            print(f"{file.stem:<36}{found}", found.table(), sep="\n")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
