"""A function once, or many times over all cores, with every result kept.

Results lie under ``data/cache`` as soon as they are there, so that what was stopped goes on where
it was; a change of the code, of a constant or of an argument makes a new entry. An entry holds
tensors, numbers and text: reading one runs no code, and it is believed only where its own key and
the hash of its content are right.

Inside ``joblib.parallel_config("dask")`` jobs run on the Dask cluster, else on this machine's
cores; ``PROVENANCE_JOBS`` limits the processes. The results are the same on either.
"""

import dataclasses
import functools
import importlib
import inspect
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import joblib
import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from . import codehash, project
from .project import ProvenanceError

P = ParamSpec("P")
R = TypeVar("R")
Setting = Mapping[str, Any]
TENSOR_KINDS = "biufc"
"""NumPy's kinds of numbers: these arrays are kept as tensors, text as a list."""


def processes() -> int:
    """Return how many jobs run at once: one per core, and one alone on a GPU.

    Raises ProvenanceError where ``PROVENANCE_JOBS`` is no whole number from 1 to the cores.
    """
    cores, wanted = joblib.cpu_count(), os.environ.get("PROVENANCE_JOBS")
    if not wanted:
        return 1 if torch.cuda.is_available() else cores
    if not (wanted.isdecimal() and 1 <= int(wanted) <= cores):
        raise ProvenanceError(f"PROVENANCE_JOBS is {wanted!r}: expected a number from 1 to {cores}")
    return int(wanted)


