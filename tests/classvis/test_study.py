"""The loops over recipes, what they come to, the atlas, and the figures drawn from the results."""

import functools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from practicals import stats
from practicals.classvis import ascent, atlas, plots, study, summary, variations
from practicals.networks import backbones, training

TINY = ascent.PUBLISHED.but(steps=3)
CASES = study.Cases((1, 4, 5), (0, 1), 16)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return training.he_initialise(backbones.build("smallvgg")).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def judge():
    torch.manual_seed(5)
    return training.he_initialise(backbones.build("smallvgg")).eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def closed(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    monkeypatch.setenv("PROVENANCE_JOBS", "1")
    yield
    plt.close("all")


def test_all_cases_in_order_and_from_noise_of_their_own(net):
    found = study.climbed(net, {"a": TINY}, CASES, keep=(0, 3))["a"]
    assert found["pictures"].shape == (6, 3, 16, 16) and found["pictures"].dtype == np.uint8
    assert found["values"].shape == (3, 6) and found["frames"].shape == (2, 6, 3, 16, 16)
    np.testing.assert_array_equal(found["frames"][0], found["start"])
    np.testing.assert_array_equal(found["frames"][1], found["pictures"])
    assert len({one.tobytes() for one in found["start"]}) == 6
    # The fourth picture is the first class with the second seed.
    alone = ascent.run(net, study.Score((1,)), TINY, (10_001,), 16).pictures
    near = np.abs(study.as_bytes(alone)[0].astype(int) - found["pictures"][3].astype(int))
    assert near.max() <= 1
    assert CASES.y.tolist() == [1, 4, 5, 1, 4, 5]


def test_a_recipe_under_two_names_runs_once_and_is_kept(net, monkeypatch):
    calls, real = [], study.ascent.run

    @functools.wraps(real)  # under its own name: a key sees other names
    def counted(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(study.ascent, "run", counted)
    recipes = {"a": TINY, "b": TINY.but(lr=1.0), "c": TINY}
    first = study.climbed(net, recipes, CASES)
    assert len(calls) == 2 * len(CASES.seeds)
    again = study.climbed(net, recipes, CASES)
    assert len(calls) == 2 * len(CASES.seeds), "the second time everything comes from the cache"
    for name in recipes:
        np.testing.assert_array_equal(first[name]["pictures"], again[name]["pictures"])
    np.testing.assert_array_equal(first["a"]["pictures"], first["c"]["pictures"])
    assert not np.array_equal(first["a"]["pictures"], first["b"]["pictures"])


def test_a_start_takes_the_place_of_noise(net):
    start = torch.rand(3, 3, 16, 16)
    found = study.climbed(net, {"a": TINY}, CASES, start=start)["a"]
    np.testing.assert_array_equal(found["start"], np.tile(study.as_bytes(start), (2, 1, 1, 1)))


def test_judging_takes_means_over_the_others(net, judge):
    torch.manual_seed(9)
    third = training.he_initialise(backbones.build("smallvgg")).eval().requires_grad_(False)
    nets = {"a": net, "b": judge, "c": third}
    found = study.climbed(net, {"r": TINY}, CASES, keep=(1, 2, 9))
    said = study.judged(nets, "a", found, CASES)["r"]
    x = study.as_pictures(found["r"]["pictures"])
    own = {name: one(x).softmax(1)[range(6), CASES.y] for name, one in nets.items()}
    np.testing.assert_allclose(said["own"], own["a"], rtol=1e-4)
    np.testing.assert_allclose(said["c/probability"], own["c"], rtol=1e-4)
    np.testing.assert_allclose(said["probability"], (own["b"] + own["c"]) / 2, rtol=1e-4)
    assert set(summary.SCORES) <= set(said)
    frames = study.judged_frames(nets, "a", found["r"], (1, 2, 9), CASES)
    assert list(frames) == [1, 2], "step 9 never came"
    several = study.judged(nets, ("a", "b"), found, CASES)["r"]
    np.testing.assert_allclose(several["probability"], own["c"], rtol=1e-4)
    np.testing.assert_allclose(several["own"], (own["a"] + own["b"]) / 2, rtol=1e-4)
    with pytest.raises(ValueError, match="at least one network"):
        study.judge({"a": net}, "a", found["r"]["pictures"], CASES.y.tolist(), found["r"]["start"])


def test_frames_lie_closer_at_the_beginning():
    steps = study.frame_steps(1000, 12)
    assert steps[0] == 0 and steps[1] == 1 and steps[-1] == 1000 and len(steps) <= 12
    assert (np.diff(steps, 2) >= 0).all()
    assert study.frame_steps(3, 24) == (0, 1, 2, 3)


def test_outward_share_counts_what_was_clipped_on_the_way():
    x = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.5, 0.0]).view(1, 1, 1, 6).expand(2, 3, 1, 6)
    slopes = torch.tensor([-1.0, 1, 1, 1, 1, -1]).view(1, 1, 1, 6).expand(2, 3, 1, 6)
    start = torch.full_like(x, 0.5)
    start[..., 5] = 0.0  # black from the beginning
    result = ascent.Result(x, start, torch.zeros(0, 2))
    np.testing.assert_allclose(study.outward_share(result, slopes), [0.75, 0.75])
    assert np.isnan(study.outward_share(ascent.Result(start, start, x), slopes)).all()


