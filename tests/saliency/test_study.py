"""The studies of chapter 2: rows that hold whatever a network has learnt, and their figures."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from practicals.networks import backbones
from practicals.saliency import faithfulness, maps, methods, plots, settings, shortcut, study

CONFIG = methods.Config(2, 2, 8)
SMALL = replace(settings.SAMPLE, known=("smallvgg",) * 2, known_epochs=1, known_config=CONFIG)


@pytest.fixture(scope="module")
def nets():
    torch.manual_seed(0)
    return {"smallvgg": backbones.build("smallvgg").eval().requires_grad_(False)}


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(1)
    return torch.rand(8, 3, 64, 64), torch.arange(8)


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    monkeypatch.setenv("PROVENANCE_JOBS", "1")
    yield
    plt.close("all")


def test_nine_methods_and_four_controls_have_maps(nets, batch):
    x, y = batch[0][:2], batch[1][:2]
    found = methods.run_all(nets["smallvgg"], x, y, CONFIG)
    assert tuple(found) == (*methods.METHODS, *methods.CONTROLS) and len(found) == 13
    for name in ("SmoothGrad", "RISE", "random"):
        alone = methods.run_all(nets["smallvgg"], x, y, CONFIG, (name,))
        assert torch.equal(alone[name], found[name]), "leaving a method out changes no other"
    with pytest.raises(ValueError, match=r"unknown methods.*'Lime'"):
        methods.run_all(nets["smallvgg"], x, y, CONFIG, ("Lime",))


def test_a_network_gets_its_own_column_of_classes(nets, batch):
    x, _ = batch
    both = {"a": nets["smallvgg"], "b": faithfulness.shuffled(nets["smallvgg"], 0)}
    columns = study.named(both, x)
    found = study.over_networks(study._predicted_and_true, both, x, columns, 3)
    assert found.empty, "each network is right about what it says itself"
    swapped = study.over_networks(study._predicted_and_true, both, x, columns.flip(1), 3)
    assert len(swapped) == 2 * int((columns[:, 0] != columns[:, 1]).sum())


def test_wrong_predictions_are_compared_with_their_true_class(nets, batch):
    (x, y), net = batch, nets["smallvgg"]
    found = study.predicted_and_true(nets, x, y)
    guess = study.named(nets, x)[:, 0]
    assert found["picture"].tolist() == (guess != y).nonzero()[:, 0].tolist()
    i = int(found["picture"].iloc[-1])
    pair = maps.gradient(net, x[[i, i]], torch.tensor([int(guess[i]), int(y[i])]))
    expected = faithfulness.rank_correlation(pair[:1], pair[1:])
    assert found["true"].iloc[-1] == pytest.approx(expected[0])
    assert (found["true"] < 1).all() and (found["other"] < 1).all()


def test_cases_are_right_predictions_that_the_blur_takes_away(nets, batch):
    x, _ = batch
    y = study.named(nets, x)[:, 0].clone()
    y[0] = (y[0] + 1) % 10
    found = study.cases(nets, x, y, largest=10.0)
    assert found["picture"].tolist() == list(range(1, 8)), "the wrong one is left out"
    assert study.cases(nets, x, y, largest=0.0).empty, "no picture loses all its probability"


def test_curves_have_a_row_for_every_point_and_areas_are_their_means(nets, batch):
    x, y = batch[0][:3], batch[1][:3]
    found = study.faithfulness(nets, x, y, CONFIG, 4)
    assert len(found) == 3 * 13 * 2 * 4
    areas = study.areas(found, "deletion")
    centre = {"centre": methods.centre_map(x)}
    grey = faithfulness.grey(nets["smallvgg"], x)
    expected = faithfulness.curves(nets["smallvgg"], x, y, centre, grey, 4, insert=False)
    measured = areas[areas["method"] == "centre"]["deletion"]
    np.testing.assert_allclose(measured, expected["centre"].mean(1), rtol=1e-5)


def test_two_methods_are_compared_case_by_case_over_networks():
    rows = [(n, p, m, v) for n, add in (("a", 0), ("b", 2)) for p in (1, 2)
            for m, v in (("x", p + add), ("y", -p))]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["network", "picture", "method", "value"])
    x, y = study.side_by_side(frame, "value", "picture", "x", "y")
    assert x.tolist() == [2, 3] and y.tolist() == [-1, -2]


def test_maps_that_do_not_hear_the_question_have_a_quarter_in_each_cell(nets, batch):
    x, y = batch
    found = study.several_objects(nets, x, y, settings.SAMPLE)
    deaf = found[found["method"].isin(["edges", "centre"])]
    assert len(deaf) == 2 * 2
    np.testing.assert_allclose(deaf["inside"], 0.25, atol=1e-6)
    np.testing.assert_allclose(deaf["pointing"], 0.25, atol=1e-6)


def test_every_four_pictures_meet_another_shuffle(nets, batch):
    x, y = batch
    found = study.shuffling(nets, x, y, CONFIG)
    assert found.groupby("shuffle")["picture"].unique().map(list).tolist() == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]
    assert set(found["method"]) == set(methods.METHODS) - {"SmoothGrad", "RISE"}
    gradient = found[found["method"] == "gradient"]["correlation"]
    assert (gradient < 0.999).all(), "the shuffled network is another one"


def test_noise_and_the_number_of_copies(nets, batch):
    x, y = batch[0][:4], batch[1][:4]
    assert set(study.noise(nets, x, y, CONFIG).groupby("method").size()) == {4}
    found = study.smoothing(nets, x, y, (1, 40)).groupby("copies")["correlation"].mean()
    assert found[1] < found[40], "with more copies two seeds agree more"


def test_boxes_of_cells_are_found_by_no_chance(nets, batch):
    x, _ = batch
    found = study.boxes(nets, False, 64, x, study.named(nets, x))
    assert found["overlap"].between(0, 1).all()
    # The centre's quarter is a box of half the side: a cell shares a quarter of it.
    centre = found[found["method"] == "centre"]["overlap"]
    np.testing.assert_allclose(centre, 1 / 7, atol=0.03)


def test_marks_lie_where_they_are_said_to_lie_and_nowhere_else():
    x = torch.full((6, 3, 45, 63), 100, dtype=torch.uint8)
    kinds = torch.tensor([0, 1, 0, 1, 0, 1])
    marked, squares = shortcut.planted(x, kinds, 3)
    changed = (marked != x).any(1)
    assert (changed <= squares).all() and changed.flatten(1).any(1).all()
    assert squares.sum((1, 2)).tolist() == [25] * 6
    assert (x == 100).all(), "the pictures given stay as they were"
    assert len({tuple(s.nonzero()[0].tolist()) for s in squares}) > 1, "places are random"
    ring, cross = (marked[i].permute(1, 2, 0)[changed[i]].unique(dim=0) for i in (0, 1))
    assert ring.tolist() != cross.tolist()


def test_marks_decide_two_classes_or_are_spread_over_all():
    y = torch.arange(15).repeat_interleave(30)
    first, second = shortcut.two_classes(y, 4)
    index, kinds = shortcut.who_is_marked(y, 4, decides=True)
    assert set(y[index[kinds == 0]].tolist()) == {first}
    assert set(y[index[kinds == 1]].tolist()) == {second} and len(index) == 60
    index, kinds = shortcut.who_is_marked(y, 4, decides=False)
    assert len(index) == len(set(index.tolist())) == 60
    for kind in (0, 1):
        assert torch.bincount(y[index[kinds == kind]], minlength=15).unique().tolist() == [2]


def test_a_known_network_is_the_classifier_but_for_its_tail():
    before = shortcut.classifier("smallvgg")
    net = shortcut.known_network("smallvgg", False, 64, 1, 0, True)
    cut = before.layers.index("pool3") + 1
    assert net.layers == before.layers
    for i, (a, b) in enumerate(zip(before.steps, net.steps, strict=True)):
        pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
        same = all(torch.equal(p, q) for p, q in pairs)
        assert same if i < cut else same == (not list(a.parameters()))


def test_controls_that_see_no_network_cannot_tell_a_pair_apart():
    found = study.known_answers(SMALL)
    assert len(found) == 2 * 13
    blind = found[found["method"].isin(["edges", "centre", "random"])]
    assert (blind["auc"] == 0.5).all() and (blind["decides"] == blind["nothing"]).all()
    groups = study.known_networks(SMALL, count=10).groupby("group").size()
    assert groups.to_dict() == {"mark decides": 2, "mark means nothing": 2}


def test_the_best_method_is_chosen_on_even_pairs_and_scored_on_odd_ones():
    rows = [(0, "RISE", 0.9), (1, "RISE", 0.1), (0, "gradient", 0.6), (1, "gradient", 1.0),
            (0, "blurred gradient", 1.0), (1, "blurred gradient", 1.0)]  # fmt: skip
    best, scored = study.best_method(pd.DataFrame(rows, columns=["pair", "method", "auc"]))
    assert best == "RISE" and scored.tolist() == [0.1], "controls are no methods"


def test_figures_are_drawn_and_shown_with_their_words(nets, batch):
    x, y = batch[0][:2], batch[1][:2]
    heat = maps.gradient(nets["smallvgg"], x, y)
    found = plots.show(x[0], {"a": heat[0], "b": -heat[1]}, "A caption.", "What is seen.")
    assert found.picture["alt"] == "What is seen." and found.picture["format"] == "jpeg"
    assert found.picture["width"] >= 3 * 224, "three panels of at least 224 pixels"
    assert plots.strip({"a": heat[0]}, "c", "a").picture["format"] == "png", "maps alone"
    frame = pd.DataFrame({"method": ["a", "a", "edges"], "x": [0, 1, 0], "v": [0.1, 0.2, 0.3]})
    fig = plots.lines(frame, "x", "v", "method", ("x", "v"), (0, 1))
    assert [line.get_linestyle() for line in fig.axes[0].lines] == ["-", "--"]
    fig = plots.spread(frame, "v", "v", (0, 1), 0.5)
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["a", "edges"]


def test_an_overlay_is_light_where_the_map_is_strong():
    picture, heat = torch.full((3, 40, 40), 0.5), torch.zeros(40, 40)
    heat[5:15, 20:30] = -2.0
    found = plots.overlay(picture, heat).mean(2)
    assert found[8:12, 23:27].min() > found[25:, :15].max() + 0.1


@pytest.mark.parametrize("name", settings.SETTINGS)
def test_smaller_profiles_spend_no_more(name):
    small, full = settings.SETTINGS[name], settings.FULL
    for field in ("pictures", "scored", "points", "mosaics", "stable", "shuffles", "known_epochs"):
        assert getattr(small, field) <= getattr(full, field)
    assert small.real == (name != "sample")
    assert 4 * small.shuffles <= small.pictures and 4 * small.mosaics <= small.pictures
