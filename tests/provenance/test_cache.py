"""The cache: what makes an entry, what comes back, damaged and planted files, other processes."""

import copy
import dataclasses
import errno
import functools
import importlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import OrderedDict, namedtuple
from contextlib import nullcontext
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from tests.provenance.conftest import forget, write

from provenance import cache, project
from provenance.project import ProvenanceError

SETTINGS = [{"factor": factor, "seed": seed} for factor in (1, 2, 3) for seed in (0, 1)]
RUNS: list = []
Pair = namedtuple("Pair", "left right")


def scaled_noise(x, factor, seed):
    """A job whose result depends on shared data, setting and seed."""
    noise = torch.randn(len(x), generator=torch.Generator().manual_seed(seed))
    return float((factor * (x + noise)).sum())


def process_and_threads(x, factor, seed):
    return os.getpid(), torch.get_num_threads()


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
        time.sleep(0.5)
        raise RuntimeError("factor 2")
    return factor


def helper(x):
    return x


@cache.cached
@torch.no_grad()
def decorated(net):
    RUNS.append("decorated")
    return torch.is_grad_enabled(), net(torch.ones(1, 2))


@dataclasses.dataclass
class Foreign:
    """A dataclass that is not of the package."""

    x: int


class Net(torch.nn.Linear):
    """A network whose code is in this file."""


@pytest.fixture(autouse=True)
def folder(root, monkeypatch):
    """An empty cache and one process; return where the entries of this file lie."""
    monkeypatch.setenv("PROVENANCE_JOBS", "1")
    monkeypatch.delenv("STOP_AT", raising=False)
    monkeypatch.setattr(cache, "_first", {})
    RUNS.clear()
    return root / "data" / "cache" / "tests.provenance"


@pytest.fixture
def study(root):
    """The package's study, imported."""
    return importlib.import_module("lesson.study")


def entry(folder):
    (file,) = folder.glob("*.pt")
    return file


def key_of(value):
    return cache._key(value, set())


# One process, several, a cluster


