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
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
_bare: dict[Any, Callable[..., Any]] = {}
"""What each decorated function computes, without what keeps its results."""
_first: dict[str, str] = {}
"""The hash of each module's code when this session first asked for it."""


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
    """Decorate a function of the package whose results are kept: ``@cached``; ``run`` runs many.

    Arguments may be numbers, text, arrays, tensors, networks, frames, dataclasses, functions of
    the package, and containers of these.
    """

    @functools.wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        return once(kept, *args, **kwargs)

    _bare[kept] = function
    return kept


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
    module, name = _home(job)
    used: set[str] = set()
    common = _key([job, *shared], used)
    keys = [joblib.hash([common, _key(dict(setting), used)]) for setting in settings]
    folder = project.cache_dir() / module.rpartition(".")[0]
    files = [folder / f"{name}-{key}.pt" for key in keys]
    results = [load(file, key) for file, key in zip(files, keys, strict=True)]
    todo = {i: settings[i] for i, found in enumerate(results) if found is None}
    done, silent = len(settings) - len(todo), len(settings) < 2 or not todo
    bar = tqdm(total=len(settings), initial=done, desc=label, leave=False, disable=silent)
    with bar, _running(job, todo, shared, at_once, used) as finished:
        for i, result in finished:
            results[i] = (store(files[i], keys[i], result),)
            bar.update()
    return [found[0] for found in results if found]


def _key(value: Any, used: set[str]) -> str:
    """Return the hash of a value and of the code and constants behind it.

    The modules of the package that it uses are added to ``used``.
    """
    names: set[str] = set()
    plain = _plain(value, names)
    code = [_code(name) for name in sorted(names)]
    used |= {name for name in names if _is_ours(name)}
    return joblib.hash([plain, code])


def _is_ours(module: str) -> bool:
    """Return whether a module is the project's package or below it."""
    return f"{module}.".startswith(f"{project.current().package}.")


def _code(module: str) -> Any:
    """Return the hash of a module's code with what its constants hold, or a foreign one's text."""
    if not _is_ours(module):
        file = getattr(importlib.import_module(module), "__file__", None) or ""
        return Path(file).read_text(encoding="utf-8") if file.endswith(".py") else ""
    code = codehash.module_hash(module)
    if _first.setdefault(module, code) != code:
        raise ProvenanceError(f"the code of {module} changed in this session: restart the kernel")
    return [code, _constants(codehash.reached([module]))]


def _constants(modules: Iterable[str]) -> dict[str, str]:
    """Return what stands for the constants and functions of modules as this process holds them.

    A constant that a notebook has set, ``study.SIZE = 8``, is in no file: this sees it. Constants
    have upper-case names. Raises ProvenanceError for a notebook's function in a module's place.
    """
    found = {}
    for name in modules:
        for key, value in vars(importlib.import_module(name)).items():
            if inspect.isroutine(value) or isinstance(value, type):
                home = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
                if home.startswith("__main__."):
                    raise ProvenanceError(
                        f"{name}.{key} was replaced in this session: change the module's file "
                        "instead, so that its results are told apart"
                    )
                # A library's own may differ: tqdm is another one in a notebook than in a process.
                if home.partition(".")[0] == name.partition(".")[0]:
                    found[f"{name}.{key}"] = home
            elif key.isupper() and not inspect.ismodule(value):
                found[f"{name}.{key}"] = type(value).__qualname__
                with suppress(Exception):  # what cannot be pickled counts by its kind alone
                    found[f"{name}.{key}"] = joblib.hash(_plain(value, None))
    return found


def _home(function: Any) -> tuple[str, str]:
    """Return module and name of what lies at the top level of a module; others are refused."""
    module = str(getattr(function, "__module__", None))
    name = getattr(function, "__qualname__", "<partial>")
    if "<" in name or module == "__main__" or _owner(function) is not None:
        raise ProvenanceError(
            f"{name}: results that depend on it cannot be kept, since a key cannot see what a "
            "notebook's cells, a closure or an object hold. Use a function or a class at the top "
            "level of a module, such as the chapter's study"
        )
    if _is_ours(module):
        found = functools.reduce(getattr, name.split("."), importlib.import_module(module))
        if function not in (found, _bare.get(found)):
            raise ProvenanceError(f"{module}.{name} was replaced in this session: change its file")
    return module, name


def _owner(function: Any) -> Any:
    """Return the object that a method is bound to; None for a function and for a class's own."""
    owner = getattr(function, "__self__", None)
    return None if isinstance(owner, type) or inspect.ismodule(owner) else owner


