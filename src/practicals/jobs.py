"""A job once, or many over all cores or a Dask cluster, with every result kept.

A job is a function of the package. Its results are kept under ``data/cache`` as soon as they are
there, so that what was stopped goes on where it was; a change of the code, of an argument or of
the data makes a new entry. Entries hold plain arrays and JSON: reading one runs no code.

``SWEEP_BACKEND`` is ``loky`` (processes of this machine, the default) or ``dask``, which needs the
scheduler's address in ``DASK_SCHEDULER_ADDRESS``; ``SWEEP_JOBS`` limits the processes. The jobs
and their results are the same on either.
"""

import dataclasses
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import joblib
import numpy as np
import torch
from tqdm.auto import tqdm

from . import entries, fingerprint, paths

R = TypeVar("R")
Setting = Mapping[str, Any]
BACKENDS = ("loky", "dask")


def backend() -> str:
    """Return the backend that the environment asks for; raise ValueError for an unknown one."""
    name = os.environ.get("SWEEP_BACKEND") or "loky"
    if name not in BACKENDS:
        raise ValueError(f"SWEEP_BACKEND is {name!r}: expected one of {BACKENDS}")
    return name


def processes() -> int:
    """Return how many jobs run at once on this machine: one per core, and one alone on a GPU."""
    wanted = os.environ.get("SWEEP_JOBS")
    if wanted:
        return max(1, int(wanted))
    return 1 if torch.cuda.is_available() else joblib.cpu_count()


def once(job: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Return ``job(*args, **kwargs)``, from the cache where it ran before.

    Raises ValueError for a function that is not at the top level of a module: the result of a
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
    common = [_code(job), *map(_plain, shared)]
    files = [_file(job, [*common, _plain(dict(setting))]) for setting in settings]
    results = [entries.load(file) for file in files]
    todo = [i for i, found in enumerate(results) if found is None]
    silent = len(settings) < 2 or not todo
    bar = tqdm(
        total=len(settings),
        initial=len(settings) - len(todo),
        desc=label,
        leave=False,
        disable=silent,
    )
    with bar, _running(job, {i: settings[i] for i in todo}, shared, at_once) as finished:
        for i, result in finished:
            results[i] = (entries.store(files[i], result),)
            bar.update()
    return [found[0] for found in results]


def _code(job: Callable[..., R]) -> list[str]:
    """Return the name of a job or a class and the hash of the code behind it."""
    module, name = getattr(job, "__module__", None), getattr(job, "__qualname__", "<partial>")
    if "<" in name or module == "__main__" or _owner(job) is not None:
        raise ValueError(
            f"{name}: results that depend on it cannot be kept, since a key cannot see what a "
            "notebook's cells, a closure or an object hold. Use a function or a class at the top "
            "level of a module, such as the chapter's study"
        )
    if str(module).startswith(f"{fingerprint.PACKAGE}."):
        return [module, name, _package_code(module)]
    try:
        return [module, name, Path(inspect.getsourcefile(job)).read_text(encoding="utf-8")]
    except TypeError:  # what is not written in Python
        return [module, name, ""]


def _owner(function: Any) -> Any:
    """Return the object that a method is bound to; None for a function and for a class's own."""
    owner = getattr(function, "__self__", None)
    return None if isinstance(owner, type) or inspect.ismodule(owner) else owner


@cache
def _package_code(module: str) -> str:
    return fingerprint.code_hash(module)


def _plain(value: Any) -> Any:
    """Turn a value into one whose hash is the same in every process.

    Tensors and networks count by value, objects with a ``digest()`` by that, functions and the
    classes of networks by the code they reach.
    """
    if isinstance(value, torch.Tensor):
        shape = [str(value.dtype), list(value.shape)]
        return shape if value.is_meta else [shape, np.ascontiguousarray(entries.array_of(value))]
    if isinstance(value, torch.nn.Module):
        classes = {type(part) for part in value.modules()}
        code = sorted(_code(kind) for kind in classes if not kind.__module__.startswith("torch"))
        return [repr(value), value.training, _plain(value.state_dict()), code]
    if isinstance(value, torch.Generator):
        return value.get_state().numpy()
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


def _file(job: Callable[..., R], key: list[Any]) -> Path:
    folder = paths.cache_dir() / str(job.__module__).rpartition(".")[0]
    return folder / f"{job.__name__}-{joblib.hash(key)}.npz"


@contextmanager
def _running(
    job: Callable[..., R],
    settings: Mapping[int, Setting],
    shared: Sequence[Any],
    at_once: int | None,
) -> Iterator[Iterator[tuple[int, R]]]:
    """Yield the pairs of number and result, each as soon as it is there."""
    if backend() == "dask" and at_once != 1:
        with _dask(shared):
            yield joblib.Parallel(return_as="generator_unordered")(
                joblib.delayed(_call)(job, i, setting, *shared) for i, setting in settings.items()
            )
        return
    at_once = at_once or processes()
    if at_once == 1:
        yield ((i, job(*shared, **setting)) for i, setting in settings.items())
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shared.joblib"
        joblib.dump(list(shared), file)
        with joblib.parallel_config("loky", n_jobs=at_once, inner_max_num_threads=1):
            yield joblib.Parallel(return_as="generator_unordered", pre_dispatch="n_jobs")(
                joblib.delayed(_call_with)(job, i, setting, str(file))
                for i, setting in settings.items()
            )


@contextmanager
def _dask(shared: Sequence[Any]) -> Iterator[None]:
    """Point joblib to the Dask scheduler; raise ValueError or ImportError saying what is absent."""
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if not address:
        raise ValueError("SWEEP_BACKEND=dask needs DASK_SCHEDULER_ADDRESS, as in tcp://host:8786")
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("SWEEP_BACKEND=dask needs: pip install 'dask[distributed]'") from error
    with Client(address) as client:
        # Without this every job would carry its own copy of the data over the network.
        options = {"client": client, "scatter": list(shared)} if shared else {"client": client}
        with joblib.parallel_config("dask", **options):
            yield


def _call(job: Callable[..., R], number: int, setting: Setting, *shared: Any) -> tuple[int, R]:
    """Run one job on one thread: the processes together fill the cores."""
    torch.set_num_threads(1)
    return number, job(*shared, **setting)


def _call_with(job: Callable[..., R], number: int, setting: Setting, file: str) -> tuple[int, R]:
    return _call(job, number, setting, *_shared(file))


@lru_cache(maxsize=1)
def _shared(file: str) -> list[Any]:
    """Read what all jobs share, once in the life of a process."""
    return joblib.load(file)
