"""Caches of expensive steps, under ``data/cache``: a change of the code makes a new entry.

``cached`` wraps a function of the package or of a notebook; ``load_or_compute`` stores arrays and
state dicts as plain ``.npz`` and ``.pt`` files. Both write to a temporary name first, so that an
interrupted run leaves nothing half-written, and both compute again what they cannot read.
"""

import functools
import inspect
import types
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import joblib
import numpy as np
import torch

from practicals import fingerprint, paths
from practicals.atomic import atomic_path

P = ParamSpec("P")
R = TypeVar("R")


def cached(
    func: Callable[P, R] | None = None, *, depends: tuple[types.ModuleType | str, ...] = ()
) -> Any:
    """Return ``func`` with its results kept on disk; works as a decorator, bare or with options.

    The key holds the arguments (arrays and tensors by value, networks by their weights) and the
    code of ``func``, of the package's modules it names and of ``depends``.
    """
    if func is None:
        return functools.partial(cached, depends=depends)

    @functools.wraps(func)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = inspect.signature(func).bind(*args, **kwargs)
        bound.apply_defaults()
        key = joblib.hash([func.__qualname__, _plain(bound.arguments), code_of(func, depends)])
        memory = joblib.Memory(paths.cache_dir(), verbose=0)
        return memory.cache(_call, ignore=["call"])(key, lambda: func(*args, **kwargs))

    return remembered


def _call(key: str, call: Callable[[], R]) -> R:
    """Compute a result; joblib files it under ``key`` alone."""
    return call()


def load_or_compute(
    name: str,
    key: Mapping[str, Any],
    compute: Callable[[], Mapping[str, Any]],
    depends: tuple[types.ModuleType | str, ...] = (),
) -> dict[str, Any]:
    """Return the arrays or tensors that ``compute()`` gives, from disk where it ran before.

    ``compute`` returns a dict of NumPy arrays (kept as .npz) or a state dict of tensors (.pt).
    ``key`` holds all that the result depends on besides code: settings, seeds, names of data.
    """
    digest = joblib.hash([_plain(dict(key)), code_of(compute, depends)])[:16]
    stem = paths.cache_dir() / f"{name}-{digest}"
    for path in (Path(f"{stem}.npz"), Path(f"{stem}.pt")):
        if path.exists() and (found := _load(path)) is not None:
            return found
    result = dict(compute())
    _store(stem, result)
    return result


def _load(path: Path) -> dict[str, Any] | None:
    """Read a cache file; warn and return None where it is damaged."""
    try:
        # Both formats are zip archives with checksums: a flipped byte shows here.
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ValueError("checksum differs")
        if path.suffix == ".pt":
            return torch.load(path, map_location="cpu", weights_only=True)
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # whatever a damaged file provokes, the answer is the same
        warnings.warn(f"cache file {path.name} is damaged ({error}): computing again", stacklevel=3)
        return None


def _store(stem: Path, result: dict[str, Any]) -> None:
    tensors = [isinstance(value, torch.Tensor) for value in result.values()]
    if any(tensors) and not all(tensors):
        raise TypeError(f"{stem.name}: a cache entry holds arrays or tensors, not both")
    stem.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(Path(f"{stem}.{'pt' if any(tensors) else 'npz'}")) as partial:
        if any(tensors):
            torch.save({k: v.detach().cpu() for k, v in result.items()}, partial)
        else:
            np.savez(partial, **result)


def _plain(value: Any) -> Any:
    """Turn tensors and networks, whose pickles differ from run to run, into arrays."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if isinstance(value, torch.nn.Module):
        return [repr(value), value.training, _plain(value.state_dict())]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if inspect.isroutine(value) or isinstance(value, functools.partial):
        return code_of(value)
    return str(value) if isinstance(value, torch.device | torch.dtype | Path) else value


def code_of(func: Callable[..., Any], depends: tuple[types.ModuleType | str, ...] = ()) -> str:
    """Return the hash of the code behind ``func`` and of the package's modules ``depends``.

    A function of a notebook counts by its own text, by that of the notebook's functions it calls,
    and by the package's modules that these name.
    """
    if isinstance(func, functools.partial):
        return joblib.hash([code_of(func.func, depends), _plain(func.args), _plain(func.keywords)])
    modules = {item if isinstance(item, str) else item.__name__ for item in depends}
    texts = []
    for item in _reached(func, set()):
        if isinstance(item, str):
            modules.add(item)
        else:
            texts.append(_source(item))
    return fingerprint.code_hash(*sorted(modules)) + joblib.hash(texts)


def _source(func: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(func).strip()
    except (OSError, TypeError):
        return func.__qualname__


def _reached(item: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the package's modules, by name, and the notebook's functions that ``item`` names."""
    module = item.__name__ if inspect.ismodule(item) else getattr(item, "__module__", None)
    if str(module).startswith("practicals."):
        yield module
    elif inspect.isfunction(item) and id(item) not in seen:
        seen.add(id(item))
        yield item
        for name in _names(item.__code__):
            yield from _reached(item.__globals__.get(name), seen)
        for cell in item.__closure__ or ():
            yield from _reached(cell.cell_contents, seen)


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that a function uses, those of the functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
