"""Whole runs: what a method learns, and what reverse validation sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.adaptation.small import QUICK

from practicals.adaptation import recipes, study
from practicals.data.digits import Digits


def test_training_learns_the_source_and_adapts(domains):
    recipe = replace(QUICK, steps=120, looks=1)
    cases = {m: replace(recipe, method=m) for m in recipes.METHODS}
    cases["target_only"] = replace(cases["target_only"], augment="none")  # as in the chapter
    found = {m: study.train(domains, case, 0) for m, case in cases.items()}
    assert found["dann"].source_accuracy > 0.5
    gains = [found["target_only"].target_accuracy - found["source_only"].target_accuracy]
    for seed in (1, 2):
        ends = (study.train(domains, cases[m], seed) for m in ("target_only", "source_only"))
        gains.append(float(np.subtract(*(end.target_accuracy for end in ends))))
    assert np.mean(gains) > 0.02, gains
    assert found["dann"].confusion.sum() == 500
    assert 0 <= found["dann"].a_distance <= found["no_reversal"].a_distance + 0.2


def test_target_labels_do_not_touch_any_training_but_the_upper_bound(domains):
    shuffled = Digits(domains.target.x, domains.target.y.flip(0))
    other = replace(domains, target=shuffled)
    for method in ("source_only", "dann", "no_reversal"):
        recipe = replace(QUICK, method=method, steps=6, looks=2)
        one, two = (study.train(d, recipe, 0) for d in (domains, other))
        assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)


def confused(outcome):
    """The same network, but for its answers, which are all moved on by one digit."""
    state = {name: value.clone() for name, value in outcome.state.items()}
    for name in ("label_head.2.weight", "label_head.2.bias"):
        state[name] = state[name].roll(1, 0)
    return replace(outcome, state=state)


def test_wrong_answers_on_the_target_make_the_way_back_worse(domains):
    recipe = replace(QUICK, steps=100)
    gaps = []
    for seed in range(3):
        outcome = study.train(domains, recipe, seed)
        right, wrong = (
            study.reverse_accuracy(domains, recipe, end, steps=40)
            for end in (outcome, confused(outcome))
        )
        gaps.append(right - wrong)
    # How good the way back is depends on the seed, by more than one half: only the order does not.
    assert min(gaps) > 0.1 and sum(gaps) / len(gaps) > 0.3, gaps


def test_reverse_validation_reads_no_target_label(domains):
    blind = replace(domains, target=Digits(domains.target.x, torch.zeros_like(domains.target.y)))
    outcome = study.train(domains, QUICK, seed=0)
    found = [study.reverse_accuracy(data, QUICK, outcome, 10) for data in (domains, blind)]
    assert found[0] == found[1]


def test_the_best_candidate_is_the_first_with_the_best_way_back():
    made = [study.Tried(QUICK, None, value) for value in (0.2, 0.7, 0.7)]
    assert study.best(made) is made[1]


def test_a_state_of_other_names_is_refused():
    net = study.AdaptationNet(recipes.Design())
    state = net.state_dict()
    without_head = {k: v for k, v in state.items() if not k.startswith("domain_head")}
    study.rebuild(net.design, without_head)
    for wrong in (without_head | {"extra": torch.zeros(1)}, dict(list(state.items())[1:])):
        with pytest.raises(ValueError, match="unknown"):
            study.rebuild(net.design, wrong)


def test_rows_share_steps_and_teachers_have_a_third_of_them():
    made, first = study.rows(QUICK), study.teachers(QUICK)
    assert {recipe.steps for recipe in made.values()} == {QUICK.steps}
    assert {recipe.steps for recipe in first.values()} == {QUICK.steps // 3}
    assert made["own_batch_norm"].method == "dann" and made["own_batch_norm"].lam == 0
    assert set(first) == {"source_only", "own_batch_norm", "dann"}


def test_runs_are_named_by_their_row_and_ordered_by_their_seed(domains, monkeypatch):
    called = []

    def run(job, settings, shared, label):
        called.extend(settings)
        return [(s["recipe"].steps, s["seed"]) for s in settings]

    monkeypatch.setattr(study.cache, "run", run)
    cases = {"short": replace(QUICK, steps=5), "long": replace(QUICK, steps=50)}
    found = study.run_all(domains, cases, (3, 4))
    assert found == {"short": [(5, 3), (5, 4)], "long": [(50, 3), (50, 4)]}
    assert [s["recipe"].steps for s in called] == [50, 50, 5, 5]
