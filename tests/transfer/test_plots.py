"""Figures of chapter 1: nothing asked for is left out."""

import numpy as np
from matplotlib import pyplot as plt

from practicals import figures
from practicals.transfer import plots


def looks(lines):
    return {(line.get_color(), line.get_marker()) for line in lines}


def test_every_curve_is_drawn_and_none_looks_like_another():
    figures.style()
    C = (0.1, 1.0, 10.0)
    fig = plots.curves_by_c(C, {f"setting {i}": [50, 60, 55] for i in range(12)})
    lines = fig.axes[0].get_lines()
    assert len(lines) == len(looks(lines)) == 12
    plt.close(fig)


def test_depth_draws_every_network_and_norm():
    figures.style()
    lines = {f"norm {i}": ([1.0, 2.0], [0.1, 0.1]) for i in range(11)}
    fig = plots.by_depth({f"net {i}": (("a", "b"), lines) for i in range(5)})
    drawn = [ax for ax in fig.axes if ax.containers]
    assert len(drawn) == 5 and all(len(ax.containers) == 11 for ax in drawn)
    plt.close(fig)


def test_depth_names_the_first_and_the_last_of_many_layers_and_spells_l2():
    layers = [f"layer{i}" for i in range(21)]
    fig = plots.by_depth({"net": (layers, {"l2": (range(21), [0.1] * 21)})})
    ax = fig.axes[0]
    names = [text.get_text() for text in ax.get_xticklabels()]
    assert names == layers[::2] and names[-1] == "layer20"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["L2"]
    plt.close(fig)


def test_by_size_draws_each_seed_and_the_mean():
    values = np.array([[0.1, 0.4], [0.3, 0.6]])
    fig = plots.by_size((5, 100), {"one": values}, chance=0.25)
    drawn = [line.get_ydata() for line in fig.axes[0].get_lines()]
    np.testing.assert_allclose(drawn[:3], [[10, 40], [30, 60], [20, 50]])
    assert set(drawn[3]) == {25}
    plt.close(fig)


def test_maps_have_named_rows_and_columns():
    fig = plots.feature_maps(np.zeros((8, 8, 3)), np.random.rand(6, 8, 8))
    ax = fig.axes[1]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["A", "B", "C"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "3"]
    plt.close(fig)
    fig = plots.filters(np.random.rand(6, 3, 3, 3))
    assert [ax.get_title() for ax in fig.axes[:6]] == ["A1", "A2", "A3", "B1", "B2", "B3"]
    plt.close(fig)


def test_intervals_reach_from_low_to_high():
    fig = plots.intervals(["a", "b"], [90.0, 92.0], [88.0, 91.0], [91.0, 92.5])
    segments = fig.axes[0].containers[0][2][0].get_segments()
    np.testing.assert_allclose([s[:, 0] for s in segments], [[88, 91], [91, 92.5]])
    plt.close(fig)
