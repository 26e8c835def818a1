"""The loops over many pictures, what they come to, and the figures drawn from their results."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from practicals.networks import backbones
from practicals.saliency import faithfulness, methods, plots, random_labels, study, summary

EFFORT = methods.Effort(2, 2, 8)
LOOK = study.Look(6, 2, 4)
CONTROLS = ("random", "edges", "center")


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return backbones.build("smallvgg").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(1)
    return torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 3])


@pytest.fixture(autouse=True)
def closed(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    yield
    plt.close("all")


def test_the_table_holds_nine_methods_and_three_controls(net):
    table = methods.table(net, EFFORT)
    assert tuple(key for key, method in table.items() if method.is_control) == CONTROLS
    assert len({method.title for method in table.values()}) == len(table) == 12


def test_leaving_a_method_out_changes_no_other(net, batch):
    whole = methods.run_all(methods.table(net, EFFORT), net, *batch).maps
    for name in methods.RANDOM:
        alone = methods.run_all(methods.table(net, EFFORT, (name,)), net, *batch).maps
        assert torch.equal(alone[name], whole[name])


def test_faithfulness_returns_one_row_per_picture(net, batch):
    found = study.faithfulness(net, *batch, EFFORT, LOOK, first=1)
    for name in methods.table(net, EFFORT):
        for score in study.CURVES:
            assert found[f"{name}/{score}"].shape == (4, 2)
        assert found[f"{name}/infidelity"].shape == (4,)
    assert found["agreement"].shape == (4, 12, 12)
    diagonal = found["agreement"].diagonal(axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal[~np.isnan(diagonal)], 1)
    assert np.isfinite(summary.agreement({"net": found})["net"]).all(), "constant maps count as 0"
    np.testing.assert_allclose(found["fractions"][0], [1.5 / 6, 4.5 / 6])


def test_parts_joined_are_the_pictures_in_order_and_are_kept(net, batch, monkeypatch):
    calls = []
    real = study.faithfulness

    def counted(*args, first, **kwargs):
        calls.append(first)
        return real(*args, first=first, **kwargs)

    counted.__module__, counted.__qualname__, counted.__name__ = real.__module__, "f", "f"
    monkeypatch.setattr(study, "f", counted, raising=False)
    once = study.by_parts(counted, net, *batch, EFFORT, look=LOOK, size=2)
    again = study.by_parts(counted, net, *batch, EFFORT, look=LOOK, size=2)
    assert calls == [0, 2], "the second time everything comes from the cache"
    np.testing.assert_array_equal(once["fractions"], again["fractions"])
    alone = real(net, batch[0][2:], batch[1][2:], methods.Effort(2, 2, 8, 2), LOOK, 2)
    np.testing.assert_allclose(once["random/insertion"][2:], alone["random/insertion"])


def test_localisation_gives_one_value_per_mosaic(net, batch):
    found = study.localisation(net, *batch, EFFORT)
    assert found["grad_cam/pointing"].shape == (1,)
    assert found["random/inside"][0] == pytest.approx(0.25, abs=0.02), "a quarter into each cell"


def test_randomisation_compares_at_every_stage_signed_and_absolute(net, batch):
    found = study.randomisation(net, *batch, EFFORT, 3)
    assert found["smoothgrad/ssim"].shape == (4, 3)
    np.testing.assert_array_equal(found["gradient/signed"], found["gradient/absolute"])
    differ = found["integrated_gradients/signed"] - found["integrated_gradients/absolute"]
    assert np.abs(differ).max() > 0.05
    assert (found["gradient/absolute"] < 0.99).all()


def test_stability_draws_anew(net, batch):
    found = study.stability(net, *batch, EFFORT, 1e-6)
    assert (found["gradient"] > 0.9).all(), "next to no noise changes next to nothing"
    assert (found["smoothgrad_same"] > found["smoothgrad"]).all(), "new draws change the map"
    np.testing.assert_allclose(found["smoothgrad"], found["smoothgrad_alone"], atol=0.05)


def test_a_network_that_learnt_random_labels_has_learnt_them():
    state = random_labels.trained_on("random", 4, 60, 0)
    other = random_labels.trained_on("true", 4, 60, 0)
    assert state["accuracy"] > 0.9 and other["accuracy"] > 0.9
    assert not torch.equal(state["classifier.4.weight"], other["classifier.4.weight"])
    with pytest.raises(ValueError, match="expected 'true' or 'random'"):
        random_labels.trained_on("wrong", 4, 1, 0)


def test_smoothed_curves_lose_what_is_only_between_pictures():
    """Twelve points, three a picture: a straight line stays one although pictures differ."""
    fractions = faithfulness.grid(12, 3, 0, 4)
    values = fractions + np.array([[0.0], [0.8], [-0.4], [0.0]])
    places, means = summary.smoothed_curve(fractions, values)
    assert len(places) == 9
    np.testing.assert_allclose(means, places + 0.1)


def test_the_hardest_control_decides():
    rng = np.random.default_rng(0)
    base = rng.normal(size=60)
    scores = {"m": base + 0.5, "weak": base, "strong": base + 0.49 + 0.5 * rng.normal(size=60)}
    assert summary.hardest(scores, "m", ["weak", "strong"], True).p > 0.05
    assert summary.hardest(scores, "m", ["weak"], True).p < 0.01


def test_over_networks_keeps_what_all_have():
    found = {"a": {"k": np.array([1.0, 2, 3])}, "b": {"k": np.array([3.0, 4])}}
    np.testing.assert_allclose(summary.over_networks(found, "k"), [2, 3])


def test_part_of_takes_one_place_of_a_matrix():
    found = {"net": {"m/signed": np.arange(6).reshape(3, 2), "m/ssim": np.zeros(3)}}
    assert summary.part_of(found, "signed", -1)["net"]["m"].tolist() == [1, 3, 5]
    assert summary.part_of(found, "ssim")["net"]["m"].shape == (3,)


def test_figures_are_drawn_and_not_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    picture, heat = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), rng.normal(size=(16, 16))
    names, line = ["gradient", *CONTROLS], np.array([1, 0.5, 0])
    curves = {"net": {"deletion": dict.fromkeys(names, (np.array([0.2, 0.5, 0.8]), line))}}
    spreads = {"net": {"deletion": dict.fromkeys(names, (0.5, 0.1))}}
    drawn = [
        plots.grid([[picture, heat, (heat, "text"), None]], ["a", "b", "c", "d"], ["row"]),
        plots.curve_panels(curves, CONTROLS),
        plots.dots(spreads, CONTROLS),
        plots.lines({"net": ([1, 2, 3], {"gradient": line})}, "likeness"),
        plots.agreement({"net": np.eye(4)}, names),
        plots.outlines([[(picture, heat > 0, "0.5")]], [(1, 2, 9, 9)], ["threshold"]),
        plots.spreads({"gradient": line}, "rank correlation"),
    ]
    for figure in drawn:
        figure.canvas.draw()
        assert figure.axes
    assert list(tmp_path.iterdir()) == []
