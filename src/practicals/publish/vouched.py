"""What a ledger's file says, and which files it vouches for by their sha256."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any


def read_ledger(path: Path) -> dict[str, Any]:
    """Return what a ledger's file says, or ``{}`` where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if {"profile", "code", "values", "tables"} <= content.keys() else {}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}


def figures(ledger: Mapping[str, Any]) -> dict[str, str]:
    """Return the figure files that a ledger vouches for, name to sha256."""
    files = (figure["files"] for figure in ledger.get("figures", {}).values())
    return {name: digest for some in files for name, digest in some.items()}


def hash_of(path: Path) -> str | None:
    """Return a file's sha256, or None where it is absent."""
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def all_files(stem: str, ledger: Mapping[str, Any], base: Path) -> dict[Path, str]:
    """Return all files below ``base`` that the notebook's ledger vouches for, with their sha256."""
    kept = {base / "figures" / name: digest for name, digest in figures(ledger).items()}
    tables = {table: facts["sha256"] for table, facts in ledger["tables"].items()}
    generated = base / "report" / "generated"
    kept |= {generated / f"{stem}-{table}.tex": digest for table, digest in tables.items()}
    models = ledger.get("models", {})
    return kept | {base / "data" / "models" / name: digest for name, digest in models.items()}
