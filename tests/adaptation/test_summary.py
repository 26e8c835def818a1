"""What runs come to: seeds stay paired, a run is one point, and examples are drawn by the seed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from practicals.adaptation import plots, scores, summary
from practicals.data.digits import Digits


def run(accuracy, information=1.0, per_class=None):
    """Return what a summary reads of an outcome."""
    names = dict.fromkeys(scores.VALIDATORS, information)
    digits = np.full(10, accuracy) if per_class is None else per_class
    return SimpleNamespace(target_accuracy=accuracy, validators=names, per_class=digits)


def test_rows_are_compared_seed_by_seed():
    """Every seed gains a point while seeds differ by ten: only a paired test can see it."""
    runs = {
        "a": [run(v + 0.01 + e) for v, e in zip((0.7, 0.8, 0.9), (0, 1e-3, -1e-3), strict=True)]
    }
    runs["b"] = [run(v) for v in (0.7, 0.8, 0.9)]
    found = summary.compare(runs, "a", "b")
    assert found.name == "paired t" and found.n == 3
    assert found.effect == pytest.approx(0.01) and found.p < 0.01
    assert found.low < 0.01 < found.high


def test_an_interval_is_in_points_with_a_true_minus():
    test = SimpleNamespace(low=-0.0123, high=0.0456)
    assert summary.interval(test) == "[−1.2, 4.6]"


def test_a_run_is_one_point_however_often_it_was_looked_at():
    runs = {"a": [run(0.5, 1.0), run(0.6, 1.5)], "b": [run(0.9, 2.0)]}
    found, accuracy = summary.validated(runs)
    assert accuracy.tolist() == [0.5, 0.6, 0.9]
    assert all(values.tolist() == [1.0, 1.5, 2.0] for values in found.values())


def test_accuracies_by_digit_are_averaged_over_seeds():
    each = np.arange(10) / 10
    mean, std = summary.by_digit([run(0, per_class=each), run(0, per_class=each + 0.1)])
    assert np.allclose(mean, each + 0.05) and np.allclose(std, 0.1 / np.sqrt(2))


def test_confidence_leaves_seeds_without_a_prediction_out_of_the_precision():
    def taught(precision, coverage):
        curve = [scores.Confidence(t, precision, coverage) for t in summary.THRESHOLDS]
        return SimpleNamespace(refined=SimpleNamespace(rounds=[SimpleNamespace(curve=curve)]))

    nothing = taught(float("nan"), 0.0)
    thresholds, precision, coverage = summary.confidence([taught(0.9, 0.4), nothing], 0)
    assert thresholds.tolist() == list(summary.THRESHOLDS)
    assert np.allclose(precision, 0.9) and np.allclose(coverage, 0.2)
    assert np.isnan(summary.confidence([nothing], 0)[1]).all()


class Always(torch.nn.Module):
    """A network that calls everything a 3."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.eye(10)[3])

    def forward(self, x):
        return self.bias.expand(len(x), -1)


def test_mistakes_are_wrong_distinct_and_drawn_by_the_seed():
    y = torch.arange(200) % 10
    digits = Digits(torch.zeros(200, 3, 28, 28, dtype=torch.uint8), y)
    index, titles = summary.mistakes(Always(), digits, 20, seed=0)
    assert len(index.unique()) == 20 and (y[index] != 3).all()
    assert titles[0] == f"{y[index[0]]} → 3"
    assert torch.equal(index, summary.mistakes(Always(), digits, 20, seed=0)[0])
    assert not torch.equal(index, summary.mistakes(Always(), digits, 20, seed=1)[0])
    assert index.max() > 40  # not the first ones
    assert summary.elsewhere(Always(), {"a": digits}) == {"a": pytest.approx(0.1)}


def test_a_constant_score_ranks_nothing():
    a = np.arange(8.0)
    assert summary.ranked(np.full(8, 2.0), a).effect == 0 and summary.ranked(a, 0 * a).p == 1
    assert summary.ranked(a, a**3).effect == pytest.approx(1)


def test_keys_have_small_letters_and_single_underscores():
    assert summary.key_of("DANN, pseudo-labels reads 32 × 32") == "dann_pseudo_labels_reads_32_32"


def test_every_row_of_a_figure_has_a_point_for_each_seed():
    columns = {"with": {"a": np.array([0.1, 0.3]), "b": np.array([0.5, 0.6])}}
    columns["without"] = {"b": np.array([0.4, 0.2])}
    ax = plots.rows(columns, "accuracy").axes[0]
    drawn = [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert [values for values in drawn if values] == [[0.1, 0.3], [0.5, 0.6], [0.4, 0.2]]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
