"""Jobs: hits, new entries, damaged and planted files, one process, several, and a cluster."""

import copy
import dataclasses
import errno
import functools
import json
import os
import pickle
import sys
import time
import types
import warnings
import zipfile
from collections import OrderedDict, namedtuple

import joblib
import numpy as np
import pytest
import torch

from practicals import entries, fingerprint, jobs, stats

SETTINGS = [{"factor": factor, "seed": seed} for factor in (1, 2, 3) for seed in (0, 1)]
RUNS: list = []
Pair = namedtuple("Pair", "left right")


def scaled_noise(x, factor, seed):
    """A job whose result depends on shared data, setting and seed."""
    noise = torch.randn(len(x), generator=torch.Generator().manual_seed(seed))
    return float((factor * (x + noise)).sum())


def process_id(x, factor, seed):
    return os.getpid()


def threads(x, factor, seed):
    return torch.get_num_threads()


def counted(x, **setting):
    RUNS.append(setting)
    return x


def stopping(x, factor, seed):
    RUNS.append((factor, seed))
    if os.environ.get("STOP_AT") == str(len(RUNS)):
        raise KeyboardInterrupt
    return factor * 10 + seed


def failing_in_the_middle(x, factor, seed):
    if (factor, seed) == (2, 0):
        time.sleep(1)
        raise RuntimeError("factor 2")
    return factor


def helper(x):
    return x


@dataclasses.dataclass
class Foreign:
    """A dataclass that is not of the package."""

    x: int


class Net(torch.nn.Linear):
    """A network whose code is in this file."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache, one process, no cluster; return where the entries of this file lie."""
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    for name in ("SWEEP_BACKEND", "DASK_SCHEDULER_ADDRESS", "STOP_AT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SWEEP_JOBS", "1")
    RUNS.clear()
    jobs._package_code.cache_clear()
    return tmp_path / "cache" / __name__.rpartition(".")[0]


@pytest.fixture
def expected():
    return [scaled_noise(torch.arange(4.0), **setting) for setting in SETTINGS]


def entry(folder):
    (file,) = folder.glob("*.npz")
    return file


# One process, several, a cluster


@pytest.mark.parametrize("processes", ["1", "2"])
def test_results_come_in_order_from_one_process_or_two(monkeypatch, expected, processes):
    monkeypatch.setenv("SWEEP_JOBS", processes)
    assert jobs.run(scaled_noise, SETTINGS, (torch.arange(4.0),)) == expected


def test_two_processes_are_used_and_fill_the_same_entries(monkeypatch, folder):
    monkeypatch.setenv("SWEEP_JOBS", "2")
    found = jobs.run(process_id, SETTINGS, (torch.arange(4.0),))
    assert os.getpid() not in found and len(list(folder.iterdir())) == len(SETTINGS)
    monkeypatch.setenv("SWEEP_JOBS", "1")
    assert jobs.run(process_id, SETTINGS, (torch.arange(4.0),)) == found
    assert set(jobs.run(process_id, SETTINGS, (torch.ones(4),), at_once=1)) == {os.getpid()}


def test_a_dask_cluster_of_two_workers_gives_the_same(monkeypatch, expected):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        monkeypatch.setenv("SWEEP_BACKEND", "dask")
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        x = torch.arange(4.0)
        assert jobs.run(scaled_noise, SETTINGS, (x,)) == expected
        assert os.getpid() not in jobs.run(process_id, SETTINGS, (x,))
        assert jobs.run(process_id, SETTINGS, (x + 1,), at_once=1)[0] == os.getpid()


def test_dask_without_an_address_says_what_to_set(monkeypatch):
    monkeypatch.setenv("SWEEP_BACKEND", "dask")
    with pytest.raises(ValueError, match="DASK_SCHEDULER_ADDRESS"):
        jobs.run(scaled_noise, SETTINGS, (torch.arange(4.0),))


def test_an_unknown_backend_is_refused(monkeypatch):
    monkeypatch.setenv("SWEEP_BACKEND", "ray")
    with pytest.raises(ValueError, match="ray"):
        jobs.backend()


# What is kept, and when it is computed anew