def cached(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function of the package whose results are kept: ``@cached``.

    ``run`` calls one many times at once. Arguments may be numbers, text, arrays, tensors, networks,
    frames, dataclasses, functions of the package, and containers of these.
    """

    @functools.wraps(function)
    def once_each(*args: P.args, **kwargs: P.kwargs) -> R:
        return once(once_each, *args, **kwargs)

    return once_each


def once(job: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Return ``job(*args, **kwargs)``, from the cache where it ran before.

    Raises ProvenanceError for a function that is not at the top level of a module: the result of a
    notebook's own function depends on cells that no key can see.
    """
    return run(job, [kwargs], args, at_once=1)[0]


def run(
    job: Callable[..., R],
    settings: Sequence[Setting],
    shared: Sequence[Any] = (),
    label: str = "",
    at_once: int | None = None,
) -> list[R]:
    """Return ``[job(*shared, **setting) for setting in settings]``, in that order.

    ``shared`` travels to each process once. ``at_once`` is the number of jobs side by side (1: in
    this process, with all its threads). A job's own error ends the run; finished jobs stay. Results
    are as a later run reads them: tensors on the CPU, named tuples as tuples.
    """
    # One setting alone gets all threads; the last one missing of several does not: sums are rounded
    # otherwise with other threads, and a result must not depend on what was there before.
    at_once = 1 if len(settings) < 2 else at_once
    name, common = _named(job), [_code(job), *map(_plain, shared)]
    keys = [joblib.hash([*common, _plain(dict(setting))]) for setting in settings]
    files = [_file(name, key) for key in keys]
    results = [load(file, key) for file, key in zip(files, keys, strict=True)]
    todo = [i for i, found in enumerate(results) if found is None]
    silent = len(settings) < 2 or not todo
    bar = tqdm(
        total=len(settings),
        initial=len(settings) - len(todo),
        desc=label,
        leave=False,
        disable=silent,
    )
    with bar, _running(name, {i: settings[i] for i in todo}, shared, at_once) as finished:
        for i, result in finished:
            results[i] = (store(files[i], keys[i], result),)
            bar.update()
    return [found[0] for found in results if found is not None]


def _file(name: tuple[str, str], key: str) -> Path:
    return project.cache_dir() / name[0].rpartition(".")[0] / f"{name[1]}-{key}.pt"


def _named(function: Any) -> tuple[str, str]:
    """Return module and name of what lies at the top level of a module; others are refused."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", "<partial>")
    if "<" in name or module in (None, "__main__") or _owner(function) is not None:
        raise ProvenanceError(
            f"{name}: results that depend on it cannot be kept, since a key cannot see what a "
            "notebook's cells, a closure or an object hold. Use a function or a class at the top "
            "level of a module, such as the chapter's study"
        )
    return str(module), name


def _code(function: Any) -> list[str]:
    """Return the name of a function or a class, the hash of its code and of live constants."""
    module, name = _named(function)
    if f"{module}.".startswith(f"{project.current().package}."):
        _refuse_replaced(function, module, name)
        return [module, name, codehash.module_hash(module), codehash.live_constants(module)]
    try:
        return [module, name, Path(inspect.getfile(function)).read_text(encoding="utf-8")]
    except TypeError:  # what is not written in Python
        return [module, name, ""]


def _refuse_replaced(function: Any, module: str, name: str) -> None:
    """Refuse a function that a session has put in the place of the module's own."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not function and inspect.unwrap(found) is not function:
        raise ProvenanceError(
            f"{module}.{name} was replaced in this session: change the module's file instead, so "
            "that its results are told apart"
        )


def _owner(function: Any) -> Any:
    """Return the object that a method is bound to; None for a function and for a class's own."""
    owner = getattr(function, "__self__", None)
    return None if isinstance(owner, type) or inspect.ismodule(owner) else owner


def _plain(value: Any) -> Any:
    """Turn a value into one whose hash is the same in every process.

    Tensors and networks count by value, objects with a ``digest()`` by that, functions and the
    classes of networks by the code they reach.
    """
    if isinstance(value, torch.Tensor):
        shape = [str(value.dtype), list(value.shape)]
        return shape if value.is_meta else [shape, _bits(value)]
    if isinstance(value, torch.nn.Module):
        classes = {type(part) for part in value.modules()}
        code = sorted(_code(kind) for kind in classes if not kind.__module__.startswith("torch"))
        return [repr(value), value.training, _plain(value.state_dict()), code]
    if isinstance(value, torch.Generator):
        return value.get_state().numpy()
    if isinstance(value, pd.DataFrame):
        return ["frame", _plain(_packed(value))]
    if hasattr(value, "digest") and not isinstance(value, type):
        return [type(value).__qualname__, value.digest()]
    if isinstance(value, Mapping):
        return [[_plain(name), _plain(item)] for name, item in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return [type(value).__qualname__, _plain(fields)]
    if isinstance(value, partial):
        return [_plain(value.func), _plain(value.args), _plain(value.keywords)]
    if inspect.isroutine(value) and _owner(value) is not None:
        function = getattr(value, "__func__", None)
        return [_plain(_owner(value)), value.__qualname__, _plain(function)]
    if inspect.isroutine(value) or isinstance(value, type):
        return _code(value)
    return str(value) if isinstance(value, torch.device | torch.dtype | Path) else value


def _bits(value: torch.Tensor) -> np.ndarray:
    """Return a tensor's values as an array; NumPy has no bfloat16, so that gives its bits."""
    value = value.detach().cpu()
    bits = value.view(torch.int16) if value.dtype == torch.bfloat16 else value
    return np.ascontiguousarray(bits.numpy())


@contextmanager
def _running(
    name: tuple[str, str],
    settings: Mapping[int, Setting],
    shared: Sequence[Any],
    at_once: int | None,
) -> Iterator[Iterator[tuple[int, Any]]]:
    """Yield the pairs of number and result, each as soon as it is there."""
    backend = type(joblib.parallel.get_active_backend()[0]).__name__
    if backend == "DaskDistributedBackend" and at_once != 1:
        constants = codehash.live_constants(name[0]) if settings else ""
        yield joblib.Parallel(return_as="generator_unordered")(
            joblib.delayed(_call)(name, i, setting, constants, *shared)
            for i, setting in settings.items()
        )
        return
    at_once = at_once or processes()
    if at_once == 1 or not settings:
        yield ((i, _function(name)(*shared, **setting)) for i, setting in settings.items())
        return
    constants = _checked_constants(name[0])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shared.joblib"
        joblib.dump(list(shared), file)
        with joblib.parallel_config("loky", n_jobs=at_once, inner_max_num_threads=1):
            yield joblib.Parallel(return_as="generator_unordered", pre_dispatch="n_jobs")(
                joblib.delayed(_call_with)(name, i, setting, constants, str(file))
                for i, setting in settings.items()
            )


def _checked_constants(module: str) -> str:
    """Return the hash of a module's live constants, empty outside the package."""
    ours = f"{module}.".startswith(f"{project.current().package}.")
    return codehash.live_constants(module) if ours else ""


def _function(name: tuple[str, str]) -> Callable[..., Any]:
    """Return the function itself, without what keeps its results."""
    found: Any = importlib.import_module(name[0])
    for part in name[1].split("."):
        found = getattr(found, part)
    return inspect.unwrap(found)


def _call(
    name: tuple[str, str], number: int, setting: Setting, constants: str, *shared: Any
) -> tuple[int, Any]:
    """Run one job on one thread: the processes together fill the cores."""
    torch.set_num_threads(1)
    function = _function(name)
    if constants and _checked_constants(name[0]) != constants:
        raise ProvenanceError(
            f"{'.'.join(name)}: a constant of its modules was set in this session, and the "
            "processes that would run it do not know. Hand it over as an argument"
        )
    return number, function(*shared, **setting)


def _call_with(
    name: tuple[str, str], number: int, setting: Setting, constants: str, file: str
) -> tuple[int, Any]:
    return _call(name, number, setting, constants, *_shared(file))


@lru_cache(maxsize=1)
def _shared(file: str) -> list[Any]:
    """Read what all jobs share, once in the life of a process."""
    return joblib.load(file)


def load(file: Path, key: str) -> tuple[Any] | None:
    """Return a kept result in a tuple, so that None can be one; None where there is none.

    An entry whose key or content is not the one it was stored with gives a warning and counts as
    none.
    """
    if not file.is_file():
        return None
    try:
        entry = torch.load(file, weights_only=True)
        if entry["key"] != key:
            raise ValueError("it holds the result of another call")
        if entry["hash"] != joblib.hash(_plain(entry["value"])):
            raise ValueError("its content was altered")
        return (_unpacked(entry["value"]),)
    except Exception as error:  # whatever a damaged file provokes, the answer is the same
        warnings.warn(f"cache file {file.name} is damaged ({error}): computing again", stacklevel=3)
        return None


def store(file: Path, key: str, result: Any) -> Any:
    """Keep a result; a full disk or a read-only folder costs the copy, not the result."""
    tree = _packed(result)
    entry = {"key": key, "hash": joblib.hash(_plain(tree)), "value": tree}
    try:
        with project.replacing(file) as partial_file:
            torch.save(entry, partial_file)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        warnings.warn(
            f"{file.stem.rpartition('-')[0]}: results could not be kept in {file.parent} "
            f"({getattr(error, 'strerror', None) or error}); the next run computes them again",
            stacklevel=3,
        )
    return _unpacked(tree)


def _packed(value: Any) -> Any:
    """Return a value as tensors, numbers, text, lists and dicts; raise TypeError for others."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, np.ndarray):
        return {"array": _packed_array(value), "dtype": str(value.dtype)}
    if isinstance(value, list):
        return [_packed(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_packed(item) for item in value]}
    if isinstance(value, pd.DataFrame):
        return {"frame": _packed_frame(value)}
    if isinstance(value, Mapping):
        return {"dict": [[_packed(k), _packed(v)] for k, v in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = [type(value).__module__, type(value).__qualname__]
        _dataclass(*name)
        known = [f.name for f in dataclasses.fields(value) if f.init]
        return {"class": name, "fields": {f: _packed(getattr(value, f)) for f in known}}
    raise TypeError(
        f"a {type(value).__name__} cannot be kept: a function returns numbers, text, arrays, "
        "tensors, frames, and lists, dicts and dataclasses of these"
    )


def _packed_array(value: np.ndarray) -> Any:
    if value.dtype.kind in TENSOR_KINDS and value.dtype.isnative:
        return torch.from_numpy(np.ascontiguousarray(value).reshape(value.shape).copy())
    if value.dtype.kind == "U":
        return value.tolist()
    raise TypeError(f"an array of {value.dtype} cannot be kept: return numbers or text")


def _packed_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a frame's columns, each with its kind, and its index."""
    columns = [_packed_column(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return {
        "columns": columns,
        "labels": [_packed(label) for label in frame.columns],
        "label_names": list(frame.columns.names),
        "index": [_packed_column(level.to_series()) for level in _levels(frame.index)],
        "index_names": list(frame.index.names),
        "rows": len(frame),
    }


def _levels(index: pd.Index) -> list[pd.Index]:
    return [index.get_level_values(i) for i in range(index.nlevels)]


def _packed_column(column: pd.Series) -> list[Any]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in TENSOR_KINDS:
        return [str(column.dtype), _packed_array(column.to_numpy())]
    # A missing text is None: NaN, in a column of text, is a matter of the library's version.
    return [str(column.dtype), [None if pd.isna(v) else _packed(v) for v in column.tolist()]]


def _unpacked(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_unpacked(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        array = tree["array"]
        return array.numpy() if isinstance(array, torch.Tensor) else np.array(array, tree["dtype"])
    if "tuple" in tree:
        return tuple(_unpacked(item) for item in tree["tuple"])
    if "dict" in tree:
        return {_unpacked(k): _unpacked(v) for k, v in tree["dict"]}
    if "frame" in tree:
        return _unpacked_frame(tree["frame"])
    fields = {name: _unpacked(item) for name, item in tree["fields"].items()}
    return _dataclass(*tree["class"])(**fields)


def _unpacked_frame(tree: Mapping[str, Any]) -> pd.DataFrame:
    levels = [_unpacked_column(*level) for level in tree["index"]]
    names = tree["index_names"]
    index = pd.MultiIndex.from_arrays(levels, names=names) if len(levels) > 1 else None
    index = pd.Index(levels[0], name=names[0]) if index is None else index
    columns = {i: _unpacked_column(*column).set_axis(index) for i, column in
               enumerate(tree["columns"])}  # fmt: skip
    frame = pd.DataFrame(columns, index=index)
    labels = [_unpacked(label) for label in tree["labels"]]
    if len(tree["label_names"]) > 1:
        frame.columns = pd.MultiIndex.from_tuples(labels, names=tree["label_names"])
    else:
        frame.columns = pd.Index(labels, name=tree["label_names"][0])
    return frame


def _unpacked_column(kind: str, values: Any) -> pd.Series:
    array = values.numpy() if isinstance(values, torch.Tensor) else _unpacked(values)
    return pd.Series(array, dtype=kind)


def _dataclass(module: str, name: str) -> type:
    """Return a dataclass of the package; a file may name nothing else."""
    package = project.current().package
    if not module.startswith(f"{package}."):
        raise TypeError(f"{module}.{name} is not of {package}: only its dataclasses are kept")
    found = getattr(importlib.import_module(module), name, None)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise TypeError(f"{module}.{name} is no dataclass at the top level of a module")
    return found
