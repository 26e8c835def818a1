"""Whole runs with tiny networks: parts that go on, scores that notice, controls that are fair."""

import functools

import numpy as np
import pytest
import torch
from tests.gan.small import recipe

from practicals.gan import judge, recipes, scores, study
from practicals.gan.networks import build
from provenance import cache


@pytest.fixture(scope="module")
def conditional(scene):
    return study.run(recipe(design={"condition": "both"}, steps=6), scene, seed=0, looks=3)


def test_the_sample_digits_lie_in_32_pixels_with_their_labels():
    data = judge.pixels(False)
    assert data.x.shape == (1297, 1, 32, 32) and data.x_test.shape == (500, 1, 32, 32)
    assert data.x.dtype == torch.uint8 and len(data.y) == 1297
    assert data.x[..., :2, :].max() == 0 and data.x[..., -2:].max() == 0


def test_the_judge_reads_held_out_digits(scene):
    net, accuracy = judge.judge(scene)
    features, predicted = judge.read(net, judge.pixels(False).x_test)
    assert accuracy > 0.85 and features.shape == (500, 84)
    assert accuracy == pytest.approx((predicted == judge.pixels(False).y_test.numpy()).mean())
    with pytest.raises(ValueError, match="no digits"):
        judge.read(net, judge.pixels(False).x_test[:0])


def test_a_run_has_its_looks_records_and_scores(conditional):
    assert conditional.records.shape == (6, 6) and conditional.shown.shape == (3, 100, 32, 32)
    assert conditional.curve.shape == (3,) and conditional.per_class.shape == (10,)
    assert {"frechet", "kernel", "precision", "recall", "class_accuracy"} <= set(conditional.scores)
    assert conditional.share.sum() == pytest.approx(1)


def test_looks_do_not_change_the_run(scene, conditional):
    once = study.run(conditional.recipe, scene, seed=0, looks=1)
    assert np.array_equal(once.records, conditional.records)
    assert once.scores == conditional.scores


def test_a_run_stopped_after_a_part_goes_on_where_it_was(scene, conditional, monkeypatch):
    # What ``provenance.cache`` kept of the run above is found again: no step is taken twice.
    @functools.wraps(study.train)  # under its own name: a key sees other names
    def train(*_):
        pytest.fail("trained again")

    monkeypatch.setattr(study, "train", train)
    last = cache.once(study.part, conditional.recipe, scene, 0, 3, 3)
    assert np.array_equal(last["records"], conditional.records)


def test_the_kept_networks_are_those_that_were_scored(scene, conditional):
    digits = study.sample(conditional.generator(), study.fixed_z(300, 5, 1), study.classes_of(300))
    features, predicted = judge.read(judge.judge(scene)[0], digits)
    found = scores.frechet(judge.reference(scene)[0], features)
    assert found == pytest.approx(conditional.scores["frechet"])
    assert scores.histogram(predicted) == pytest.approx(conditional.share)


def test_real_digits_score_far_better_than_untrained_ones(scene, conditional):
    floor = study.floor(scene, (0, 1))
    assert floor["frechet"].shape == (2,) and floor["frechet"].max() < conditional.scores["frechet"]
    assert floor["recall"].min() > 0.5 > conditional.scores["recall"]
    assert (floor["modes"] == 10).all()


def test_the_distance_of_real_sets_falls_with_their_size(scene):
    found = study.against_n(scene, (60, 150, 300), (0, 1))
    assert found.shape == (2, 3) and (np.diff(found.mean(0)) < 0).all()


@pytest.mark.parametrize("kind", ["noise", "blur", "swap"])
def test_more_damage_scores_worse(scene, kind):
    row = study.ladder(scene, (kind,), (0.0, 0.3, 0.6, 1.0))[kind]
    assert (np.diff(row) > 0).all()


def test_no_damage_changes_nothing_and_unknown_damage_is_refused():
    x = judge.pixels(False).x[:5]
    for kind in ("noise", "blur", "swap"):
        assert torch.equal(study.corrupted(x, kind, 0.0), x)
    with pytest.raises(ValueError, match="expected noise"):
        study.corrupted(x, "rain", 0.5)


def test_a_class_that_real_digits_lack_is_noticed(scene):
    found = study.dropped(scene)
    # A quickly trained judge reads a few 9s as 8s, so that one class may still seem to be there.
    assert set(found["modes"]) <= {9, 10} and (found["modes"] == 9).sum() >= 8
    assert found["frechet"].min() > study.floor(scene, (0,))["frechet"][0]


def test_memory_compares_with_real_digits(scene, conditional):
    found = study.memory(conditional.state_g, conditional.recipe, scene, 50, 0)
    assert found["generated"].shape == found["held_out"].shape == (50,)
    assert found["held_out"].min() > 0 and found["pictures"].shape == (10, 32, 32)


def test_synthetic_digits_of_an_untrained_generator_teach_nothing(scene, conditional):
    found = study.synthetic(conditional.state_g, conditional.recipe, scene, 300, 15, 0)
    assert found["real"] > 0.6 > 0.4 > found["synthetic"]


def test_styles_have_a_control():
    lively = recipe(design={"condition": "both", "init": "torch"})
    state = build(lively.design, 0)[0].state_dict()
    found = study.styles(state, lively, 40, 0)
    assert found["slant"].shape == found["thickness/shuffled"].shape == (40, 10)
    assert np.allclose(np.sort(found["slant"], 0), np.sort(found["slant/shuffled"], 0))
    assert not np.array_equal(found["slant"], found["slant/shuffled"])


def test_d_is_asked_about_three_kinds_of_digits(scene, conditional):
    found = study.believed(conditional, scene, 30)
    assert set(found) == {"held_out", "generated", "wrong"}
    assert not np.array_equal(found["held_out"], found["wrong"])


def test_a_seed_decides_a_run(scene, conditional):
    other = study.run(conditional.recipe, scene, seed=1, looks=1)
    assert not np.array_equal(other.records, conditional.records)


def test_each_experiment_differs_in_what_its_title_says():
    base = recipes.default(8, 5, 10, 8)
    rows = {**recipes.suggested(base), **recipes.one_sided(base)}
    assert rows["default"][1] == base
    assert len({repr(r) for _, r in rows.values()}) == len(rows)
    assert len({title for title, _ in rows.values()}) == len(rows)
    assert rows["weak_d"][1].design.discriminator_width == 2
    assert rows["z1000"][1].design.z == 1000 and rows["slow"][1].lr_g == 2e-4
    assert recipes.default(16, 100, 10, 32).lr_d == pytest.approx(8e-4)
    for case in ("collapse", "unstable"):
        ill, cured = (recipes.provoked(base)[name][1] for name in (case, f"{case}_cured"))
        assert ill != cured


def test_a_table_gives_every_recipe_its_seeds(scene, monkeypatch):
    monkeypatch.setenv("PROVENANCE_JOBS", "1")
    rows = {"a": recipe(steps=2), "b": recipe(steps=2, loss="saturating")}
    found = study.table(rows, scene, {"a": (0, 1), "b": (1,)}, looks=1)
    assert [(name, run.seed) for name, runs in found.items() for run in runs] == [
        ("a", 0), ("a", 1), ("b", 1),
    ]  # fmt: skip
    assert found["b"][0].recipe.loss == "saturating"
