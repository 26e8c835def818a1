"""Which predictions become labels, which pictures they belong to, and what no round may read."""

from dataclasses import replace

import pytest
import torch
from tests.adaptation.small import QUICK

from practicals.adaptation import pseudo_labels as pseudo
from practicals.adaptation import scores, study, training
from practicals.data.digits import Digits


def test_only_certain_predictions_become_labels():
    p = torch.tensor([[0.95, 0.05], [0.5, 0.5], [0.1, 0.9]])
    index, labels = pseudo.select(p, 0.9)
    assert index.tolist() == [0, 2] and labels.tolist() == [0, 1]


def test_a_balanced_draw_gives_rare_digits_their_share():
    y = torch.tensor([0] * 990 + [1] * 10)
    rng = torch.Generator().manual_seed(0)
    share = (y[pseudo.draw(y, 2000, True, rng)] == 1).float().mean()
    assert 0.45 < share < 0.55
    assert (y[pseudo.draw(y, 2000, False, rng)] == 1).float().mean() < 0.03


@pytest.fixture(scope="module")
def teacher(domains):
    return study.train(domains, replace(QUICK, steps=150), 0)


def student_of(domains, teacher, recipe):
    """Return a student that shares the sample domains with its teacher."""
    source = (domains.source.x, domains.source.y)
    return pseudo.Student(teacher.net(), recipe, source, domains.target.x, seed=0)


def test_pseudo_labels_stay_with_their_own_pictures(domains, teacher, monkeypatch):
    """The pool is a random order: a label taken by its place there belongs to another picture."""
    recipe = pseudo.PseudoRecipe(threshold=0.5, rounds=2, pool=300)
    student = student_of(domains, teacher, recipe)
    lessons, reported = [], []
    monkeypatch.setattr(student, "learn", lambda index, labels: lessons.append((index, labels)))
    pseudo.refine(
        student, lambda net: 0.0, lambda index, p: reported.append((index, p.argmax(1))) or []
    )
    assert len(lessons) == len(reported) == 2
    for index, labels in lessons + reported:
        p = scores.probabilities(student.net, domains.target.x[index])
        assert torch.equal(p.argmax(1), labels)
    assert all(len(index) == 300 == len(index.unique()) for index, _ in reported)


def test_a_batch_joins_target_pictures_with_their_labels(domains, teacher):
    """Every picture is of one grey, its number, which no shift changes; its label is known."""
    student = student_of(domains, teacher, pseudo.PseudoRecipe(batch_size=64))
    student.target = torch.arange(250, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 28, 28)
    index = torch.arange(240, 200, -1)
    x, y = student.batch(index, index % 10)
    assert len(x) == len(y) == 128
    numbers = (255 * x[64:, 0, 0, 0]).round().long()
    assert set(numbers.tolist()) <= set(index.tolist())
    assert torch.equal(y[64:], numbers % 10)


def test_the_pool_leaves_the_held_out_pictures_alone(domains, teacher):
    student = student_of(domains, teacher, pseudo.PseudoRecipe())
    usable = len(domains.target) - training.held_out(len(domains.target))
    assert sorted(student.pool().tolist()) == list(range(usable))


def test_pseudo_labels_use_no_target_label_and_report_each_round(domains, teacher):
    recipe = pseudo.PseudoRecipe(threshold=0.5, rounds=2, steps=10, batch_size=32, pool=300)
    shuffled = replace(domains, target=Digits(domains.target.x, domains.target.y.flip(0)))
    one, two = (study.teach_itself(d, recipe, teacher) for d in (domains, shuffled))
    assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)
    assert len(one.refined.rounds) == 2
    first = one.refined.rounds[0]
    assert [c.threshold for c in first.curve] == list(study.THRESHOLDS)
    assert first.kept == pytest.approx(first.curve[0].coverage)
    assert first.curve[0].precision > two.refined.rounds[0].curve[0].precision


def test_no_certain_prediction_leaves_the_network_as_it_was(domains):
    teacher = study.train(domains, replace(QUICK, steps=3), 0)
    recipe = pseudo.PseudoRecipe(threshold=1.1, rounds=2, steps=5)
    done = study.teach_itself(domains, recipe, teacher)
    assert [r.kept for r in done.refined.rounds] == [0, 0]
    assert all(torch.equal(done.state[name], teacher.state[name]) for name in teacher.state)


def test_neither_half_of_a_batch_comes_from_held_out_pictures(domains, teacher):
    """Held-out source pictures are white and all others black."""
    student = student_of(domains, teacher, pseudo.PseudoRecipe(augment="none"))
    x = torch.zeros_like(domains.source.x.contiguous())
    x[len(x) - training.held_out(len(x)) :] = 255
    student.source = (x, domains.source.y)
    index = torch.arange(200)
    for _ in range(20):
        assert student.batch(index, index % 10)[0][:64].max() == 0


@pytest.mark.parametrize("lam", [0.0, 0.6])
def test_the_adversary_goes_on_only_where_the_recipe_says(domains, teacher, lam):
    recipe = pseudo.PseudoRecipe(steps=2, batch_size=32, lam=lam, weight_decay=0.0)
    student = student_of(domains, teacher, recipe)
    before = training.copy_of(student.net)
    index = torch.arange(100)
    student.learn(index, domains.target.y[index])
    after = student.net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("label_head") for name in changed)
    assert any(name.startswith("domain_head") for name in changed) == (lam > 0)


def test_weights_give_every_digit_that_occurs_the_same_total():
    y = torch.tensor([0, 0, 0, 4, 4, 9])
    found = pseudo.weights(y)
    assert torch.allclose(found, torch.tensor([1, 1, 1, 1.5, 1.5, 3]) / 9)


def test_pseudo_labels_teach_what_the_teacher_did_not_know(domains):
    teacher = study.train(domains, replace(QUICK, steps=60, method="source_only"), 0)
    recipe = pseudo.PseudoRecipe(threshold=0.5, rounds=2, steps=40, batch_size=32, pool=800)
    pupil = study.teach_itself(domains, recipe, teacher)
    assert pupil.target_accuracy > teacher.target_accuracy
