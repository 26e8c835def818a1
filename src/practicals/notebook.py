"""What a notebook shows about itself: the source of a method, the budgets of the run."""

import inspect
from collections.abc import Callable
from dataclasses import asdict

from IPython.display import HTML, Code

from . import profile, runtime


def show_source(*definitions: Callable) -> Code:
    """Return the source of functions or classes, highlighted: the one definition, not a copy."""
    return Code("\n\n".join(inspect.getsource(d).rstrip() for d in definitions), language="python")


def setup(group: str) -> HTML:
    """Return a table of profile, machine and the budgets of one chapter (a field of Profile)."""
    now = profile.current()
    rows = {"profile": now.name, "seed": now.seed} | runtime.describe()
    rows |= asdict(getattr(now, group))
    cells = "".join(
        f"<tr><th>{key}</th><td>{_short(value)}</td></tr>" for key, value in rows.items()
    )
    return HTML(f"<table>{cells}</table>")


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    return str(value)
