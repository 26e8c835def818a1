"""A test as ``practicals.stats`` states one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What a claim needs of a test; the defaults are those of a clear difference."""

    name: str = "paired t"
    effect: float = 0.3
    low: float = 0.2
    high: float = 0.4
    n: int = 50
    p: float = 0.001
    direction: str | None = "higher"
    unit: str = "pictures"
    margin: float | None = None
