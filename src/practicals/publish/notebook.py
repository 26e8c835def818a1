"""What a notebook calls: its opening line, its settings, the source of a method."""

import inspect
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from IPython.display import HTML, Code
from matplotlib_inline.backend_inline import set_matplotlib_formats

from .. import figures, runtime
from .. import profile as profiles
from .ledger import Ledger, is_strict

NOT_PUBLISHED = (
    "The readings in the text describe the published run (profile full); what you see below is "
    "smaller and may differ."
)


@dataclass(frozen=True)
class Session:
    """One run of a notebook: its profile, budget, seed and ledger. It shows itself as a line."""

    profile: profiles.Profile
    budget: Any
    ledger: Ledger
    began: float

    @property
    def seed(self) -> int:
        """The seed from which everything random is drawn."""
        return self.profile.seed

    @property
    def real(self) -> bool:
        """Whether the real data and networks are read, not the sample profile's stand-ins."""
        return self.profile.is_real

    def line(self) -> str:
        """Return profile, device and time in one line, and what the text refers to."""
        machine = runtime.describe()
        facts = f"Profile {self.profile.name}, {machine['device']}, {machine['precision']}."
        return facts if self.profile.is_published else f"{facts} {NOT_PUBLISHED}"

    def _repr_html_(self) -> str:
        return f"<p>{self.line()}</p>"

    def __repr__(self) -> str:
        return self.line()

    def settings(self) -> HTML:
        """Return the table of all settings of this run, for the appendix."""
        rows = {"profile": self.profile.name, "seed": self.seed} | runtime.describe()
        rows |= asdict(self.budget)
        cells = (f"<tr><th>{key}</th><td>{_short(value)}</td></tr>" for key, value in rows.items())
        return HTML(f"<table>{''.join(cells)}</table>")

    def close(self) -> str:
        """Write the ledger and say where; the last cell of every notebook."""
        self.ledger.save()
        counts = {
            "numbers": len(self.ledger.values),
            "tables": len(self.ledger.tables),
            "figures": len(self.ledger.figures),
            "claims": len(self.ledger.claims),
        }
        kept = ", ".join(f"{count} {what}" for what, count in counts.items())
        minutes = (time.perf_counter() - self.began) / 60
        return f"{kept}; {minutes:.1f} minutes"


def begin(stem: str, profile: str | None = None) -> Session:
    """Set style, seed, profile and ledger of the notebook ``stem``; show the result last in a cell.

    ``profile`` is sample, lab or full; by default the environment variable ``PROFILE``
    decides, and without it ``sample``. Raises UnknownProfile, and ValueError for an unknown stem.
    """
    now = profiles.get(profile) if profile else profiles.current()
    # Jobs in other processes and the package's own calls of profile.current() follow the notebook.
    os.environ["PROFILE"] = now.name
    figures.style()
    runtime.seed_everything(now.seed)
    # Pictures drawn in passing stay light; what the ledger keeps chooses its own format.
    set_matplotlib_formats("jpeg", pil_kwargs={"quality": figures.QUALITY})
    # joblib warns in red of a worker's memory, which each finished job gives back.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
    return Session(now, profiles.budget(stem, now), Ledger(stem, now), time.perf_counter())


def picker(draw: Callable[..., None], **options: Any) -> None:
    """Draw the published state, and below it a knob for each of ``options`` while a kernel runs.

    ``draw`` has a default for every option. A rendered notebook keeps the published state alone.
    """
    draw()
    if not is_strict():
        from ipywidgets import interact  # here: rendering has no use for it

        interact(draw, **options)


def show_source(*definitions: Callable) -> Code:
    """Return the source of functions or classes, highlighted: the one definition, not a copy."""
    return Code("\n\n".join(inspect.getsource(d).rstrip() for d in definitions), language="python")


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    return str(value)
