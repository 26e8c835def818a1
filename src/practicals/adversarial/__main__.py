"""Keep the digit networks for the playground: ``python -m practicals.adversarial keep``."""

import argparse
import sys
from collections.abc import Sequence

from .. import paths, profile
from .kept import keep


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m practicals.adversarial", description=__doc__)
    parser.add_argument("command", choices=("keep",), help="write data/models/adversarial-*")
    parser.parse_args(arguments)
    try:
        for file in keep(profile.current()):
            print(f"{file.relative_to(paths.root())}: {file.stat().st_size / 1e3:.0f} kB")
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
