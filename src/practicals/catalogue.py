"""What belongs to which notebook: its figures, and the budgets of the profile that it spends.

To register a figure, add a line to the notebook's entry in ``FIGURES_OF``: its short name and the
formats it is written in. ``figures.save`` then takes it as ``<notebook stem>-<short name>``.
"""

import difflib
import re
from pathlib import Path

BOTH = ("pdf", "png")
"""Line drawings: vectors for print, pixels for the screen."""
RASTER = ("png",)
"""Photographs and maps: a PDF of these is many times the size and no sharper."""
ANIMATED = ("gif", "png")
"""An animation, and the still that stands for it in print."""

FIGURES_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "1-transfer-learning": {
        "top5": BOTH,
        "conv1-maps": RASTER,
        "conv1-more": RASTER,
        "classes": BOTH,
        "depth": BOTH,
        "C": BOTH,
        "steps": BOTH,
        "scratch": BOTH,
        "confusion": BOTH,
        "mistakes": BOTH,
    },
    "2-saliency": {
        "first-look": RASTER,
        "cases": RASTER,
        "saturation": BOTH,
        "several-objects": RASTER,
        "agreement": BOTH,
        "methods": RASTER,
        "other-classes": RASTER,
        "localisation": RASTER,
        "curves": BOTH,
        "scores": BOTH,
        "randomisation": BOTH,
        "seeds": BOTH,
    },
    "5-domain-adaptation": {
        "examples": RASTER,
        "flow": BOTH,
        "augmentation": RASTER,
        "schedules": BOTH,
        "training": BOTH,
        "reversal": BOTH,
        "features": RASTER,
        "lambda": BOTH,
        "collapse": BOTH,
        "pseudo": BOTH,
        "digits": BOTH,
        "mistakes": RASTER,
        "validators": RASTER,
    },
}

BUDGET_OF: dict[str, str] = {
    "1-transfer-learning": "transfer",
    "2-saliency": "saliency",
    "3-adversarial": "adversarial",
    "4-class-visualization": "classvis",
    "5-domain-adaptation": "adaptation",
    "6-gan": "gan",
}
"""Which field of ``profile.Profile`` a notebook spends; the fields of no notebook are common."""

SAMPLE_ONLY = ("sample_net",)
"""Fields of ``profile.Profile`` that only the sample profile reads."""

FIGURES: dict[str, str] = {f"{s}-{name}": s for s, names in FIGURES_OF.items() for name in names}
"""The registry: full name of a figure → stem of its notebook."""


class UnknownFigure(KeyError):
    """Raised for a figure that no notebook registers."""

    def __str__(self) -> str:
        return str(self.args[0])


def formats_of(name: str) -> tuple[str, ...]:
    """Return the formats in which the figure ``name`` is registered; raise UnknownFigure."""
    if name not in FIGURES:
        near = difflib.get_close_matches(name, FIGURES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownFigure(
            f"figure {name!r} is not registered.{hint} "
            "Add it to FIGURES_OF in src/practicals/catalogue.py."
        )
    stem = FIGURES[name]
    return FIGURES_OF[stem][name.removeprefix(f"{stem}-")]


def files_of(stem: str, folder: Path) -> list[Path]:
    """Return the files in ``folder`` that the notebook ``stem`` must have written."""
    names = [name for name, owner in FIGURES.items() if owner == stem]
    return [folder / f"{name}.{suffix}" for name in names for suffix in formats_of(name)]


def read_stamp(path: Path) -> dict[str, str]:
    """Return ``{"profile": …, "code": …}`` of a saved figure; empty where it carries none."""
    if path.suffix == ".pdf":
        found = re.search(rb"practicals profile=\w+ code=\w+", path.read_bytes())
        text = found.group().decode() if found else ""
    else:
        from PIL import Image  # here: a command with nothing to do imports little

        with Image.open(path) as picture:
            info = picture.info
        text = info.get("practicals", "") or info.get("comment", b"").decode(errors="replace")
    return dict(re.findall(r"(profile|code)=(\w+)", text))
