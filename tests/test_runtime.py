"""Device and precision: what the environment says, and what is said of an environment that errs."""

import pytest
import torch

from practicals import runtime
from practicals.networks import backbones, parts

BOTH = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@pytest.mark.parametrize("name", BOTH)
def test_the_environment_decides_the_precision_of_all_that_picks_one(name, monkeypatch):
    monkeypatch.setenv("PRACTICALS_PRECISION", name)
    here, x = torch.device("cpu"), torch.ones(2, 2)
    assert runtime.fastest_dtype() == runtime.fastest_dtype(here) == BOTH[name]
    assert runtime.describe()["precision"] == name
    with runtime.mixed_precision(here):
        assert (x @ x).dtype == BOTH[name]
    net = backbones.prepare(backbones.build("smallvgg"), where=here)
    assert {p.dtype for p in net.parameters()} == {BOTH[name]}


@pytest.mark.parametrize("has_units", [True, False])
def test_without_a_word_the_processor_decides(has_units, monkeypatch):
    monkeypatch.delenv("PRACTICALS_PRECISION", raising=False)
    monkeypatch.setattr(runtime, "_has_bfloat16_units", lambda where: has_units)
    assert runtime.fastest_dtype() == BOTH["bfloat16" if has_units else "float32"]


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("PRACTICALS_PRECISION", "half", "'bfloat16', 'float32'"),
        ("PRACTICALS_DEVICE", "gpu", "'cpu', 'cuda'"),
        ("PRACTICALS_DEVICE", "cuda:99", "'cpu', 'cuda'"),
    ],
)
def test_a_value_that_means_nothing_is_named_with_its_variable(variable, value, text, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable}='{value}'.*{text}"):
        runtime.describe()


def test_a_device_is_taken_as_it_is_named(monkeypatch):
    monkeypatch.setenv("PRACTICALS_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")


def test_parts_are_in_order_have_their_own_settings_and_first_where_it_is_asked_for(monkeypatch):
    def asks(net, x, y, seed, first):
        return {"x": x.numpy(), "seed": y.numpy() * 0 + seed, "first": y.numpy() * 0 + first}

    def asks_not(net, x, y, seed):
        return {"x": x.numpy(), "seed": y.numpy() * 0 + seed}

    run = lambda job, settings, shared, **_: [job(*shared, **one) for one in settings]  # noqa: E731
    monkeypatch.setattr(parts.cache, "run", run)
    x, y = torch.arange(5.0)[:, None], torch.zeros(5, dtype=torch.long)
    for job in (asks, asks_not):
        found = parts.run_by_parts(job, None, x, y, lambda first: {"seed": 7 + first}, 2, "")
        assert found["x"].ravel().tolist() == [0, 1, 2, 3, 4]
        assert found["seed"].tolist() == [7, 7, 9, 9, 11]
    wide = parts.joined([{"a": x.numpy()}, {"a": x.numpy()}], {"a": 1})
    assert wide["a"].shape == (5, 2)
