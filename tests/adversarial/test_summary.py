"""What the study's numbers come to, and the figures drawn from them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from practicals.adversarial import plots, sets, study, summary
from practicals.data import pictures
from practicals.stats import wilson


@pytest.fixture(autouse=True)
def closed(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    yield
    plt.close("all")


def test_facts_are_rate_and_wilsons_interval():
    found = summary.facts(np.array([1.0, 0, 1, 1]))
    assert (found["value"], found["n"]) == (0.75, 4)
    assert (found["low"], found["high"]) == wilson(3, 4)


def case_list(*index):
    n = len(index)
    y = torch.zeros(n, dtype=torch.long)
    return sets.Cases(torch.zeros(n, 3, 4, 4), y, np.array(index), np.zeros(n))


def test_pairs_belong_to_pictures_and_not_to_places():
    cases = {"a": case_list(7, 3, 9), "b": case_list(3, 5, 7)}
    one = {"a": {"fooled": np.array([1.0, 0, 1])}, "b": {"fooled": np.array([1.0, 1])}}
    other = {"a": {"fooled": np.array([0.0, 0, 1])}, "b": {"fooled": np.array([0.0, 1])}}
    first, second, pictures = summary.pairs(one, other, cases)
    assert first.tolist() == [1, 0, 1, 1, 1] and second.tolist() == [0, 0, 1, 0, 1]
    assert pictures.tolist() == [7, 3, 9, 3, 5], "no case is dropped, the shorter list included"
    means = summary.by_picture(first, second, pictures)  # of pictures 3, 5, 7, 9
    assert [m.tolist() for m in means] == [[0.5, 1, 1, 1], [0, 1, 0, 1]]


def test_pairs_average_over_radii():
    found = {"a": {"fooled": np.array([[0.0, 1], [1, 1]])}}
    first, _, _ = summary.pairs(found, found, {"a": case_list(0, 1)})
    assert first.tolist() == [0.5, 1]


def test_the_least_certain_point_of_a_curve():
    hits = np.stack([np.arange(20) < k for k in (0, 10, 20)], 1)
    low, high = wilson(10, 20)
    assert summary.half_width(hits) == pytest.approx((high - low) / 2)


def test_sizes_are_of_successes_in_their_units():
    """Every pixel of 4 × 5 moved by two levels: root mean square and largest are 2."""
    level = 2 / 255
    found = {
        "fooled": np.array([1.0, 0]),
        "l2": np.array([level * np.sqrt(3 * 20), 9]),
        "linf": np.array([level, 9]),
        "l0": np.array([5.0, 20]),
    }
    got = summary.sizes(found, (4, 5))
    assert got["rms"] == pytest.approx([2]) and got["linf"] == pytest.approx([2])
    assert got["l0"].tolist() == [0.25] and len(got["l2"]) == 1


def test_the_length_of_a_crafted_change():
    x = torch.zeros(2, 3, 4, 4)
    pixels = np.zeros((2, 3, 4, 4), np.uint8)
    pixels[1] = 255
    assert summary.lengths({"pixels": pixels}, x) == pytest.approx([0, np.sqrt(48)])


def test_success_by_budget_counts_what_came_in_time():
    queries = np.array([1, 100, 101, -1, 5000])
    found = summary.by_budget(queries, (100, 101, 10_000))
    assert found["value"].tolist() == [0.4, 0.6, 0.8]
    assert (found["low"] < found["value"]).all() and (found["value"] < found["high"]).all()


def test_strata_sort_by_margin():
    margin, hits = np.array([5.0, 1, 3, 2, 4, 6]), np.array([5, 1, 3, 2, 4, 6])
    assert [part.tolist() for part in summary.strata(margin, hits)] == [[1, 2], [3, 4], [5, 6]]


def test_the_middle_counts_failures_as_endless():
    queries = np.array([10, 20, 30, -1])
    assert summary.middle(queries) == 20
    assert summary.middle(queries, 0.95) == np.inf


class Constant(nn.Module):
    def __init__(self, label):
        super().__init__()
        self.label = label

    def forward(self, x):
        return nn.functional.one_hot(torch.full((len(x),), self.label), 4).float()


def test_transfer_names_source_and_place():
    nets = {"a": Constant(0).eval(), "b": Constant(1).eval()}
    made = {name: {"pixels": np.zeros((3, 3, 4, 4), np.uint8)} for name in nets}
    found = summary.transferred(made, nets, torch.tensor([0, 1, 0]))
    assert found["b", "a"].tolist() == [False, True, False]
    assert found["a", "b"].tolist() == [True, False, True]
    assert summary.elsewhere(found).tolist() == [0.5, 0.5, 0.5]
    found["a", "a"] = np.array([True] * 3)
    assert summary.elsewhere(found).tolist() == [0.5, 0.5, 0.5], "the source itself does not count"


def test_the_share_on_ink():
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, :2] = 1
    heat = torch.ones(1, 4, 4)
    heat[0, 0] = 5
    assert summary.on_ink(heat, x)[0] == pytest.approx(24 / 32)


def test_rounding_moves_by_the_closed_form():
    """A uniform error of one level has the deviation 1/√12 of it, in each of d numbers."""
    found = summary.rounding(torch.zeros(20, 3, 50, 50), 0)
    np.testing.assert_allclose(found, np.sqrt(7500 / 12) / 255, rtol=0.03)
    assert len(set(found)) == 20


def test_common_cases_are_right_on_all_networks_and_splits_do_not_overlap():
    data = sets.drawn(False, 20, 0)
    nets = {"a": Constant(0).eval(), "b": Constant(0).eval()}
    found = sets.common(nets, data, 32, 3, 0)
    assert len(found) == 3 and (found.y == 0).all()
    assert len(sets.common(nets | {"c": Constant(1).eval()}, data, 32, 3, 0)) == 0
    parts = sets.split(data, 32, 12, 15, 0)
    seen = {row.numpy().tobytes() for row in parts.train}
    assert not seen & {row.numpy().tobytes() for row in parts.x}
    assert len(parts.without(0, nets["a"])) == 0, "all are taken for class 0 as they are"
    kept = parts.without(1, nets["a"])
    assert (kept.y != 1).all() and len(kept) == int((parts.y != 1).sum())


def test_classes_by_name_and_their_photograph():
    data = pictures.ImageSet(
        [np.full((9, 9, 3), v, np.uint8) for v in (10, 20)], np.array([1, 0]), ("cat", "dog")
    )
    assert sets.class_of(data, "dog") == 1
    assert 0 <= sets.class_of(data, "toaster") < 2
    assert sets.photo_of(data, 0, 8).mean().item() == pytest.approx(20 / 255)


def test_right_digits_are_right():
    x = torch.arange(40, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    y = torch.arange(40) % 4
    found = sets.right_digits(Constant(2).eval(), x, y, 5)
    assert (found.y == 2).all() and found.index.tolist() == [2, 6, 10, 14]


def test_parts_are_joined_in_order_and_kept(monkeypatch):
    x = torch.rand(45, 3, 4, 4)
    found = sets.Cases(x, torch.zeros(45, dtype=torch.long), np.arange(45), np.zeros(45))
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).eval()
    once = study.by_parts(study.nearest, net, found, "parts", steps=1)
    assert once["margin"].shape == (45,)
    expected = study.minimum.clean_margin(net, x, found.y).numpy()
    np.testing.assert_allclose(once["margin"], expected, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(nn.Flatten, "forward", None)  # a second run computes nothing
    again = study.by_parts(study.nearest, net, found, "parts", steps=1)
    np.testing.assert_array_equal(again["l2"], once["l2"])


def test_the_difference_is_drawn_around_middle_grey():
    a = np.full((2, 2, 3), 100, np.uint8)
    assert (plots.amplified(a, a, 10) == 128).all()
    assert (plots.amplified(a, a + 5, 10) == 178).all()
    assert (plots.amplified(a, a + 50, 10) == 255).all()


def test_figures_are_drawn():
    x, other = torch.rand(2, 2, 3, 16, 16)
    fig = plots.grid(plots.compared(x, other, ["a", "b"], ["c", "d"]), ("1", "2", "3", "4"))
    assert len(fig.axes) == 8
    rates = summary.by_budget(np.array([1, 50, -1]), (10, 100))
    searches = {"evolution": ((10, 100), rates), "chance": ((10, 100), rates)}
    fig = plots.budgets({"net": searches, "other": {"evolution": ((10, 100), rates)}})
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["evolution", "chance"]
    fig = plots.nearest({"net": np.array([0.1, np.inf, 0.3])}, {"net": np.array([1.0, 2, 3])})
    assert len(fig.axes[1].lines[0].get_xdata()) == 2, "what was not found is not drawn"
    assert fig.axes[0].lines[0].get_ydata()[-1] == pytest.approx(2 / 3)
    assert len(plots.panels({"net": {"a": np.array([1, 0.5])}}, (1, 2), "x", "y").axes) == 1
    page = plots.page(np.zeros((9, 9, 3)), ["a line"])
    drawn = page.axes[0].images[0].get_array()
    assert drawn[0, 0, 0] == 1 and drawn[4, 4, 0] == 0