def test_an_interrupted_run_goes_on_where_it_stopped(monkeypatch):
    monkeypatch.setenv("STOP_AT", "3")
    with pytest.raises(KeyboardInterrupt):
        jobs.run(stopping, SETTINGS, (None,))
    assert RUNS == [(1, 0), (1, 1), (2, 0)]
    monkeypatch.delenv("STOP_AT")
    assert jobs.run(stopping, SETTINGS, (None,)) == [10, 11, 20, 21, 30, 31]
    assert RUNS[3:] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    jobs.run(stopping, SETTINGS[::-1], (None,))
    assert len(RUNS) == 7, "another order is no other job"


def test_a_failure_in_one_of_two_processes_keeps_what_was_finished(monkeypatch, folder):
    monkeypatch.setenv("SWEEP_JOBS", "2")
    with pytest.raises(RuntimeError, match="factor 2"):
        jobs.run(failing_in_the_middle, SETTINGS, (None,))
    assert len(list(folder.glob("*.npz"))) >= 2


def test_once_runs_once_and_keeps_none_as_well():
    for _ in range(2):
        assert jobs.once(counted, None) is None
    assert jobs.once(counted, None, a=1) is None
    assert RUNS == [{}, {"a": 1}]


torch.manual_seed(0)
WEIGHTS = torch.nn.Linear(2, 2)
OTHER_WEIGHTS = torch.nn.Linear(2, 2)
HALF = torch.ones(3).bfloat16()
CALLS = {
    "number": (1, 2),
    "kind of number": (1, 1.0),
    "tensor": (torch.arange(3.0), torch.tensor([0.0, 1.0, 3.0])),
    "precision": (torch.ones(3), torch.ones(3).bfloat16()),
    "precision with the same bits": (HALF, HALF.view(torch.int16)),
    "bits": (torch.ones(3).bfloat16(), torch.full((3,), 1.0078125).bfloat16()),
    "shape": (torch.ones(4), torch.ones(2, 2)),
    "array": (np.arange(3), np.array([0, 1, 3])),
    "text in a dict": ({"a": ["x"]}, {"a": ["y"]}),
    "key of a dict": ({"a": 1}, {"b": 1}),
    "weights": (WEIGHTS, OTHER_WEIGHTS),
    "mode": (WEIGHTS, copy.deepcopy(WEIGHTS).eval()),
    "function": (helper, scaled_noise),
    "function of a package": (np.mean, np.median),
    "partial": (functools.partial(helper, x=1), functools.partial(helper, x=2)),
    "method": (WEIGHTS.forward, OTHER_WEIGHTS.forward),
    "method of text": ("a".join, "b".join),
    "class": (int, float),
    "dataclass": (stats.Test("t", 1, 0, 2, 9, 0.5), stats.Test("t", 1, 0, 2, 9, 0.6)),
    "generator": (torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_another_argument_is_another_entry(folder, name):
    keys = [jobs._file(helper, [jobs._plain(value)]) for value in CALLS[name]]
    assert keys[0] != keys[1] == jobs._file(helper, [jobs._plain(CALLS[name][1])])


def test_copies_are_the_same_argument():
    x = torch.arange(6.0).view(2, 3)
    pairs = [(x, x.clone()), (x, x.t().contiguous().t()), (WEIGHTS, copy.deepcopy(WEIGHTS))]
    for a, b in pairs:
        assert joblib.hash(jobs._plain(a)) == joblib.hash(jobs._plain(b))


def test_an_argument_without_its_weights_is_no_obstacle():
    shapes = [torch.nn.Linear(2, n, device="meta") for n in (2, 3)]
    assert joblib.hash(jobs._plain(shapes[0])) != joblib.hash(jobs._plain(shapes[1]))


@pytest.mark.parametrize("job", [stats.mean_std, helper])
def test_changed_code_is_another_entry(monkeypatch, job):
    def key():
        jobs._package_code.cache_clear()
        return jobs._code(job)

    before = key()
    assert key() == before
    monkeypatch.setattr(fingerprint, "code_hash", lambda *names: "other")
    monkeypatch.setattr(jobs.Path, "read_text", lambda path, encoding: "other")
    assert key() != before


def test_changed_code_of_a_networks_class_is_another_entry(monkeypatch):
    net = Net(1, 1)
    before = joblib.hash(jobs._plain(net))
    monkeypatch.setattr(jobs.Path, "read_text", lambda path, encoding: "other")
    assert joblib.hash(jobs._plain(net)) != before


def closure():
    return lambda x: x


def notebook_function():
    names = {"__name__": "__main__"}
    exec("def f(x):\n    return x\n\nclass Net: pass", names)
    return names["f"]


@pytest.mark.parametrize(
    "job", [lambda x: x, closure(), notebook_function(), functools.partial(helper), "".join]
)
def test_what_no_key_can_see_is_refused(folder, job):
    with pytest.raises(ValueError, match="cannot see what a notebook's cells, a closure"):
        jobs.once(job, 1)
    assert not folder.exists()


def test_a_method_is_no_job_and_a_closure_no_argument():
    with pytest.raises(ValueError, match="top level of a module"):
        jobs.once(WEIGHTS.forward, torch.ones(2))
    for hidden in (closure(), notebook_function()):
        with pytest.raises(ValueError, match="top level of a module"):
            jobs.once(helper, {"inside": [hidden]})


# What comes back


def same(a, b):
    if isinstance(a, torch.Tensor | np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and (
            torch.equal(a, b) if isinstance(a, torch.Tensor) else np.array_equal(a, b))  # fmt: skip
    if isinstance(a, dict):
        return list(a) == list(b) and all(
            same(x, y) for x, y in zip(a.values(), b.values(), strict=True)
        )
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and same(vars(a), vars(b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


RESULTS = {
    "numbers": [1, 1.5, True, None, "text", float("nan"), float("inf"), -0.1 + 0.3],
    "tuples": ((1, (2, [3])), ()),
    "dict": {("a", 1): {"b": [np.arange(3)]}, 2: {}, "c": (torch.ones(2),)},
    "dict that looks like a file's own": {"array": 1, "tuple": [2], "class": "x"},
    "arrays": [np.float32([1, 2]), np.array(["a", "bc"]), np.zeros((0, 2)), np.array(3)],
    "tensors": [torch.arange(3), torch.tensor(2.5), torch.ones(2, 2, dtype=torch.bool)],
    "half": [torch.tensor([0.1, 3e4]).half(), torch.tensor([0.1, 3e38]).bfloat16()],
    "half, square": torch.randn(3, 3).bfloat16().t(),
    "dataclasses": {"x": [stats.Test("t", 0.5, -1.0, 1.0, 3, float("nan"))]},
    "empty": [],
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_survive_the_file(name):
    result = RESULTS[name]
    first, second = jobs.once(counted, result), jobs.once(counted, result)
    assert len(RUNS) == 1 and same(first, result)
    assert same(second, result)


@pytest.mark.parametrize(
    "result",
    [np.float64(0.1), np.int64(3), Pair(1, [2]), OrderedDict(a=1), torch.ones(2).requires_grad_()],
    ids=repr,
)
def test_the_first_result_is_what_a_later_run_reads(result):
    first, second = jobs.once(counted, result), jobs.once(counted, result)
    assert type(first) is type(second) and repr(first) == repr(second) and len(RUNS) == 1


@pytest.mark.parametrize(
    "result",
    [{1, 2}, 1j, b"x", np.array([None]), Foreign(1), object()],
    ids=lambda r: type(r).__name__,
)
def test_other_results_are_refused_at_once(folder, result):
    with pytest.raises(TypeError, match="kept"):
        entries.store(folder / "x.npz", result)
    assert not folder.exists()


# Files that are damaged, planted, or cannot be written


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_entry_is_computed_again(folder, damage):
    result = {"a": np.arange(10_000.0), "b": torch.arange(10_000.0)}
    jobs.once(counted, result)
    file = entry(folder)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    half = {"cut": content[:-500], "flip": content, "empty": b"", "text": b"half"}[damage]
    file.write_bytes(half)
    with pytest.warns(UserWarning, match=r"counted-.* is damaged .* computing again"):
        assert same(jobs.once(counted, result), result)
    assert same(jobs.once(counted, result), result) and len(RUNS) == 2


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def plant_in_array(file, bomb):
    with np.load(file) as stored:
        arrays = dict(stored)
    np.savez(file, **(arrays | {"array0": np.array([bomb], dtype=object)}))


def plant_instead(file, bomb):
    with file.open("wb") as out:
        pickle.dump(bomb, out)


def plant_joblib(file, bomb):
    joblib.dump([bomb], file)


def plant_torch(file, bomb):
    torch.save(bomb, file)


@pytest.mark.parametrize("plant", [plant_in_array, plant_instead, plant_joblib, plant_torch])
def test_a_planted_object_is_refused_and_runs_no_code(folder, tmp_path, plant):
    result, target = np.arange(3), tmp_path / "ran"
    jobs.once(counted, result)
    plant(entry(folder), Bomb(target))
    with pytest.warns(UserWarning, match="damaged"):
        assert same(jobs.once(counted, result), result)
    assert not target.exists() and len(RUNS) == 2
    pickle.loads(pickle.dumps(Bomb(target)))
    assert target.exists(), "the planted object does run where nothing refuses it"


def plant_class(file, module, name, fields):
    tree = {"class": [module, name], "fields": fields}
    np.savez(file, tree=np.frombuffer(json.dumps(tree).encode(), np.uint8))


@pytest.mark.parametrize(
    ("module", "name", "fields"),
    [
        ("subprocess", "Popen", {"args": "exit"}),
        ("practicals_of_another", "Test", {"x": 1}),
        ("practicals.runtime", "seed_everything", {"seed": 5}),
        ("practicals.jobs", "tempfile.TemporaryDirectory", {}),
        ("practicals.stats", "Absent", {}),
        ("practicals.stats", "Test", {"other": 1}),
    ],
)
def test_a_class_that_is_no_dataclass_of_the_package_is_refused(
    folder, monkeypatch, module, name, fields
):
    other = types.SimpleNamespace(Test=Foreign)
    monkeypatch.setitem(sys.modules, "practicals_of_another", other)
    result = stats.Test("t", 1, 0, 2, 9, 0.5)
    jobs.once(counted, result)
    plant_class(entry(folder), module, name, fields)
    with pytest.warns(UserWarning, match="damaged"):
        assert jobs.once(counted, result) == result
    plant_class(entry(folder), "practicals.stats", "Test", vars(stats.Test("t", 3, 2, 4, 9, 0.1)))
    assert jobs.once(counted, result) == stats.Test("t", 3, 2, 4, 9, 0.1), "one that is read"
    assert len(RUNS) == 2


def full_disk(file, **arrays):
    file.write_bytes(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_costs_the_copy_and_not_the_result(folder, monkeypatch):
    monkeypatch.setattr(entries.np, "savez", full_disk)
    with pytest.warns(UserWarning, match=r"counted: .* \(No space left on device\)"):
        assert jobs.once(counted, [1.5]) == [1.5]
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_costs_the_copy_and_not_the_result(tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.warns(UserWarning, match="could not be kept"):
        assert jobs.run(stopping, SETTINGS[:2], (None,)) == [10, 11]


def test_entries_are_plain_zip_files_beside_their_chapter(folder):
    jobs.once(counted, np.arange(3))
    with zipfile.ZipFile(entry(folder)) as bundle:
        assert sorted(bundle.namelist()) == ["array0.npy", "tree.npy"]
    jobs.once(stats.mean_std, [1.0, 2.0])
    assert len(list((folder.parent / "practicals").glob("mean_std-*.npz"))) == 1


def test_silence_where_nothing_is_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            jobs.run(stopping, SETTINGS, ("text",))


def test_the_last_missing_job_gets_as_many_threads_as_the_others(tmp_path, monkeypatch):
    """Sums are rounded otherwise with other threads, and an ascent makes another picture of it."""
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    monkeypatch.setenv("SWEEP_JOBS", "2")
    assert jobs.run(threads, SETTINGS[:3], (torch.zeros(1),)) == [1, 1, 1]
    next(tmp_path.rglob("threads-*")).unlink()
    assert jobs.run(threads, SETTINGS[:3], (torch.zeros(1),)) == [1, 1, 1]