def _plain(value: Any, used: set[str] | None) -> Any:
    """Turn a value into one whose hash is the same in every process.

    Tensors and networks count by value, objects with a ``digest()`` by that, functions and classes
    by name, with their modules added to ``used``; without it, as in constants, all are allowed.
    """
    plain = functools.partial(_plain, used=used)
    if isinstance(value, torch.Tensor):
        shape = [str(value.dtype), list(value.shape)]
        return shape if value.is_meta else [shape, _bits(value)]
    if isinstance(value, torch.nn.Module):
        classes = {type(part) for part in value.modules()}
        own = sorted((k for k in classes if not k.__module__.startswith("torch.")), key=str)
        return [repr(value), value.training, plain(value.state_dict()), plain(own)]
    if isinstance(value, torch.Generator):
        return value.get_state().numpy()
    if isinstance(value, pd.DataFrame):
        return ["frame", plain(_packed(value))]
    if hasattr(value, "digest") and not isinstance(value, type):
        return [type(value).__qualname__, value.digest()]
    if isinstance(value, Mapping):
        return [[plain(name), plain(item)] for name, item in value.items()]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(joblib.hash(plain(item)) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return [type(value).__qualname__, plain(fields)]
    if isinstance(value, functools.partial):
        return [plain(value.func), plain(value.args), plain(value.keywords)]
    if inspect.isroutine(value) and _owner(value) is not None:
        function = getattr(value, "__func__", None)
        return [plain(_owner(value)), value.__qualname__, plain(function)]
    if inspect.isroutine(value) or isinstance(value, type):
        if used is None:
            return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
        module, name = _home(value)
        used |= {module} - {"None", "builtins"}
        return [module, name]
    return str(value) if isinstance(value, torch.device | torch.dtype | Path) else value


def _bits(value: torch.Tensor) -> np.ndarray:
    """Return a tensor's values as an array; NumPy has no bfloat16, so that gives its bits."""
    value = value.detach().cpu()
    bits = value.view(torch.int16) if value.dtype == torch.bfloat16 else value
    return np.ascontiguousarray(bits.numpy())


@contextmanager
def _running(
    job: Callable[..., Any],
    settings: Mapping[int, Setting],
    shared: Sequence[Any],
    at_once: int | None,
    used: set[str],
) -> Iterator[Iterator[tuple[int, Any]]]:
    """Yield the pairs of number and result, each as soon as it is there."""
    backend = type(joblib.parallel.get_active_backend()[0]).__name__
    cluster = backend == "DaskDistributedBackend" and at_once != 1
    at_once = at_once or (1 if cluster else processes())
    if not settings or (at_once == 1 and not cluster):
        yield ((i, _bare.get(job, job)(*shared, **settings[i])) for i in settings)
        return
    call = joblib.delayed(_call)
    known = _constants(codehash.reached(used))
    if cluster:
        yield joblib.Parallel(return_as="generator_unordered")(
            call(job, i, setting, known, "", *shared) for i, setting in settings.items()
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/shared.joblib"
        joblib.dump(list(shared), file)
        with joblib.parallel_config("loky", n_jobs=at_once, inner_max_num_threads=1):
            yield joblib.Parallel(return_as="generator_unordered", pre_dispatch="n_jobs")(
                call(job, i, setting, known, file) for i, setting in settings.items()
            )


def _call(
    job: Callable[..., Any],
    i: int,
    setting: Setting,
    known: dict[str, str],
    file: str,
    *shared: Any,
) -> tuple[int, Any]:
    """Run one job on one thread: the processes together fill the cores."""
    torch.set_num_threads(1)
    here = _constants(dict.fromkeys(name.rpartition(".")[0] for name in known))
    if wrong := [name for name in known if here.get(name) != known[name]]:
        raise ProvenanceError(
            f"{', '.join(wrong)}: set in this session, which the processes that run the jobs do "
            "not know. Hand it over as an argument"
        )
    return i, _bare.get(job, job)(*(_shared(file) if file else shared), **setting)


@functools.lru_cache(maxsize=1)
def _shared(file: str) -> list[Any]:
    """Read what all jobs share, once in the life of a process."""
    return joblib.load(file)


def load(file: Path, key: str) -> tuple[Any] | None:
    """Return a kept result in a tuple, so that None can be one; None where there is none.

    An entry that was stored under another key, or altered, gives a warning and counts as none.
    """
    if not file.is_file():
        return None
    try:
        entry = torch.load(file, weights_only=True)
        if entry["key"] != key:
            raise ValueError("it holds the result of another call")
        if entry["hash"] != joblib.hash(_plain(entry["value"], None)):
            raise ValueError("its content was altered")
        return (_unpacked(entry["value"]),)
    except Exception as error:  # whatever a damaged file provokes, the answer is the same
        reason = str(error).partition("\n")[0]
        warnings.warn(f"{file.name} is damaged ({reason}): computing again", stacklevel=3)
        return None


def store(file: Path, key: str, result: Any) -> Any:
    """Keep a result; a full disk or a read-only folder costs the copy, not the result."""
    tree = _packed(result)
    entry = {"key": key, "hash": joblib.hash(_plain(tree, None)), "value": tree}
    try:
        with project.replacing(file) as part:
            torch.save(entry, part)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        name, reason = file.stem.rpartition("-")[0], getattr(error, "strerror", None) or error
        warnings.warn(
            f"{name}: results could not be kept in {file.parent} ({reason}); the next run computes "
            "them again",
            stacklevel=3,
        )
    return _unpacked(tree)


# An ordered dict is what stands for an array, a frame or a dataclass; a result's own is a dict.


def _packed(value: Any) -> Any:
    """Return a value as tensors, numbers, text, lists and dicts; raise TypeError for others."""
    value = value.item() if isinstance(value, np.generic) else value
    if type(value) in (bool, int, float, str, type(None)):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().clone(memory_format=torch.contiguous_format)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcU" and value.dtype.isnative:
        kept = (
            torch.from_numpy(np.array(value, order="C"))
            if value.dtype.kind != "U"
            else value.ravel().tolist()
        )
        return OrderedDict(array=kept, dtype=str(value.dtype), shape=value.shape)
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(map(_packed, value))
    if isinstance(value, pd.DataFrame):
        columns = [_column(column) for _, column in value.items()]
        return OrderedDict(frame=columns, rows=_axis(value.index), labels=_axis(value.columns))
    if isinstance(value, Mapping):
        return {_packed(k): _packed(v) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        module, name = type(value).__module__, type(value).__qualname__
        known = [f.name for f in dataclasses.fields(_dataclass(module, name)) if f.init]
        fields = {field: _packed(getattr(value, field)) for field in known}
        return OrderedDict(module=module, name=name, fields=fields)
    raise TypeError(
        f"a {type(value).__name__} cannot be kept: a function returns numbers, text, arrays, "
        "tensors, frames, and lists, dicts and dataclasses of these"
    )


def _column(column: pd.Series | pd.Index) -> list[Any]:
    """Return a column's type and its values, NumPy's numbers as a tensor and others as a list."""
    kind = column.dtype
    if isinstance(kind, np.dtype) and kind.kind != "O":
        return [str(kind), _packed(column.to_numpy())]
    values = [None if item is pd.NA else _packed(item) for item in column.tolist()]
    if isinstance(kind, pd.CategoricalDtype):
        return [[_packed(kind.categories.tolist()), bool(kind.ordered)], values]
    return [str(kind), values]


def _axis(index: pd.Index) -> list[Any]:
    levels = [_column(index.get_level_values(i)) for i in range(index.nlevels)]
    return [_packed(list(index.names)), levels]


def _index(names: list[Any], levels: list[Any]) -> pd.Index:
    labels = [pd.Index(values, dtype=_dtype(kind)) for kind, values in levels]
    return (
        pd.MultiIndex.from_arrays(labels, names=names) if names[1:] else labels[0].rename(names[0])
    )


def _dtype(kind: Any) -> Any:
    return kind if isinstance(kind, str) else pd.CategoricalDtype(*kind)


def _unpacked(tree: Any) -> Any:
    if isinstance(tree, list | tuple):
        return type(tree)(map(_unpacked, tree))
    if not isinstance(tree, dict):
        return tree
    if not isinstance(tree, OrderedDict):
        return {_unpacked(k): _unpacked(v) for k, v in tree.items()}
    if "array" in tree:
        kept = tree["array"]
        array = kept.numpy() if isinstance(kept, torch.Tensor) else np.array(kept, tree["dtype"])
        return array.reshape(tree["shape"])
    if "frame" in tree:
        index, labels = (_index(*_unpacked(tree[axis])) for axis in ("rows", "labels"))
        columns = (pd.Series(_unpacked(v), index, _dtype(kind)) for kind, v in tree["frame"])
        return pd.DataFrame(dict(enumerate(columns)), index).set_axis(labels, axis=1)
    fields = {name: _unpacked(item) for name, item in tree["fields"].items()}
    return _dataclass(tree["module"], tree["name"])(**fields)


def _dataclass(module: str, name: str) -> Any:
    """Return a dataclass of the package; a file may name nothing else."""
    found = getattr(importlib.import_module(module), name, None) if _is_ours(module) else None
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        package = project.current().package
        raise TypeError(
            f"{module}.{name} is no dataclass at the top level of a module of {package}"
        )
    return found