def linear_score(size):
    """Return a network of two linear scores whose weights are ±(``size`` to 2 ``size``)."""
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 36, 2))
    signs = torch.randn(2, 108).sign()
    linear[1].weight.data = size * signs * (1 + torch.rand(2, 108))
    return linear


def test_an_unregularised_linear_score_drives_every_pixel_to_black_or_white():
    """The closed form: the sign of a pixel's weight decides, and all gradients point outward."""
    linear = linear_score(0.1)
    found = study.climb(linear, variations.BARE.but(steps=700), (1,), (0,), 6)
    weights = linear[1].weight[1].detach().view(3, 6, 6).numpy()
    np.testing.assert_array_equal(found["pictures"][0], np.where(weights > 0, 255, 0))
    assert found["outward"].tolist() == [1]


def test_with_l2_a_linear_score_stops_at_its_balance():
    """score − λ‖z‖² is largest at z = w σ / 2λ, around which steps of fixed length circle."""
    linear = linear_score(1.0)
    recipe = variations.BARE.but(steps=150, penalties=ascent.PUBLISHED.penalties)
    x = ascent.run(linear, study.Score((0,)), recipe, (0,), 6).pictures
    weights = linear[1].weight[0].detach().view(1, 3, 6, 6)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    balance = weights * std / (2 * 1e-3 * (224 / 6) ** 2)
    apart = (ascent.standardised(x) - balance).norm()
    assert apart < ascent.step_length(5, 6) < balance.norm() / 5


def test_variations_change_one_thing(net):
    base = ascent.PUBLISHED.but(steps=9)
    for name, values in variations.variations(9).items():
        assert sum(recipe == base for recipe in values.values()) == 1, name
        for recipe in values.values():
            assert recipe.steps == 9
            changed = [f for f in base.__dict__ if getattr(base, f) != getattr(recipe, f)]
            assert len(changed) <= 1
    bare = variations.restraints(9)["none"]
    for name, recipe in variations.restraints(9).items():
        changed = [
            f for f in base.__dict__ if f != "title" and getattr(bare, f) != getattr(recipe, f)
        ]
        assert len(changed) == {"none": 0, "all": 3}.get(name, 1)
    whole = variations.ablations(9)["whole"]
    for recipe in variations.ablations(9).values():
        assert sum(getattr(whole, f) != getattr(recipe, f) for f in whole.__dict__) <= 1


def test_drawn_classes_are_different_and_repeat():
    found, again = (study.draw(False, 6, 24, 3) for _ in range(2))
    assert len(set(found.labels)) == 6 and found.labels == again.labels
    assert found.x.shape == (6, 3, 24, 24) and len(found.names) == 6
    assert study.draw(False, 6, 24, 4).labels != found.labels
    assert len(study.draw(False, 99, 24, 3).labels) == 10


