"""The chapter's jobs: what they depend on, and their parts put together by hand."""

import numpy as np
import pytest

from practicals.data import pictures
from practicals.data.pictures import ImageSet
from practicals.transfer import classifiers, finetune, study
from practicals.transfer.classifiers import Search, Task

SEARCH = Search((0.1, 1.0, 10.0), folds=3)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))


@pytest.fixture(scope="module")
def sets():
    """Training and test patches of three photographs."""
    (x, y, classes), (x_test, y_test, _) = pictures.patches(pictures.GREY[:3], 10, 6, side=64)
    return ImageSet(list(x), y, classes), ImageSet(list(x_test), y_test, classes)


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 8)).astype(np.float32) + 2 * np.eye(8, dtype=np.float32)[y]
    return X, Task(y, np.arange(60), np.arange(60, 90))


def test_a_layer_is_judged_by_its_normalised_features(task):
    X, of = task
    found = study.evaluate_layer(of, SEARCH, X, "l2")
    rows = X / np.linalg.norm(X, axis=1, keepdims=True)
    by_hand = classifiers.evaluate(classifiers.kernel(rows), of, SEARCH)
    np.testing.assert_allclose(found.scores, by_hand.scores, atol=1e-5)
    assert found.accuracy > 0.6


def test_a_split_chooses_inside_itself(task):
    X, of = task
    noise = np.random.default_rng(1).normal(size=(90, 8)).astype(np.float32)
    kernels = {"noise": classifiers.kernel(noise), "signal": classifiers.kernel(X, "l2")}
    found = study.choose_on_split(kernels, (0.5,), SEARCH, of)
    tries = {
        "signal": classifiers.evaluate(kernels["signal"], of, SEARCH),
        "signal, Gaussian 0.5": classifiers.evaluate(
            kernels["signal"].gaussian(0.5, of.train), of, SEARCH
        ),
    }
    best = max(tries, key=lambda name: tries[name].cv_accuracy)
    assert found.setting == best and found.accuracy == tries[best].accuracy
    lying = Task(np.r_[of.y[:60], (of.y[60:] + 1) % 3], of.train, of.test)
    assert study.choose_on_split(kernels, (0.5,), SEARCH, lying).setting == best


def test_a_subset_trains_on_so_many_of_each_class(task, monkeypatch):
    X, of = task
    K, seen = classifiers.kernel(X), []
    evaluate = classifiers.evaluate
    monkeypatch.setattr(classifiers, "evaluate", lambda *a: [seen.append(a), evaluate(*a)][1])
    study.subset_accuracy(K, of, SEARCH, 2, seed=1)
    _, given, search = seen[0]
    assert np.bincount(of.y[given.train]).tolist() == [2, 2, 2] and set(given.train) <= set(
        of.train
    )
    assert search.folds == 2 and np.array_equal(given.test, of.test)


@pytest.mark.parametrize("kind", study.HEADS)
def test_heads_choose_c_on_training_samples_and_repeat(task, kind):
    X, of = task
    y, train, test = of.y, of.train, of.test
    one, two = (study.fit_head(kind, X[train], y[train], X[test], SEARCH, 300) for _ in range(2))
    assert one.C in SEARCH.C_grid and one.C == two.C
    assert (one.predicted == y[test]).mean() > 0.6
    np.testing.assert_array_equal(one.predicted, two.predicted)


def test_svm_draws_from_the_seed_of_the_search(task, monkeypatch):
    """With more features than samples the solver picks coordinates at random."""
    X, of = task
    y, train, test = of.y, of.train, of.test
    given, make = [], study.LinearSVC
    monkeypatch.setattr(study, "LinearSVC", lambda **k: [given.append(k), make(**k)][1])
    study.fit_head("svm", X[train], y[train], X[test], Search((1.0,), folds=3, seed=7))
    assert given == [{"random_state": 7}]


def test_unknown_head_is_refused(task):
    X, of = task
    y, train, test = of.y, of.train, of.test
    with pytest.raises(ValueError, match="expected one of"):
        study.fit_head("forest", X[train], y[train], X[test], SEARCH)


def test_fine_tune_holds_a_fifth_of_the_training_pictures_out(net, sets, monkeypatch):
    train, test = sets
    plan = study.Plan(epochs=2, lrs=(0.01, 0.02), seeds=(0, 1, 2), seed=3)
    held = {}
    choose = finetune.choose_lr

    def spy(net, maps, y, held_out, *rest):
        held.update(maps=len(maps), index=held_out, labels=y)
        return choose(net, maps, y, held_out, *rest)

    fit_tail, seeds = finetune.fit_tail, []
    monkeypatch.setattr(finetune, "choose_lr", spy)
    monkeypatch.setattr(finetune, "fit_tail", lambda *a: [seeds.append(a[-1]), fit_tail(*a)][1])
    found = study.fine_tune(net, train, test, 64, plan)
    assert held["maps"] == len(train) and held["labels"].tolist() == train.y.tolist()
    np.testing.assert_array_equal(held["index"], classifiers.folds_of(train.y, 5, 3)[0])
    assert found.scores.shape == (3, len(test), 3) and len(found.tries) == 2
    assert found.lr == plan.lrs[int(np.argmax(found.tries))]
    assert (found.scores < 0).all()
    assert seeds == [3, 3, 0, 1, 2], "two step sizes, then a run for each seed"


def test_multiply_adds_of_vgg16_are_the_published_ones():
    assert round(study.multiply_adds("vgg16", 224) / 1e9, 2) == 15.47
    conv = 64 * 64 * 9 * 3 * 16  # conv1_1 of the small VGG, whose first block has 16 maps
    assert study.multiply_adds("smallvgg", 64) > conv


def test_digits_are_balanced_and_disjoint():
    train, test = study.digit_sets(False, 5, seed=0)
    assert np.bincount(train.y).tolist() == [5] * 10 and np.bincount(test.y).tolist() == [10] * 10
    shown = {image.tobytes() for image in train.images}
    assert not shown & {image.tobytes() for image in test.images}
