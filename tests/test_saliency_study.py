"""The loops over many pictures, and the figures drawn from their results."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from practicals import backbones, saliency_methods, saliency_plots, saliency_study

FRACTIONS = (0, 0.3, 1)
CONTROLS = ("random", "edges", "center")
METHODS = saliency_methods.table("relu4_2")


@pytest.fixture(scope="module")
def case():
    torch.manual_seed(0)
    net = backbones.build("smallvgg").eval().requires_grad_(False)
    return net, "relu4_2", torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 3])


@pytest.fixture
def drawn():
    yield
    plt.close("all")


def test_the_table_holds_eight_methods_and_three_controls():
    assert [key for key, method in METHODS.items() if method.is_control] == [
        "random",
        "edges",
        "center",
    ]
    assert len(METHODS) == 11
    assert len({method.title for method in METHODS.values()}) == 11


def test_faithfulness_returns_one_value_per_picture(case):
    found = saliency_study.faithfulness(
        *case, FRACTIONS, others=2, squares=4, samples=2, steps=2, batch_size=2
    )
    for name in METHODS:
        assert found[f"{name}/insertion"].shape == found[f"{name}/deletion"].shape == (4, 3)
        assert found[f"{name}/insertion_zero"].shape == (2, 3)
        assert found[f"{name}/infidelity"].shape == (4,)
        assert found[f"{name}/seconds"].shape == (2,)
        # Every curve runs between the same two ends.
        np.testing.assert_allclose(
            found[f"{name}/insertion"][:, -1], found["random/deletion"][:, 0]
        )
    assert all(np.isfinite(values).all() for values in found.values())


def test_localisation_counts_every_class_of_every_mosaic(case):
    found = saliency_study.localisation(*case, samples=2, steps=2)
    assert found["grad_cam/pointing"].shape == (4,)
    share = found["random/inside"].mean()
    assert share == pytest.approx(0.25, abs=0.02), "a random map puts a quarter into each cell"


def test_randomisation_compares_at_every_stage(case):
    stages = tuple(saliency_study.stages_of(case[0], 3))
    assert stages[0] == "fc8" and stages[-1] == "conv1_1"
    found = saliency_study.randomisation(*case, stages, samples=2, steps=2)
    assert found["smoothgrad/spearman"].shape == found["smoothgrad/ssim"].shape == (3, 4)
    assert not any(name.startswith("random") for name in found)
    assert (found["gradient/spearman"] < 0.99).all()


def test_figures_are_drawn_and_not_saved(case, drawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    picture, heat = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), rng.normal(size=(16, 16))
    mask = heat > 0
    names, curve = list(METHODS), np.array([1, 0.5, 0])
    by_method = {"net": {"deletion": dict.fromkeys(names, curve)}}
    spreads = {"net": {"deletion": dict.fromkeys(names, (0.5, 0.1))}}
    figures = [
        saliency_plots.grid([[picture, heat, (heat, "text"), None]], ["a", "b", "c", "d"], ["row"]),
        saliency_plots.curve_panels(FRACTIONS, by_method, CONTROLS),
        saliency_plots.dots(spreads, CONTROLS),
        saliency_plots.lines({"net": ([1, 2, 3], {"gradient": curve})}, "likeness"),
        saliency_plots.agreement({"net": np.eye(11)}, names),
        saliency_plots.outlines([[(picture, mask, "0.5")]], [(1, 2, 9, 9)], ["threshold"]),
    ]
    for figure in figures:
        figure.canvas.draw()
        assert figure.axes
    assert list(tmp_path.iterdir()) == []


def test_parts_are_stacked_also_where_a_key_lacks():
    parts = [{"a": np.ones((2, 3)), "b": np.zeros(2)}, {"a": np.zeros((1, 3))}]
    found = saliency_study.stacked(parts)
    assert found["a"].shape == (3, 3) and found["b"].shape == (2,)