def test_many_pictures_of_any_class():
    found = study.many(False, 23, 16, 0)
    assert found.shape == (23, 3, 16, 16)
    assert torch.equal(found, study.many(False, 23, 16, 0))
    assert len({one.sum().item() for one in found}) == 23


def test_judges_are_all_but_the_climbed():
    assert list(study.without({"a": 1, "b": 2, "c": 3}, "b")) == ["a", "c"]


def test_the_atlas_finds_the_strongest_pictures(net):
    torch.manual_seed(2)
    x = torch.rand(7, 3, 16, 16)
    found = atlas.atlas({"n": net}, {"n": ("relu1_2", "relu2_2")}, 2, TINY, x, seed=0)
    assert set(found) == {("n", "relu1_2"), ("n", "relu2_2")}
    one = found["n", "relu2_2"]
    means = net.features(x, ["relu2_2"])["relu2_2"].mean((2, 3))[:, one["channels"]].T
    np.testing.assert_allclose(one["real"], means, atol=1e-5)
    np.testing.assert_allclose(one["found"], means.topk(3, 1).values, atol=1e-5)
    assert one["best"].shape == (2, 3) and one["pictures"].shape == (2, 3, 16, 16)
    assert len(set(one["channels"].tolist())) == 2


def test_networks_for_the_atlas(net, monkeypatch):
    """A network whose weights end early can be loaded, and its leading layers explored."""
    torch.manual_seed(0)
    whole = backbones.NETWORKS["smallvgg"].make().state_dict()
    part = {k: v for k, v in whole.items() if k.startswith(("features.0", "features.2"))}
    asked = []

    def load(*names):
        asked.append(names)
        return backbones.from_state("smallvgg", part)

    monkeypatch.setattr(backbones, "load", load)
    found = atlas.ready({"a": net}, ["a", "b", "vgg16"])
    # Chapter 4 publishes numbers of VGG16's first three blocks, until it is written anew.
    first_blocks = ("vgg16-397923af.pth", "vgg16-oxford-blocks123.pth")
    assert asked == [("b", ()), ("vgg16", first_blocks)]
    assert found["a"] is net and found["b"].covered[-1] == "pool1"
    x = torch.rand(3, 3, 16, 16)
    one = atlas.atlas(found, {"b": ("relu1_2",)}, 2, TINY, x, 0)["b", "relu1_2"]
    assert one["real"].shape == (2, 3)


def test_a_channel_climbs(net):
    many = variations.BARE.but(steps=30)
    x = torch.rand(4, 3, 16, 16)
    found = atlas.explore(net, "relu2_2", (1, 2, 3), many, x, 16)
    before = atlas.explore(net, "relu2_2", (1, 2, 3), many.but(steps=0), x, 16)
    assert (found["made"] > before["made"]).all()
    assert summary.beaten(np.array([2.0, 1.0]), np.array([[1.0, 1.5], [0.5, 1.0]])) == (1, 2)


def test_tests_cluster_by_class():
    rng = np.random.default_rng(0)
    a = {"probability": rng.random(6) + 1}
    b = {"probability": rng.random(6)}
    test = summary.difference(a, b, "probability", CASES)
    assert test.n == 3 and test.effect == pytest.approx(
        (a["probability"] - b["probability"]).mean()
    )
    values = np.array([1.0, np.nan, 3, 3, 1, 5])
    np.testing.assert_allclose(summary.by_class(np.arange(6.0), CASES), [1.5, 2.5, 3.5])
    assert summary.excess(values, CASES, 0.5).effect == pytest.approx((2 + 0.75 + 4) / 3 - 0.5)


