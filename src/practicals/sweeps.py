"""Run many independent jobs: on all cores of this machine, or on a Dask cluster.

``SWEEP_BACKEND`` is ``loky`` (processes of this machine, the default) or ``dask``, which needs the
scheduler's address in ``DASK_SCHEDULER_ADDRESS``; ``SWEEP_JOBS`` limits the processes. The jobs
and their results are the same on either.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import joblib
import torch
from tqdm.auto import tqdm

from . import caching, paths
from .atomic import atomic_path

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


def run(
    job: Callable[..., R],
    settings: Sequence[Setting],
    shared: Sequence[Any] = (),
    key: str | None = None,
    label: str = "sweep",
) -> list[R]:
    """Return ``[job(*shared, **setting) for setting in settings]``, in that order.

    ``shared`` travels to each process once. With ``key``, which stands for ``shared``, every
    result is kept in the cache as soon as it is there: a sweep that was stopped goes on where it
    was. A job's own error ends the sweep; finished jobs stay.
    """
    files = [None if key is None else _file(job, setting, key) for setting in settings]
    results = [_load(file) for file in files]
    todo = [i for i, found in enumerate(results) if found is None]
    bar = tqdm(total=len(settings), initial=len(settings) - len(todo), desc=label, leave=False)
    with bar, _running(job, [settings[i] for i in todo], shared) as finished:
        for i, result in zip(todo, finished, strict=True):
            results[i] = (result,)
            _store(files[i], results[i])
            bar.update()
    return [found[0] for found in results]


def _file(job: Callable[..., R], setting: Setting, key: str) -> Path:
    code = caching.code_of(job)
    digest = joblib.hash([job.__qualname__, sorted(setting.items()), key, code])
    return paths.cache_dir() / "sweeps" / f"{job.__name__}-{digest}.joblib"


def _load(file: Path | None) -> tuple[Any] | None:
    """Return a kept result in a tuple, so that None can be one; None where there is none."""
    if file is None or not file.is_file():
        return None
    try:
        return joblib.load(file)
    except Exception:  # whatever a damaged file provokes, the job runs again
        return None


def _store(file: Path | None, result: tuple[Any]) -> None:
    if file is not None:
        with atomic_path(file) as partial:
            joblib.dump(result, partial)


@contextmanager
def _running(
    job: Callable[..., R], settings: Sequence[Setting], shared: Sequence[Any]
) -> Iterator[Iterator[R]]:
    """Yield the results in order, each as soon as it is there."""
    if backend() == "dask":
        with _dask(shared):
            calls = (joblib.delayed(_call)(job, setting, *shared) for setting in settings)
            yield iter(joblib.Parallel()(calls))
    elif processes() == 1 or len(settings) < 2:
        yield (job(*shared, **setting) for setting in settings)
    else:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "shared.joblib"
            joblib.dump(list(shared), file)
            calls = (joblib.delayed(_call_with)(job, setting, str(file)) for setting in settings)
            with joblib.parallel_config("loky", n_jobs=processes(), inner_max_num_threads=1):
                yield joblib.Parallel(return_as="generator", pre_dispatch="n_jobs")(calls)


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


def _call(job: Callable[..., R], setting: Setting, *shared: Any) -> R:
    """Run one job on one thread: the processes together fill the cores."""
    torch.set_num_threads(1)
    return job(*shared, **setting)


def _call_with(job: Callable[..., R], setting: Setting, file: str) -> R:
    return _call(job, setting, *_shared(file))


@lru_cache(maxsize=1)
def _shared(file: str) -> list[Any]:
    """Read what all jobs share, once in the life of a process."""
    return joblib.load(file)
