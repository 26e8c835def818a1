"""``python -m practicals.transfer heads [NETWORK ...]``: train the kept heads for the 15 scenes."""

import argparse
import sys

from ..networks.heads import KEPT
from . import heads

parser = argparse.ArgumentParser(prog="python -m practicals.transfer", description=__doc__)
commands = parser.add_subparsers(dest="command", required=True)
command = commands.add_parser("heads", help="train the heads and keep them in data/models")
command.add_argument("names", nargs="*", choices=[*KEPT, []], metavar="NETWORK")
try:
    heads.main(parser.parse_args().names or KEPT)
except KeyboardInterrupt:
    sys.exit("\nStopped. Heads that are written stay; nothing half-written is left.")
