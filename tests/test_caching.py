"""Caches: hits, invalidation by arguments and code, and damaged files."""

import linecache

import numpy as np
import pytest
import torch

from practicals import caching, fingerprint


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    return tmp_path / "cache"


class Counter:
    """Runs ``answer`` and counts how often."""

    def __init__(self, answer):
        self.answer, self.runs = answer, 0

    def __call__(self):
        self.runs += 1
        return self.answer


def notebook_function(source, name="f", **names):
    """Define a function as a notebook does: in ``__main__``, with its source at hand."""
    names = {"__name__": "__main__", **names}
    filename = f"cell-{abs(hash(source))}"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), names)
    return names[name]


@pytest.mark.parametrize("kind", ["npz", "pt"])
def test_load_or_compute_runs_once_per_key(cache, kind):
    array = np.arange(6.0).reshape(2, 3)
    compute = Counter({"a": array if kind == "npz" else torch.from_numpy(array)})
    for seed in (0, 0, 1):
        result = caching.load_or_compute("features", {"seed": seed}, compute)
        assert np.array_equal(np.asarray(result["a"]), array)
    assert compute.runs == 2
    assert sorted({f.suffix for f in cache.iterdir()}) == [f".{kind}"]


@pytest.mark.parametrize("kind", ["npz", "pt"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_file_is_computed_again(cache, kind, damage):
    values = np.arange(10_000.0)
    compute = Counter({"a": values if kind == "npz" else torch.from_numpy(values)})
    caching.load_or_compute("features", {}, compute)
    (path,) = cache.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-500], "flip": content, "empty": b""}[damage])
    with pytest.warns(UserWarning, match=r"features-.* is damaged .* computing again"):
        result = caching.load_or_compute("features", {}, compute)
    assert compute.runs == 2 and np.array_equal(np.asarray(result["a"]), values)
    caching.load_or_compute("features", {}, compute)
    assert compute.runs == 2


def test_an_interrupted_computation_leaves_nothing(cache):
    def compute():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        caching.load_or_compute("features", {}, compute)
    assert not cache.exists() or not list(cache.iterdir())


def test_arrays_and_tensors_do_not_mix():
    with pytest.raises(TypeError, match="not both"):
        caching.load_or_compute("x", {}, lambda: {"a": np.ones(1), "b": torch.ones(1)})


def test_changed_code_of_a_module_is_a_new_entry(monkeypatch):
    compute = Counter({"a": np.ones(1)})
    caching.load_or_compute("x", {}, compute, depends=("atomic",))
    monkeypatch.setattr(fingerprint, "code_hash", lambda *names: "other")
    caching.load_or_compute("x", {}, compute, depends=("atomic",))
    assert compute.runs == 2


def test_code_of_names_the_modules_a_notebook_function_uses(monkeypatch):
    seen = []
    monkeypatch.setattr(fingerprint, "code_hash", lambda *names: str(seen.append(names)))
    helper = notebook_function("def g():\n    return [caching._plain(x) for x in ()]\n", "g",
                               caching=caching)  # fmt: skip
    f = notebook_function("def f():\n    return lambda: g()\n", g=helper)
    caching.code_of(f)
    assert seen == [("practicals.caching",)]


def test_cached_runs_once_per_argument_and_code():
    runs = []
    source = "def f(X, scale=1):\n    runs.append(scale)\n    return X * scale\n"
    f = caching.cached(notebook_function(source, runs=runs))
    X = torch.arange(3.0)
    for _ in range(2):
        assert torch.equal(f(X), X)
        assert torch.equal(f(X.clone(), scale=1), X), "defaults and copies are the same call"
    assert runs == [1]
    f(X + 1), f(X, 2)
    assert runs == [1, 1, 2]
    g = caching.cached(notebook_function(source.replace("* scale", "+ scale"), runs=runs))
    assert torch.equal(g(X), X + 1), "the same name with another body"


def test_cached_tells_networks_apart_by_their_weights():
    runs = []
    f = caching.cached(notebook_function("def f(net):\n    runs.append(1)\n", runs=runs))
    torch.manual_seed(0)
    nets = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)]
    f(nets[0]), f(nets[1]), f(nets[0])
    assert len(runs) == 2


def test_cached_recovers_from_a_damaged_file(cache, caplog):
    runs = []
    f = caching.cached(depends=("atomic",))(
        notebook_function("def f(x):\n    runs.append(x)\n    return list(range(x))\n", runs=runs)
    )
    f(5)
    (path,) = cache.rglob("output.pkl")
    path.write_bytes(path.read_bytes()[:5])
    assert f(5) == list(range(5))
    assert runs == [5, 5]
    assert "Exception while loading results" in caplog.text