def test_keys_and_settings():
    flat = summary.flat({"l2": {"0.01": 1, "0": 2}, "blur": {"never": 3}})
    assert list(flat) == ["l2/0.01", "l2/0", "blur/never"]
    assert summary.rows_of(flat)["l2/0.01"] == "l2_0_01"
    assert summary.factor(flat, "l2") == {"0.01": 1, "0": 2}
    judged = {5: {"probability": np.array([0.0, 1.0])}, 2: {"probability": np.array([0.0, 0.0])}}
    shown = summary.over_steps(judged, study.Cases((1, 2), (0,), 8), ("probability",))
    steps, means, errors = shown["probability"]
    assert steps == [2, 5] and means.tolist() == [0, 0.5]
    assert errors[1] == pytest.approx(np.std([0, 1], ddof=1) / 2**0.5)
    # Two seeds of two classes: the error is that of the classes' means, 2 and 4.
    pairs, found = study.Cases((1, 2), (0, 1), 8), {"a": {"k": np.array([1.0, 3.0, 3.0, 5.0])}}
    assert summary.means_and_errors(found, "k", pairs) == {"a": (3.0, 1.0)}


def test_extremes_are_of_different_classes():
    values, labels = np.array([0.0, 0.1, 0.9, 0.2, 0.8, 0.7]), [1, 1, 1, 2, 3, 3]
    assert summary.extremes(values, labels, 1) == [0, 4], "class 1 is shown already"
    assert len(summary.extremes(values, labels, 5)) == 3


def test_judges_that_disagree():
    said = {"a/probability": np.array([0.9, 0.9, 0.0]), "b/probability": np.array([0.05, 0.8, 0])}
    assert summary.split(said, ["a", "b"]).tolist() == [True, False, False]


def test_what_never_rose_is_idle():
    values = np.array([[0.0, 1.0, 5.0], [0.0, 2.0, 9.0], [0.0, 3.0, 4.0]])
    assert summary.idle(values).tolist() == [True, False, True]
    assert summary.idle(np.r_[np.zeros((10, 1)), np.ones((10, 1))]).tolist() == [False]


def test_tests_are_told_after_holm():
    tests = {
        name: stats.Test("t", effect, 0, 0, 9, p)
        for name, effect, p in (("a", -0.1, 0.01), ("b", 0.2, 0.03), ("c", 0.0, 0.5))
    }
    assert summary.adjusted(tests) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.5})
    text = summary.told(tests)
    assert "3 tests: a (−10.0 points, p = 0.030). Not significant: b (+20.0" in text
    assert "Not significant: none." in summary.told({"a": tests["a"]})


def test_figures_and_frames_are_drawn_and_not_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    line = ([1, 2], np.array([0.1, 0.2]), np.array([0.01, 0.02]))
    drawn = [
        plots.grid([[pictures[0], (pictures[1], "text"), None]], ["a", "b", "c"], ["row"]),
        plots.stacks({"up": pictures, "middle": pictures, "down": pictures}, list("abcde"), 3),
        plots.grid([[(pictures[0], "two\nlines")]], widest=2.0),
        plots.effects({"l2": {"0": (0.1, 0.01), "1": (0.2, 0.02)}}, "probability"),
        plots.over_steps({"probability": {"a": line, "b": line}}),
        plots.spreads({"a": rng.random(6) + 0.1}, "probability", log=True),
        plots.strip({"film": pictures}, [0, 1, 2, 5, 9], 3),
    ]
    for figure in drawn:
        figure.canvas.draw()
        assert figure.axes
    plots.show(torch.rand(2, 3, 8, 8), ["a", "b"])
    film = plots.frames([pictures, pictures[::-1]], [list("abcde")] * 2, 2, 4, 3)
    assert len(film) == 8 and film[0].shape == (16 + 14, 36, 3)
    assert film[0][16:].min() < 255, "the step is written below"
    assert plots.spread_out(24, 5) == [0, 6, 12, 17, 23] and plots.spread_out(2, 5) == [0, 1]
    np.testing.assert_array_equal(film[0][:16:2, :16:2], pictures[0])
    assert list(tmp_path.iterdir()) == []


def test_a_preview_is_silent_without_a_notebook():
    watch = plots.live(every=2)
    watch(0, torch.rand(1, 3, 8, 8))
    assert not plt.get_fignums()


def test_recipes_have_the_budgets_steps():
    found = variations.recipes(9, 8, 7, 6)
    assert [found[name].steps for name in ascent.RECIPES] == [9, 8, 7, 6]
    assert all(found[n].but(steps=r.steps) == r for n, r in ascent.RECIPES.items())
