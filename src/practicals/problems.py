"""What is wrong with the published outputs, and what to do about it."""

from dataclasses import dataclass

RERUN = "make report PROFILE=full"


@dataclass(frozen=True)
class Problem:
    """A culprit by name, what is wrong with it, and the one-line remedy."""

    name: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}\n    remedy: {self.remedy}"
