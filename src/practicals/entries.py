"""Results of jobs as files: plain arrays and JSON, so that reading one runs no code."""

import dataclasses
import importlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from . import fingerprint
from .paths import atomic_path

R = TypeVar("R")


def load(file: Path) -> tuple[Any] | None:
    """Return a kept result in a tuple, so that None can be one; None where there is none."""
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
        return (_unpacked(json.loads(arrays["tree"].tobytes()), arrays),)
    except Exception as error:  # whatever a damaged file provokes, the answer is the same
        warnings.warn(f"cache file {file.name} is damaged ({error}): computing again", stacklevel=3)
        return None


def store(file: Path, result: R) -> R:
    """Keep a result; a full disk or a read-only folder costs the copy, not the result."""
    arrays: dict[str, np.ndarray] = {}
    tree = _packed(result, arrays)
    text = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    try:
        with atomic_path(file) as partial_file:
            np.savez(partial_file, tree=text, **arrays)
    except OSError as error:
        reason = error.strerror or error
        name = file.stem.rpartition("-")[0]
        warnings.warn(
            f"{name}: results could not be kept in {file.parent} ({reason}); the next run computes "
            "them again",
            stacklevel=3,
        )
    return _unpacked(tree, arrays)


def array_of(value: torch.Tensor) -> np.ndarray:
    """Return a tensor's values; NumPy has no bfloat16, so that keeps only its bits."""
    value = value.detach().cpu()
    return (value.view(torch.int16) if value.dtype == torch.bfloat16 else value).numpy()


def _packed(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return ``value`` as JSON, with its arrays put into ``arrays``; raise TypeError for others."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | torch.Tensor):
        name = f"array{len(arrays)}"
        is_tensor = isinstance(value, torch.Tensor)
        arrays[name] = array_of(value) if is_tensor else value
        if arrays[name].dtype.hasobject:
            raise TypeError("an array of objects cannot be kept: return numbers")
        if is_tensor and value.dtype == torch.bfloat16:
            return {"bfloat16": name}
        return {"tensor" if is_tensor else "array": name}
    if isinstance(value, list):
        return [_packed(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_packed(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        pairs = [[_packed(k, arrays), _packed(v, arrays)] for k, v in value.items()]
        return {"dict": pairs}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = [type(value).__module__, type(value).__qualname__]
        _dataclass(*name)
        known = [f.name for f in dataclasses.fields(value) if f.init]
        fields = {field: _packed(getattr(value, field), arrays) for field in known}
        return {"class": name, "fields": fields}
    raise TypeError(
        f"a {type(value).__name__} cannot be kept: a job returns numbers, text, arrays, tensors, "
        "and lists, dicts and dataclasses of these"
    )


def _unpacked(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_unpacked(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    if "tensor" in tree:
        return torch.from_numpy(arrays[tree["tensor"]])
    if "bfloat16" in tree:
        return torch.from_numpy(arrays[tree["bfloat16"]]).view(torch.bfloat16)
    if "tuple" in tree:
        return tuple(_unpacked(item, arrays) for item in tree["tuple"])
    if "dict" in tree:
        return {_unpacked(k, arrays): _unpacked(v, arrays) for k, v in tree["dict"]}
    fields = {name: _unpacked(item, arrays) for name, item in tree["fields"].items()}
    return _dataclass(*tree["class"])(**fields)


def _dataclass(module: str, name: str) -> type:
    """Return a dataclass of the package; a file may name nothing else."""
    if not module.startswith(f"{fingerprint.PACKAGE}."):
        raise TypeError(f"{module}.{name} is not of this package: only its dataclasses are kept")
    found = getattr(importlib.import_module(module), name, None)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise TypeError(f"{module}.{name} is no dataclass at the top level of a module")
    return found
