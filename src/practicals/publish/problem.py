"""A culprit of ``check``: its name, what is wrong with it, and what to do."""

from dataclasses import dataclass
from typing import Any

RERUN = "make report PROFILE=full"
Ledgers = dict[str, dict[str, Any]]
"""What the ledgers that can be read say, by the stem of their notebook."""


@dataclass(frozen=True)
class Problem:
    """A culprit by name, what is wrong with it, and the one-line remedy."""

    name: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}\n    remedy: {self.remedy}"
