"""What runs come to, by hand; and drawings that hold what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tests.gan.small import recipe

from practicals.gan import plots, summary
from practicals.gan.study import Run


def run(seed=0, frechet=2.0, loss_g=(1.0, 1.0, 1.0, 1.0)):
    records = np.zeros((4, 6))
    records[:, 1] = loss_g
    records[:, 5] = [0.0, 0.2, 0.4, 0.8]
    empty = np.zeros(0)
    shown = np.zeros((2, 100, 32, 32), np.uint8)
    scores = dict.fromkeys(
        ("frechet", "precision", "recall", "coverage", "modes", "imbalance"), frechet
    )
    return Run(recipe(), seed, records, shown, empty, scores, empty, empty, {}, {})


def test_records_are_read_by_name_and_window():
    found = run()
    assert summary.recorded(found, "d_fake").tolist() == [0.0, 0.2, 0.4, 0.8]
    assert summary.recorded(found, "d_fake", 2) == pytest.approx([0.1, 0.3, 0.6])
    assert summary.recorded(found, "d_fake", 99) == pytest.approx([0.35])
    assert summary.early([found], "d_fake", 2) == pytest.approx([0.1])
    assert summary.late([found], "d_fake", 0.5) == pytest.approx([0.6])


def test_unrest_is_the_spread_of_the_later_half():
    calm, wild = run(), run(loss_g=(0.0, 9.0, 1.0, 3.0))
    assert summary.unrest([calm, wild]) == pytest.approx([0.0, 1.0])


def test_ratios_are_tested_on_the_logarithm():
    a = [run(s, f) for s, f in enumerate((4.0, 8.2, 15.9))]
    b = [run(s, f) for s, f in enumerate((2.0, 4.0, 8.0))]
    found = summary.log_ratio(a, b)
    assert found.effect == pytest.approx(np.log(2), abs=0.02) and found.p < 0.01
    assert summary.above(a, np.array([1.0, 1.0])).effect > 1
    assert summary.of(a, "frechet").tolist() == [4.0, 8.2, 15.9]


def test_digits_of_one_class_share_a_row():
    shown = np.arange(100, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    rows = summary.by_digit(shown)
    assert rows.shape == (10, 10, 4, 4)
    assert set(rows[3, :, 0, 0] % 10) == {3}
    whole = summary.sheet(rows)
    assert whole.shape == (58, 58) and whole[6, 0] == 1 and whole[4, 0] == 255
    assert summary.frames(shown[None])[0].shape == (58, 58, 3)


def test_a_copier_is_too_near():
    held_out = np.linspace(1, 2, 101)
    close, n = summary.too_near({"held_out": held_out, "generated": np.zeros(50)})
    assert (close, n) == (50, 50)
    assert summary.too_near({"held_out": held_out, "generated": held_out})[0] == 1


def test_monotone_and_noticed():
    assert summary.is_monotone(np.array([1, 2, 3])) and not summary.is_monotone(np.array([1, 1]))
    assert summary.seen({"modes": np.array([9, 10, 9])}) == 2


def test_drawings_hold_what_they_are_given():
    pictures = np.zeros((2, 3, 32, 32), np.uint8)
    fig = plots.digits(pictures, rows=["a", "b"], columns=["1", "2", "3"])
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["a", "b"]
    lines = {"one": {"x": (np.arange(3), np.ones(3)), "y": (np.arange(3), np.ones(3))}}
    assert len(plots.panels(lines, "step", 1, ["one"]).axes[0].lines) == 2
    assert len(plots.dots({"a": np.ones(2), "b": np.ones(3)}, "d", 0.5).axes[0].lines) == 5
    assert len(plots.bars({"a": np.ones(10)}, "share", 0.1).axes[0].patches) == 10
    flat = np.zeros(25)
    assert plots.best_and_trained(flat, flat, np.ones(4), 1.0).axes
    game = {"z": np.zeros((4, 2)), "points": np.zeros((4, 2)), "mode": np.zeros(4, int)}
    assert len(plots.transport({"a": game}, np.zeros((3, 2))).axes) == 2
    assert plots.scatter({"a": (np.ones(3), np.ones(3))}, "x", "y").axes
    assert plots.overlaid({"a": np.arange(5.0)}, "d").axes
    plt.close("all")