@pytest.fixture
def two(monkeypatch):
    """Two processes that have imported nothing of a test before."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    monkeypatch.setenv("PROVENANCE_JOBS", "2")
    yield
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True, kill_workers=True)


def test_two_processes(two, folder, study, monkeypatch):
    """One test of many facts: two processes take seconds to start."""
    x = torch.arange(4.0)
    expected = [scaled_noise(x, **setting) for setting in SETTINGS]
    assert cache.run(scaled_noise, SETTINGS, (x,)) == expected

    found = cache.run(process_and_threads, SETTINGS, (x,))
    assert {threads for _, threads in found} == {1} and os.getpid() not in dict(found)
    files = list(folder.glob("process_*.pt"))
    assert len(files) == len(SETTINGS)
    files[0].unlink()
    again = cache.run(process_and_threads, SETTINGS, (x,))
    # Sums are rounded otherwise with other threads: the last missing job gets as many as the rest.
    assert {threads for _, threads in again} == {1} and os.getpid() not in dict(again)
    monkeypatch.setenv("PROVENANCE_JOBS", "1")
    assert cache.run(process_and_threads, SETTINGS, (x,)) == again, "the entries of two serve one"

    monkeypatch.setenv("PROVENANCE_JOBS", "2")
    assert cache.run(study.noise, [{"net": 1}, {"net": 2}]) == [8, 16]
    with pytest.raises(RuntimeError, match="factor 2"):
        cache.run(failing_in_the_middle, SETTINGS, (None,))
    assert len(list(folder.glob("failing_*.pt"))) >= 1, "what was finished is kept"


def test_a_dask_cluster_of_two_workers_gives_the_same(study):
    distributed = pytest.importorskip("distributed")
    x = torch.arange(2000.0)
    expected = [scaled_noise(x, **setting) for setting in SETTINGS]
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        assert cache.run(scaled_noise, SETTINGS, (x,)) == expected
        found = dict(cache.run(process_and_threads, SETTINGS, (x,)))
        assert len(found) == 2 and os.getpid() not in found and set(found.values()) == {1}
        assert cache.run(process_and_threads, SETTINGS, (x + 1,), at_once=1)[0][0] == os.getpid()
        study.STEPS = 8
        with pytest.raises(ProvenanceError, match=r"lesson\.study\.STEPS: set in .*Hand it over"):
            cache.run(study.noise, [{"net": 1}, {"net": 2}])


@pytest.mark.parametrize("wanted", ["100000", "-1", "0", "abc", "1.5", "²"])
def test_a_number_of_processes_out_of_range_is_refused(monkeypatch, wanted):
    monkeypatch.setenv("PROVENANCE_JOBS", wanted)
    cores = joblib.cpu_count()
    with pytest.raises(ProvenanceError, match=rf"PROVENANCE_JOBS is '{wanted}'.* 1 to {cores}"):
        cache.run(counted, [{"a": 1}, {"a": 2}], (None,))
    monkeypatch.setenv("PROVENANCE_JOBS", str(cores))
    assert cache.processes() == cores


PROGRAM = """
import sys, time
from provenance import cache
from lesson import study
while time.time() < float(sys.argv[1]): time.sleep(0.01)
print(cache.run(study.noise, [{"net": n} for n in range(40)]))
"""


def test_two_programs_share_one_cache(root):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "src"), *sys.path])}
    start = str(time.time() + 6)
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, start],
            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    for out, error in [program.communicate(timeout=60) for program in programs]:
        assert out.strip() == str([8 * n for n in range(40)]) and "Warning" not in error, error
    files = list((root / "data/cache/lesson").iterdir())
    assert len(files) == 40 and all(file.suffix == ".pt" and file.name[0] != "." for file in files)


# What is kept, and when it is computed anew


def test_an_interrupted_run_goes_on_where_it_stopped(monkeypatch):
    monkeypatch.setenv("STOP_AT", "3")
    with pytest.raises(KeyboardInterrupt):
        cache.run(stopping, SETTINGS, (None,))
    assert RUNS == [(1, 0), (1, 1), (2, 0)]
    monkeypatch.delenv("STOP_AT")
    assert cache.run(stopping, SETTINGS, (None,)) == [10, 11, 20, 21, 30, 31]
    assert RUNS[3:] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    cache.run(stopping, SETTINGS[::-1], (None,))
    assert len(RUNS) == 7, "another order is no other job"


def test_once_runs_once_and_keeps_none_as_well():
    for _ in range(2):
        assert cache.once(counted, None) is None
    assert cache.once(counted, None, a=1) is None
    assert RUNS == [{}, {"a": 1}]


def test_a_decorated_function_keeps_its_results_and_its_other_decorators():
    net = torch.nn.Linear(2, 1)
    first = decorated(net)
    assert first[0] is False and decorated(net)[1] == first[1] == cache.run(
        decorated, [{}], (net,))[0][1]  # fmt: skip
    assert RUNS == ["decorated"] and decorated.__name__ == "decorated"


torch.manual_seed(0)
WEIGHTS = torch.nn.Linear(2, 2)
OTHER_WEIGHTS = torch.nn.Linear(2, 2)
HALF = torch.ones(3).bfloat16()
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
CALLS = {
    "number": (1, 2),
    "kind of number": (1, 1.0),
    "tensor": (torch.arange(3.0), torch.tensor([0.0, 1.0, 3.0])),
    "precision": (torch.ones(3), torch.ones(3).bfloat16()),
    "precision with the same bits": (HALF, HALF.view(torch.int16)),
    "bits": (torch.ones(3).bfloat16(), torch.full((3,), 1.0078125).bfloat16()),
    "shape": (torch.ones(4), torch.ones(2, 2)),
    "array": (np.arange(3), np.array([0, 1, 3])),
    "frame": (FRAME, FRAME.replace(2, 3)),
    "labels of a frame": (FRAME, FRAME.rename(columns={"a": "c"})),
    "text in a dict": ({"a": ["x"]}, {"a": ["y"]}),
    "key of a dict": ({"a": 1}, {"b": 1}),
    "set": ({"a", "b"}, {"a", "c"}),
    "weights": (WEIGHTS, OTHER_WEIGHTS),
    "mode": (WEIGHTS, copy.deepcopy(WEIGHTS).eval()),
    "function": (helper, scaled_noise),
    "function of a library": (np.mean, np.median),
    "function not written in Python": (torch.sigmoid, torch.tanh),
    "partial": (functools.partial(helper, x=1), functools.partial(helper, x=2)),
    "method": (WEIGHTS.forward, OTHER_WEIGHTS.forward),
    "method of text": ("a".join, "b".join),
    "class": (int, float),
    "dataclass": (Foreign(1), Foreign(2)),
    "generator": (torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_another_argument_is_another_entry(name):
    one, other = CALLS[name]
    assert key_of(one) != key_of(other) == key_of(copy.deepcopy(other))


def test_the_same_values_are_the_same_argument():
    x = torch.arange(6.0).view(2, 3)
    assert key_of(x) == key_of(x.t().contiguous().t())
    assert key_of([x, x]) == key_of([x, x.clone()])
    shapes = [torch.nn.Linear(2, n, device="meta") for n in (2, 3)]
    assert key_of(shapes[0]) != key_of(shapes[1]), "a network without weights is no obstacle"


def test_code_of_other_files_counts(monkeypatch):
    values = [helper, Net(1, 1)]
    before = [key_of(value) for value in values]
    monkeypatch.setattr(cache.Path, "read_text", lambda path, encoding: "other")
    assert all(key_of(v) != b for v, b in zip(values, before, strict=True))


def again(package, name, text):
    """Change a module as for a new session."""
    write(package, name, text)
    forget()
    cache._first.clear()
    importlib.invalidate_caches()
    return importlib.import_module("lesson.study")


def test_changed_code_that_a_job_reaches_is_another_entry(package, study):
    assert cache.once(study.noise, 1) == 8
    study = again(package, "other", "A = 2\n")
    study = again(package, "deep/inner", "SCALE = 2  # why\n")
    assert cache.once(study.noise, 1) == 8 and len(list(package.parents[1].rglob("*.pt"))) == 1
    study = again(package, "deep/inner", "SCALE = 3\n")
    assert cache.once(study.noise, 1) == 12


@pytest.mark.parametrize("module, name, value, result", [
    ("study", "STEPS", 5, 10), ("maps", "SCALE", 5, 20), ("study", "STEPS", torch.tensor(5), 10),
])  # fmt: skip
def test_a_constant_that_a_notebook_sets_is_another_entry(study, module, name, value, result):
    assert cache.once(study.noise, 1) == 8
    setattr(importlib.import_module(f"lesson.{module}"), name, value)
    assert cache.once(study.noise, 1) == result
    assert cache.once(study.noise, 1) == result


def test_a_constant_in_a_container_counts_and_what_is_no_constant_does_not(package):
    text = "import threading\nfrom . import maps\nTABLE = {'maps': (maps.heat, lambda x: x)}\n"
    text += "LOCK = threading.Lock()\nmemo = {}\n"
    study = again(package, "study", text + "def noise(net):\n    memo[net] = 1\n    return 1\n")
    first = key_of(study.noise)
    study.noise(3)
    assert key_of(study.noise) == first
    study.TABLE["maps"] = (study.maps.heat,)
    assert key_of(study.noise) != first


def notebook_function():
    names = {"__name__": "__main__"}
    exec("def f(x):\n    return 7 * x\n\nclass Net: pass", names)
    return names["f"]


def test_a_replaced_function_is_refused(study):
    maps, other = (importlib.import_module(f"lesson.{name}") for name in ("maps", "other"))
    noise, first = study.noise, cache.once(study.noise, 1)
    heat, maps.heat = maps.heat, notebook_function()
    with pytest.raises(ProvenanceError, match=r"lesson\.maps\.heat was replaced"):
        cache.once(noise, 1)
    maps.heat = importlib.import_module("operator").neg
    assert cache.once(noise, 1) == -4, "a library's function is another entry"
    maps.heat = heat
    study.noise = heat
    with pytest.raises(ProvenanceError, match=r"lesson\.study\.noise was replaced"):
        cache.once(noise, 1)
    study.noise = noise
    assert cache.once(noise, 1) == first == 8 and other.A


def test_code_that_changed_under_a_running_session_is_refused(package, study):
    assert cache.once(study.noise, 1) == 8
    write(package, "maps", "def heat(x):\n    return 0\n")
    with pytest.raises(ProvenanceError, match=r"lesson\.study changed .* restart the kernel"):
        cache.once(study.noise, 1)


def closure():
    return lambda x: x


@pytest.mark.parametrize(
    "job", [lambda x: x, closure(), notebook_function(), functools.partial(helper), "".join]
)
def test_what_no_key_can_see_is_refused(folder, job):
    with pytest.raises(ProvenanceError, match="cannot see what a notebook's cells, a closure"):
        cache.once(job, 1)
    assert not folder.exists()


def test_a_method_is_no_job_and_a_closure_no_argument():
    with pytest.raises(ProvenanceError, match="top level of a module"):
        cache.once(WEIGHTS.forward, torch.ones(2))
    for hidden in (closure(), notebook_function()):
        with pytest.raises(ProvenanceError, match="top level of a module"):
            cache.once(helper, {"inside": [hidden]})


# What comes back


def same(a, b):
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_exact=True, check_column_type=False)
        return True
    if isinstance(a, torch.Tensor | np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and (
            torch.equal(a, b) if isinstance(a, torch.Tensor) else np.array_equal(a, b))  # fmt: skip
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


INDEX = pd.MultiIndex.from_product([["vgg16", "net"], [0, 1]], names=["network", None])
TIDY = pd.DataFrame({"network": ["a", "b", None], "n": [1, 2, 3], "r": [0.1, float("nan"), -0.0]})
RESULTS = {
    "numbers": [1, 1.5, True, None, "text", float("nan"), float("inf"), -0.1 + 0.3, 10**30],
    "tuples": ((1, (2, [3])), ()),
    "dict": {("a", 1): {"b": [np.arange(3)]}, 2: {}, "c": (torch.ones(2),)},
    "dict that looks like a file's own": {"array": 1, "frame": [2], "module": "x"},
    "arrays": [np.float32([1, 2]), np.array([["a"], ["bc"]]), np.zeros((0, 2)), np.array(3)],
    "more arrays": [np.arange(4)[::-1], np.zeros((0, 2), "U3"), np.array([1j]), np.array([True])],
    "tensors": [torch.arange(3), torch.tensor(2.5), torch.ones(2, 2, dtype=torch.bool)],
    "half": [torch.tensor([0.1, 3e4]).half(), torch.randn(3, 3).bfloat16().t()],
    "empty": [],
    "tidy frame": TIDY,
    "frame of small types": TIDY.astype({"n": "uint8", "r": "float32"}).assign(b=True),
    "frame with rows and columns of two levels": pd.DataFrame(
        np.arange(16.0).reshape(4, 4), INDEX, INDEX.set_names(["one", "two"])
    ),
    "frame with a name": TIDY.set_index("network").rename_axis(columns="what"),
    "frame with the same label twice": pd.DataFrame([[1, "x"]], columns=["a", "a"]),
    "empty frame": pd.DataFrame(),
    "frame without rows": TIDY.iloc[:0],
    "frame without columns": TIDY[[]],
    "frame without rows, two levels": pd.DataFrame({"a": [1.0] * 4}, INDEX).iloc[:0],
    "mixed column": pd.DataFrame({"a": pd.Series([1, "x", None, (2, 3)], dtype=object)}),
    "mixed labels": pd.DataFrame([[1, 2]], columns=pd.Index(["a", 1], dtype=object)),
    "categories": pd.DataFrame({"a": pd.Categorical(["b", None, "a"], ["c", "b", "a"], True)}),
    "rows by category": TIDY.set_index(pd.CategoricalIndex(["b", "a", "b"], ["b", "a"])),
    "missing whole numbers": pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
    "frames in a dict": {"a": [TIDY, (TIDY[["n"]],)]},
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_results_survive_the_file(name):
    result = RESULTS[name]
    first = cache.once(helper_counted, name)
    second = cache.once(helper_counted, name)
    assert len(RUNS) == 1 and same(first, result)
    assert same(second, result)


def helper_counted(name):
    RUNS.append(name)
    return RESULTS[name]


def test_a_dataclass_of_the_package_survives_the_file(package):
    text = "import dataclasses\n@dataclasses.dataclass\nclass Test:\n    p: float\n    of: object\n"
    study = again(package, "study", text + "def noise(x):\n    return [Test(0.5, x)]\n")
    for _ in range(2):
        (found,) = cache.once(study.noise, torch.ones(2))
        assert type(found) is study.Test and found.p == 0.5 and torch.equal(found.of, torch.ones(2))


@pytest.mark.parametrize(
    "result",
    [np.float64(0.1), np.int64(3), Pair(1, [2]), OrderedDict(a=1), torch.ones(2).requires_grad_()],
    ids=repr,
)
def test_the_first_result_is_what_a_later_run_reads(result):
    first, second = cache.once(counted, result), cache.once(counted, result)
    assert type(first) is type(second) and repr(first) == repr(second) and len(RUNS) == 1


def test_a_small_view_of_a_large_tensor_makes_a_small_file(folder):
    cache.once(counted, torch.zeros(1_000_000)[:2])
    assert entry(folder).stat().st_size < 10_000


@pytest.mark.parametrize(
    "result",
    [{1, 2}, 1j, b"x", np.array([None]), Foreign(1), object(), pd.Timestamp(0), pd.Series([1]),
     np.array([1], ">i4"), pd.DataFrame({"a": [pd.Timestamp(0)]})],
    ids=lambda r: type(r).__name__,
)  # fmt: skip
def test_other_results_are_refused_at_once(folder, result):
    with pytest.raises(TypeError, match=r"cannot be kept|is no dataclass"):
        cache.store(folder / "x.pt", "key", result)
    assert not folder.exists()


# Files that are damaged, planted, or cannot be written


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_entry_is_computed_again(folder, damage):
    result = {"a": np.arange(10_000.0), "b": torch.arange(10_000.0)}
    cache.once(counted, result)
    file = entry(folder)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    half = {"cut": content[:-500], "flip": content, "empty": b"", "text": b"half"}[damage]
    file.write_bytes(half)
    with pytest.warns(UserWarning, match=r"counted-.* is damaged .* computing again"):
        assert same(cache.once(counted, result), result)
    assert same(cache.once(counted, result), result) and len(RUNS) == 2


def test_an_entry_copied_over_another_is_not_returned(folder):
    cache.once(counted, 1)
    first = entry(folder).read_bytes()
    cache.once(counted, 2)
    for file in folder.glob("*.pt"):
        file.write_bytes(first)
    with pytest.warns(UserWarning, match="result of another call"):
        assert [cache.once(counted, n) for n in (1, 2)] == [1, 2]
    assert len(RUNS) == 3


@pytest.mark.parametrize("value", [2.0, float("nan")])
def test_a_forged_value_is_noticed(folder, value):
    result = {"r": np.array([1.0, 1.5])}
    cache.once(counted, result)
    forged = torch.load(entry(folder), weights_only=True)
    forged["value"]["r"]["array"][1] = value
    torch.save(forged, entry(folder))
    with pytest.warns(UserWarning, match="content was altered"):
        assert same(cache.once(counted, result), result)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


PLANTS = {
    "pickle": lambda file, bomb: file.write_bytes(pickle.dumps(bomb)),
    "joblib": lambda file, bomb: joblib.dump([bomb], file),
    "torch": lambda file, bomb: torch.save(bomb, file),
    "torch's older form": lambda file, bomb: torch.save(
        bomb, file, _use_new_zipfile_serialization=False
    ),
    "in an entry": lambda file, bomb: torch.save(torch.load(file) | {"value": bomb}, file),
    "in an array": lambda file, bomb: np.savez(file.open("wb"), a=np.array([bomb], dtype=object)),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_object_is_refused_and_runs_no_code(folder, tmp_path, plant):
    result, target = np.arange(3), tmp_path / "ran"
    cache.once(counted, result)
    PLANTS[plant](entry(folder), Bomb(target))
    with pytest.warns(UserWarning, match="damaged"):
        assert same(cache.once(counted, result), result)
    assert not target.exists() and len(RUNS) == 2
    pickle.loads(pickle.dumps(Bomb(target)))
    assert target.exists(), "the planted object does run where nothing refuses it"


@pytest.mark.parametrize("place", [
    ("subprocess", "Popen"), ("lesson_of_another", "Foreign"), ("lesson.study", "noise"),
    ("lesson.study", "os.path"), ("lesson.study", "Absent"),
    ("tests.provenance.test_cache", "Foreign"),
])  # fmt: skip
def test_what_is_no_dataclass_of_the_package_is_not_made(study, place, tmp_path):
    tree = OrderedDict(module=place[0], name=place[1], fields={"args": "exit"})
    file, plain = tmp_path / "x.pt", cache._plain(tree, None)
    torch.save({"key": "k", "hash": joblib.hash(plain), "value": tree}, file)
    with pytest.warns(UserWarning, match="no dataclass at the top level of a module of lesson"):
        assert cache.load(file, "k") is None


def full_disk(entry, file):
    file.write_bytes(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def stopped(entry, file):
    file.write_bytes(b"half")
    signal.raise_signal(signal.SIGINT)


def test_a_full_disk_costs_the_copy_and_not_the_result(folder, monkeypatch):
    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.warns(UserWarning, match=r"counted: .* \(No space left on device\)"):
        assert cache.once(counted, [1.5]) == [1.5]
    assert list(folder.iterdir()) == []


def test_torch_itself_on_a_full_disk_costs_only_the_copy(root, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")

    monkeypatch.setattr(project, "replacing", lambda final: nullcontext(Path("/dev/full")))
    with pytest.warns(UserWarning, match="could not be kept"):
        assert torch.equal(cache.once(counted, torch.ones(9999)), torch.ones(9999))


def test_ctrl_c_while_an_entry_is_written_leaves_nothing(folder, monkeypatch):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what runs in background
    monkeypatch.setattr(torch, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        cache.once(counted, [1.5])
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_costs_the_copy_and_not_the_result(root):
    (root / "data").write_text("in the way")
    with pytest.warns(UserWarning, match="could not be kept"):
        assert cache.run(stopping, SETTINGS[:2], (None,)) == [10, 11]


def test_silence_where_nothing_is_wrong(recwarn):
    for _ in range(2):
        cache.run(stopping, SETTINGS, ("text",))
    assert not recwarn.list


def test_a_librarys_class_in_another_guise_does_not_count(root, package, monkeypatch):
    """tqdm is one class in a notebook and another in a process: a key must not see it."""
    import importlib

    (package / "study.py").write_text(
        "from fractions import Fraction\n\n\ndef f(x):\n    return x\n"
    )
    study = importlib.import_module("lesson.study")
    before = cache._constants(["lesson.study"])
    monkeypatch.setattr(study, "Fraction", int)
    assert cache._constants(["lesson.study"]) == before
