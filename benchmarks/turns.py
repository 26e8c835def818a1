"""Timing for benchmarks: calls take turns, so that what else the machine does meets all of them."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

R = TypeVar("R")


def best(calls: Mapping[str, Callable[[], R]], repeats: int) -> dict[str, tuple[float, R]]:
    """Return the shortest time, in seconds, and the result of each call."""
    found: dict[str, tuple[float, R]] = {}
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.perf_counter()
            result = call()
            seconds = time.perf_counter() - began
            if name not in found or seconds < found[name][0]:
                found[name] = seconds, result
    return found
