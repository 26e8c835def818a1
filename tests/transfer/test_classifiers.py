"""The shared sweep against scikit-learn, fold by fold and C by C."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from practicals.transfer import classifiers
from practicals.transfer.classifiers import Search

C_GRID = (0.01, 0.3, 10.0, 300.0)


@pytest.fixture(params=[(90, 20), (90, 200)], ids=["n>d", "n<d"])
def data(request):
    n, d = request.param
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n) % 3)
    X = rng.normal(size=(n, d)) + 0.5
    X[:, :3] += 1.2 * np.eye(3)[y]
    return X, y


def scaled(X):
    """Return X divided as ``LeastSquares`` divides the Gram matrix."""
    return X / np.sqrt((X**2).sum(1).mean())


def test_held_out_scores_equal_refits(data):
    X, y = data
    folds = classifiers.folds_of(y, 5, 0)
    fit = classifiers.LeastSquares.factorise(classifiers.gram(X), y)
    found = fit.cross_validate(C_GRID, folds)
    Y = classifiers.targets(y, 3)
    for i, C in enumerate(C_GRID):
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(y)), fold)
            refit = Ridge(alpha=1 / (2 * C)).fit(scaled(X)[rest], Y[rest])
            np.testing.assert_allclose(found[i, fold], refit.predict(scaled(X)[fold]), atol=1e-6)


def test_test_scores_equal_ridge(data):
    X, y = data
    rest, test = np.arange(60), np.arange(60, 90)
    fit = classifiers.LeastSquares.factorise(classifiers.gram(X[rest]), y[rest])
    scale = np.sqrt((X[rest] ** 2).sum(1).mean())
    for C in C_GRID:
        ridge = Ridge(alpha=1 / (2 * C)).fit(X[rest] / scale, classifiers.targets(y[rest], 3))
        np.testing.assert_allclose(
            fit.scores(C, X[test] @ X[rest].T), ridge.predict(X[test] / scale), atol=1e-6
        )


def test_evaluate_equals_grid_search(data):
    X, y = data
    rest, test = np.arange(60), np.arange(60, 90)
    result = classifiers.evaluate(
        classifiers.gram(X), y, rest, test, Search(C_GRID, folds=5, seed=0)
    )
    scale = np.sqrt((X[rest] ** 2).sum(1).mean())
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    grid = {"alpha": [1 / (2 * C) for C in C_GRID]}
    search = GridSearchCV(RidgeClassifier(), grid, cv=split).fit(X[rest] / scale, y[rest])
    assert pytest.approx(search.best_params_["alpha"]) == 1 / (2 * result.C)
    assert result.cv_accuracy == pytest.approx(search.best_score_)
    np.testing.assert_array_equal(result.predicted, search.predict(X[test] / scale))


def test_repeats_average_over_divisions_into_folds(data):
    X, y = data
    rest, test, K = np.arange(60), np.arange(60, 90), classifiers.gram(X)
    single = [
        classifiers.evaluate(K, y, rest, test, Search(C_GRID, seed=seed)).cv_path for seed in (3, 4)
    ]
    both = classifiers.evaluate(K, y, rest, test, Search(C_GRID, repeats=2, seed=3)).cv_path
    np.testing.assert_allclose(both, np.mean(single, 0))


def test_evaluate_never_looks_at_test_labels(data):
    X, y = data
    rest, test = np.arange(60), np.arange(60, 90)
    honest = classifiers.evaluate(classifiers.gram(X), y, rest, test, Search(C_GRID))
    y_false = y.copy()
    y_false[test] = (y[test] + 1) % 3
    false = classifiers.evaluate(classifiers.gram(X), y_false, rest, test, Search(C_GRID))
    np.testing.assert_array_equal(honest.predicted, false.predicted)
    assert (honest.C, honest.cv_accuracy) == (false.C, false.cv_accuracy)


def test_sum_of_gram_matrices_joins_features(data):
    X, _y = data
    half = X.shape[1] // 2
    np.testing.assert_allclose(
        classifiers.gram(X[:, :half]) + classifiers.gram(X[:, half:]),
        classifiers.gram(X),
        atol=1e-9,
    )


def test_normalisations():
    X = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(classifiers.normalise(X, "l2"), [[0.6, -0.8], [0, 0]])
    root = classifiers.normalise(X, "sqrt")[0]
    np.testing.assert_allclose(np.sign(root) * root**2 * 7, [3, -4])
    assert classifiers.normalise(X, "raw") is X
    with pytest.raises(ValueError, match="expected one of"):
        classifiers.normalise(X, "L2")


def test_rank_keeps_principal_components(data):
    X, y = data
    X = X - X.mean(0)
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    projected = classifiers.gram(U[:, :5] * s[:5])
    full = classifiers.LeastSquares.factorise(classifiers.gram(X), y, rank=5)
    small = classifiers.LeastSquares.factorise(projected, y)
    # C is relative to the mean diagonal, which the projection shrinks.
    ratio = np.trace(projected) / np.trace(classifiers.gram(X))
    folds = classifiers.folds_of(y, 5, 0)
    np.testing.assert_allclose(
        full.cross_validate([1.0], folds), small.cross_validate([ratio], folds), atol=1e-8
    )


def test_rbf_equals_scikit_learns(data):
    X, _ = data
    train = np.arange(60)
    mean = np.mean([((a - b) ** 2).sum() for a in X[train] for b in X[train]])
    np.testing.assert_allclose(
        classifiers.rbf(classifiers.gram(X), 0.5, train), rbf_kernel(X, gamma=0.5 / mean), atol=1e-9
    )


def test_join_equals_stacked_columns(data):
    X, _ = data
    train, half = np.arange(60), X.shape[1] // 2
    blocks = [X[:, :half], X[:, half:]]
    for norm in classifiers.JOINS:
        by_hand = [classifiers.standardise(b, train) if norm == "columns" else b for b in blocks]
        rows = [classifiers.normalise(b, "sqrt" if norm == "sqrt" else "l2") for b in by_hand]
        stacked = classifiers.gram(np.hstack(rows))
        np.testing.assert_allclose(classifiers.join(blocks, norm, train), stacked, atol=1e-9)
    with pytest.raises(ValueError, match="expected one of"):
        classifiers.join(blocks, "raw", train)


def test_standardise_uses_training_rows_only(data):
    X, _ = data
    train = np.arange(60)
    Z = classifiers.standardise(X, train)
    np.testing.assert_allclose(Z[train].mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(Z[train].std(0), 1, atol=1e-4)
    moved = X.copy()
    moved[60:] += 9
    np.testing.assert_array_equal(classifiers.standardise(moved, train)[train], Z[train])


def test_random_splits_are_balanced_disjoint_and_different():
    y = np.repeat(np.arange(4), 30)
    splits = classifiers.random_splits(y, 10, 5, seed=0)
    for train, test in splits:
        assert np.bincount(y[train]).tolist() == [10] * 4
        assert sorted([*train, *test]) == list(range(120))
    assert len({tuple(train) for train, _ in splits}) == 5
