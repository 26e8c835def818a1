"""The same sweep on one process, on several, and on a Dask cluster."""

import os

import pytest
import torch

from practicals import sweeps

SETTINGS = [{"factor": factor, "seed": seed} for factor in (1, 2, 3) for seed in (0, 1)]


def scaled_noise(x, factor, seed):
    """A job whose result depends on shared data, setting and seed."""
    noise = torch.randn(len(x), generator=torch.Generator().manual_seed(seed))
    return float((factor * (x + noise)).sum())


def process_id(x, factor, seed):
    return os.getpid()


def failing(x, factor, seed):
    if factor == 3:
        raise RuntimeError("factor 3")
    return factor


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    for name in ("SWEEP_BACKEND", "SWEEP_JOBS", "DASK_SCHEDULER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def expected():
    return [scaled_noise(torch.arange(4.0), **setting) for setting in SETTINGS]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_results_come_in_order_from_one_process_or_two(monkeypatch, expected, jobs):
    monkeypatch.setenv("SWEEP_JOBS", jobs)
    assert sweeps.run(scaled_noise, SETTINGS, (torch.arange(4.0),)) == expected


def test_two_processes_are_used(monkeypatch):
    monkeypatch.setenv("SWEEP_JOBS", "2")
    assert os.getpid() not in sweeps.run(process_id, SETTINGS, (torch.arange(4.0),))


def test_a_sweep_on_a_dask_cluster_of_two_workers_gives_the_same(monkeypatch, expected):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        monkeypatch.setenv("SWEEP_BACKEND", "dask")
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        x = torch.arange(4.0)
        assert sweeps.run(scaled_noise, SETTINGS, (x,)) == expected
        assert os.getpid() not in sweeps.run(process_id, SETTINGS, (x,))


def test_dask_without_an_address_says_what_to_set(monkeypatch):
    monkeypatch.setenv("SWEEP_BACKEND", "dask")
    with pytest.raises(ValueError, match="DASK_SCHEDULER_ADDRESS"):
        sweeps.run(scaled_noise, SETTINGS, (torch.arange(4.0),))


def test_an_unknown_backend_is_refused(monkeypatch):
    monkeypatch.setenv("SWEEP_BACKEND", "ray")
    with pytest.raises(ValueError, match="ray"):
        sweeps.backend()


def test_a_stopped_sweep_keeps_what_was_finished(monkeypatch, tmp_path):
    monkeypatch.setenv("SWEEP_JOBS", "1")
    with pytest.raises(RuntimeError, match="factor 3"):
        sweeps.run(failing, SETTINGS, (None,), key="data")
    assert len(list((tmp_path / "cache" / "sweeps").glob("failing-*"))) == 4


def test_a_second_run_computes_nothing_until_the_key_changes(monkeypatch):
    monkeypatch.setenv("SWEEP_JOBS", "1")
    x = torch.arange(4.0)
    first = sweeps.run(scaled_noise, SETTINGS, (x,), key="data")
    assert sweeps.run(scaled_noise, SETTINGS, (None,), key="data") == first
    with pytest.raises(TypeError):
        sweeps.run(scaled_noise, SETTINGS, (None,), key="other data")


def test_a_damaged_file_is_computed_again(monkeypatch, tmp_path):
    monkeypatch.setenv("SWEEP_JOBS", "1")
    x = torch.arange(4.0)
    first = sweeps.run(scaled_noise, SETTINGS, (x,), key="data")
    next((tmp_path / "cache" / "sweeps").iterdir()).write_bytes(b"half")
    assert sweeps.run(scaled_noise, SETTINGS, (x,), key="data") == first
