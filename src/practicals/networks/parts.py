"""A study's job over many pictures, a part at a time; each part is kept as soon as it is there."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from provenance import cache

Found = dict[str, np.ndarray]


def joined(parts: Sequence[Found], axes: Mapping[str, int] = MappingProxyType({})) -> Found:
    """Return the arrays of several parts one after another, along axis 0 or that of ``axes``."""
    return {key: np.concatenate([p[key] for p in parts], axes.get(key, 0)) for key in parts[0]}


def run_by_parts(
    job: Callable[..., Found],
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    settings: Callable[[int], Mapping[str, Any]],
    size: int,
    label: str,
) -> Found:
    """Run ``job(net, x=…, y=…, **settings(first))`` on ``size`` of the pictures (n, …) at a time.

    ``first`` counts the pictures before a part, so that a part can draw its chance from a seed of
    its own; a job that has an argument of that name gets it as well.
    """
    asks = "first" in inspect.signature(job).parameters
    made = [
        {"x": x[i : i + size], "y": y[i : i + size], **settings(i)} | ({"first": i} if asks else {})
        for i in range(0, len(x), size)
    ]
    return joined(cache.run(job, made, (net,), label=label, at_once=1))
