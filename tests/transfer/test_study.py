"""The chapter's jobs: what they depend on, and their parts put together by hand."""

import numpy as np
import pytest
import torch

from practicals import jobs
from practicals.data import images, pictures
from practicals.data.pictures import ImageSet
from practicals.networks import backbones
from practicals.transfer import classifiers, features, finetune, study
from practicals.transfer.classifiers import Search

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
    return X, (y, np.arange(60), np.arange(60, 90), SEARCH)


@pytest.mark.parametrize("view", ["crop", "whole", "mirror", "large"])
def test_bank_shows_the_pictures_as_asked(net, sets, view):
    found = study.bank(net, sets[0], view, 64, 80)
    transform = images.views(64, 80)[view]
    expected = features.extract(net, sets[0].images, transform, ["pool3"])["pool3"]
    assert tuple(found) == net.stages
    np.testing.assert_array_equal(found["pool3"], expected)


def test_a_result_is_kept_for_its_network_its_pictures_and_its_settings(net, sets, monkeypatch):
    calls = []
    extract = features.extract
    monkeypatch.setattr(features, "extract", lambda *a, **k: [calls.append(1), extract(*a, **k)][1])
    torch.manual_seed(1)
    other = backbones.build("smallvgg").eval().requires_grad_(False)
    first = jobs.once(study.bank, net, sets[0], "whole", 64, 80)
    again = jobs.once(study.bank, net, sets[0], "whole", 64, 80)
    np.testing.assert_array_equal(first["pool1"], again["pool1"])
    assert len(calls) == 1
    asked = [
        (other, sets[0], "whole", 64, 80),
        (net, sets[1], "whole", 64, 80),
        (net, sets[0], "mirror", 64, 80),
        (net, sets[0], "whole", 72, 80),
    ]
    for arguments in asked:
        jobs.once(study.bank, *arguments)
    assert len(calls) == 5


def test_coarse_pictures_have_lost_their_detail(net, sets):
    found = study.coarse(net, sets[0], "pool1", 16, 64)
    shrink = lambda image: images.squash(images.squash(image, 16), 64)  # noqa: E731
    blurred = [np.array(shrink(images.read(source))) for source in sets[0].images]
    expected = features.extract(net, blurred, lambda image: image, ["pool1"])["pool1"]
    np.testing.assert_array_equal(found, expected)


def test_layer_kernel_and_split_agree(task):
    X, (y, train, test, search) = task
    by_layer = study.evaluate_layer(y, train, test, search, X, "l2")
    K = classifiers.join([X], "l2", train)
    by_kernel = study.evaluate_kernel(y, train, test, search, K)
    np.testing.assert_array_equal(by_layer.scores, by_kernel.scores)
    curved = study.evaluate_kernel(y, train, test, search, K, width=0.5)
    by_hand = classifiers.evaluate(classifiers.rbf(K, 0.5, train), y, train, test, search)
    np.testing.assert_array_equal(curved.scores, by_hand.scores)
    for width, result in ((None, by_kernel), (0.5, curved)):
        accuracy = study.split_accuracy([X], y, "l2", width, search, train, test)
        assert accuracy == result.accuracy > 0.6
    assert study.evaluate_kernel(y, train, test, search, K, rank=1).accuracy < by_kernel.accuracy


def test_split_standardises_by_its_own_training_rows(task):
    X, (y, train, test, search) = task
    moved = X.copy()
    moved[test] *= 1 + np.arange(30)[:, None]
    K = classifiers.join([moved], "columns", train)
    expected = classifiers.evaluate(K, y, train, test, search).accuracy
    assert study.split_accuracy([moved], y, "columns", None, search, train, test) == expected


@pytest.mark.parametrize("kind", study.HEADS)
def test_heads_choose_c_on_training_samples_and_repeat(task, kind):
    X, (y, train, test, _) = task
    one, two = (study.fit_head(kind, X[train], y[train], X[test], SEARCH, 300) for _ in range(2))
    assert one.C in SEARCH.C_grid and one.C == two.C
    assert (one.predicted == y[test]).mean() > 0.6
    np.testing.assert_array_equal(one.predicted, two.predicted)


def test_svm_draws_from_the_seed_of_the_search(task, monkeypatch):
    """With more features than samples the solver picks coordinates at random."""
    X, (y, train, test, _) = task
    given, make = [], study.LinearSVC
    monkeypatch.setattr(study, "LinearSVC", lambda **k: [given.append(k), make(**k)][1])
    study.fit_head("svm", X[train], y[train], X[test], Search((1.0,), folds=3, seed=7))
    assert given == [{"random_state": 7}]


def test_unknown_head_is_refused(task):
    X, (y, train, test, _) = task
    with pytest.raises(ValueError, match="expected one of"):
        study.fit_head("forest", X[train], y[train], X[test], SEARCH)


def test_fine_tune_holds_a_fifth_of_the_training_pictures_out(net, sets, monkeypatch):
    train, test = sets
    plan = study.Plan(epochs=2, lrs=(0.01, 0.02), seeds=(0, 1, 2), seed=3)
    held = {}
    choose = finetune.choose_lr

    def spy(net, maps, y, held_out, *rest):
        held.update(maps=len(maps[0]), index=held_out, labels=y)
        return choose(net, maps, y, held_out, *rest)

    monkeypatch.setattr(finetune, "choose_lr", spy)
    found = study.fine_tune(net, train, test, 64, plan)
    assert held["maps"] == len(train) and held["labels"].tolist() == train.y.tolist()
    np.testing.assert_array_equal(held["index"], classifiers.folds_of(train.y, 5, 3)[0])
    assert found.scores.shape == (3, len(test), 3) and len(found.tries) == 2
    assert found.lr == plan.lrs[int(np.argmax(found.tries))]
    assert (found.scores < 0).all()
    assert len({run.tobytes() for run in found.scores}) == 3, "a seed each"


def test_from_scratch_watches_every_fifth_test_picture(sets):
    train, test = sets
    found = study.from_scratch("smallvgg", train, test, 64, epochs=2, seed=0)
    assert found.train.shape == found.watched.shape == (2,)
    assert round(found.watched[-1] * 4, 6) == round(found.watched[-1] * 4)
    again = study.from_scratch("smallvgg", train, test, 64, epochs=2, seed=0)
    assert found.accuracy == again.accuracy
    np.testing.assert_array_equal(found.train, again.train)


def test_pixels_are_the_whole_picture(sets):
    x = study.pixels(sets[0], 16)
    assert x.shape == (30, 3, 16, 16) and x.dtype == torch.uint8
    first = np.array(images.squash(images.read(sets[0].images[0]), 16))
    np.testing.assert_array_equal(x[0].permute(1, 2, 0), first)
