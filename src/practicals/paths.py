"""Where things are. Environment variables override; nothing is created on import."""

import os
from pathlib import Path


def root() -> Path:
    """Return the repository's root (environment: ``PRACTICALS_ROOT``)."""
    override = os.environ.get("PRACTICALS_ROOT")
    return Path(override).resolve() if override else Path(__file__).resolve().parents[2]


def data_dir() -> Path:
    """Return the folder of downloads and caches (environment: ``PRACTICALS_DATA``)."""
    override = os.environ.get("PRACTICALS_DATA")
    return Path(override).resolve() if override else root() / "data"


def mirror_dir() -> Path | None:
    """Return the read-only mirror of the data folder, or None (environment: ``DATA_MIRROR``)."""
    override = os.environ.get("DATA_MIRROR")
    return Path(override).resolve() if override else None


def cache_dir() -> Path:
    """Return the folder of features, networks and sweeps that can be computed again."""
    return data_dir() / "cache"


def output_dir(profile: str) -> Path:
    """Return the folder under which a profile's outputs go: the root itself for ``full``."""
    return root() if profile == "full" else root() / "build" / profile


def figures_dir(profile: str) -> Path:
    """Return the folder of a profile's figures."""
    return output_dir(profile) / "figures"


def generated_dir(profile: str) -> Path:
    """Return the folder of a profile's ledgers, macros and tables."""
    return output_dir(profile) / ("report/generated" if profile == "full" else "generated")


def notebooks_dir(profile: str = "full") -> Path:
    """Return the folder of a profile's rendered notebooks; sources live in ``full``'s."""
    return output_dir(profile) / "notebooks"


def report_dir() -> Path:
    """Return the folder of the report's LaTeX sources."""
    return root() / "report"
