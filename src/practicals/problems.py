"""What went wrong with outputs, by name, and what to do about it."""

from dataclasses import dataclass

RERUN = "make report PROFILE=full"


class NotRendered(RuntimeError):
    """Raised for a notebook that could not be run; the message is for the user."""


class KernelDied(NotRendered):
    """Raised where a kernel ended early: by Ctrl-C, which reaches only it, or out of memory."""


@dataclass(frozen=True)
class Problem:
    """A culprit by name, what is wrong with it, and the one-line remedy."""

    name: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}\n    remedy: {self.remedy}"
