"""The shared sweep against scikit-learn, fold by fold and C by C."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import LinearSVC

from practicals.transfer import classifiers
from practicals.transfer.classifiers import Search, Task

C_GRID = (0.01, 0.3, 10.0, 300.0)


@pytest.fixture(params=[(90, 20), (90, 200)], ids=["n>d", "n<d"])
def data(request):
    n, d = request.param
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n) % 3)
    X = rng.normal(size=(n, d)) + 0.5
    X[:, :3] += 1.2 * np.eye(3)[y]
    return X, y


def gram(X):
    return X @ X.T


def task_of(y):
    return Task(y, np.arange(60), np.arange(60, 90))


def scaled(X):
    """Return X divided as ``LeastSquares`` divides the Gram matrix."""
    return X / np.sqrt((X**2).sum(1).mean())


def test_held_out_scores_equal_refits(data):
    X, y = data
    folds = classifiers.folds_of(y, 5, 0)
    fit = classifiers.LeastSquares.factorise(gram(X), y)
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
    fit = classifiers.LeastSquares.factorise(gram(X[rest]), y[rest])
    scale = np.sqrt((X[rest] ** 2).sum(1).mean())
    for C in C_GRID:
        ridge = Ridge(alpha=1 / (2 * C)).fit(X[rest] / scale, classifiers.targets(y[rest], 3))
        np.testing.assert_allclose(
            fit.scores(C, X[test] @ X[rest].T), ridge.predict(X[test] / scale), atol=1e-6
        )


def test_evaluate_equals_grid_search(data):
    X, y = data
    rest, test = np.arange(60), np.arange(60, 90)
    K = classifiers.kernel(X)
    result = classifiers.evaluate(K, task_of(y), Search(C_GRID, folds=5, seed=0))
    scale = np.sqrt((X[rest] ** 2).sum(1).mean())
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    grid = {"alpha": [1 / (2 * C) for C in C_GRID]}
    search = GridSearchCV(RidgeClassifier(), grid, cv=split).fit(X[rest] / scale, y[rest])
    assert pytest.approx(search.best_params_["alpha"]) == 1 / (2 * result.C)
    assert result.cv_accuracy == pytest.approx(search.best_score_)
    np.testing.assert_array_equal(result.predicted, search.predict(X[test] / scale))


def test_repeats_average_over_divisions_into_folds(data):
    X, y = data
    K, task = classifiers.kernel(X), task_of(y)
    single = [classifiers.evaluate(K, task, Search(C_GRID, seed=s)).cv_path for s in (3, 4)]
    both = classifiers.evaluate(K, task, Search(C_GRID, repeats=2, seed=3)).cv_path
    np.testing.assert_allclose(both, np.mean(single, 0))


def test_evaluate_never_looks_at_test_labels(data):
    X, y = data
    K, test = classifiers.kernel(X), np.arange(60, 90)
    honest = classifiers.evaluate(K, task_of(y), Search(C_GRID))
    y_false = y.copy()
    y_false[test] = (y[test] + 1) % 3
    false = classifiers.evaluate(K, task_of(y_false), Search(C_GRID))
    np.testing.assert_array_equal(honest.predicted, false.predicted)
    assert (honest.C, honest.cv_accuracy) == (false.C, false.cv_accuracy)


def test_a_kernel_of_training_columns_gives_the_same_result(data):
    X, y = data
    task = Task(y, np.arange(1, 90, 2), np.arange(0, 90, 2))
    whole = classifiers.evaluate(classifiers.kernel(X), task, Search(C_GRID))
    narrow = classifiers.kernel(X, columns=task.train[::-1])
    assert narrow.products.shape == (90, 45)
    found = classifiers.evaluate(narrow, task, Search(C_GRID))
    np.testing.assert_allclose(found.scores, whole.scores, atol=1e-5)
    curved = [K.gaussian(0.5, task.train) for K in (narrow, classifiers.kernel(X))]
    np.testing.assert_allclose(curved[0].products, curved[1].products[:, task.train], atol=1e-6)


def test_a_sum_of_kernels_joins_features(data):
    X, _y = data
    half = X.shape[1] // 2
    both = classifiers.kernel(X[:, :half]) + classifiers.kernel(X[:, half:])
    np.testing.assert_allclose(both.products, gram(X), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(both.squares, (X**2).sum(1), rtol=1e-5)
    scaled_up = classifiers.kernel(3 * X).unit()
    assert scaled_up.squares.mean() == pytest.approx(1)
    np.testing.assert_allclose(scaled_up.products, classifiers.kernel(X).unit().products, atol=1e-5)
    with pytest.raises(ValueError, match="different columns"):
        classifiers.kernel(X) + classifiers.kernel(X, columns=np.arange(5))


def test_normalisations():
    X = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(classifiers.normalise(X, "l2"), [[0.6, -0.8], [0, 0]])
    root = classifiers.normalise(X, "power")[0]
    np.testing.assert_allclose(np.sign(root) * root**2 * 7, [3, -4])
    assert classifiers.normalise(X, "raw") is X
    with pytest.raises(ValueError, match="expected one of"):
        classifiers.normalise(X, "L2")


def test_rank_keeps_principal_components(data):
    X, y = data
    X = X - X.mean(0)
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    projected = gram(U[:, :5] * s[:5])
    full = classifiers.LeastSquares.factorise(gram(X), y, rank=5)
    small = classifiers.LeastSquares.factorise(projected, y)
    # C is relative to the mean diagonal, which the projection shrinks.
    ratio = np.trace(projected) / np.trace(gram(X))
    folds = classifiers.folds_of(y, 5, 0)
    np.testing.assert_allclose(
        full.cross_validate([1.0], folds), small.cross_validate([ratio], folds), atol=1e-8
    )


def test_gaussian_equals_scikit_learns(data):
    X, _ = data
    train = np.arange(60)
    mean = np.mean([((a - b) ** 2).sum() for a in X[train] for b in X[train]])
    found = classifiers.kernel(X).gaussian(0.5, train)
    np.testing.assert_allclose(found.products, rbf_kernel(X, gamma=0.5 / mean), atol=1e-4)
    assert (found.squares == 1).all()


def test_joined_equals_stacked_rows(data):
    X, _ = data
    half = X.shape[1] // 2
    blocks = [X[:, :half], X[:, half:]]
    for norm in classifiers.NORMS:
        stacked = np.hstack([classifiers.normalise(block, norm) for block in blocks])
        found = classifiers.joined(iter(blocks), norm).products
        np.testing.assert_allclose(found, gram(stacked), rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match="expected one of"):
        classifiers.joined(blocks, "L2")
    with pytest.raises(ValueError, match="at least one"):
        classifiers.joined([], "l2")


@pytest.mark.parametrize("C", [0.1, 3.0, 100.0])
def test_squared_hinge_is_at_its_minimum(data, C):
    """Where the gradient vanishes: weights are 2C times the violations, with sum zero."""
    X, y = data
    K = gram(scaled(X))
    fit = classifiers.squared_hinge(K, y, C)
    Y = classifiers.targets(y, 3)
    scores = K @ fit[:-1] + fit[-1]
    violations = np.maximum(0, 1 - Y * scores)
    np.testing.assert_allclose(fit[:-1], 2 * C * Y * violations, atol=1e-6 * C)
    np.testing.assert_allclose(fit[:-1].sum(0), 0, atol=1e-6 * C)


def test_evaluate_hinge_equals_a_grid_search_over_linear_svms(data):
    X, y = data
    task = task_of(y)
    found = classifiers.evaluate_hinge(classifiers.kernel(X), task, Search(C_GRID, seed=0), 0.3)
    Z = X / np.sqrt((X[:60] ** 2).sum(1).mean())
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    model = LinearSVC(dual=False, intercept_scaling=100, max_iter=10_000, tol=1e-8)
    search = GridSearchCV(model, {"C": [0.3, 10.0]}, cv=split).fit(Z[:60], y[:60])
    assert search.best_params_["C"] == found.C
    assert found.cv_accuracy == pytest.approx(search.best_score_, abs=0.02)
    assert (found.predicted == search.predict(Z[60:])).mean() >= 0.95
    assert found.accuracy == (found.predicted == y[60:]).mean()


def test_random_splits_are_balanced_disjoint_and_different():
    y = np.repeat(np.arange(4), 30)
    splits = classifiers.random_splits(y, 10, 5, seed=0)
    for task in splits:
        assert np.bincount(y[task.train]).tolist() == [10] * 4
        assert sorted([*task.train, *task.test]) == list(range(120))
    assert len({tuple(task.train) for task in splits}) == 5


def test_smaller_draws_lie_in_larger_ones_and_seeds_differ():
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(4), 30))
    small, large = (classifiers.draw(y, size, 3) for size in (4, 9))
    assert np.bincount(y[small]).tolist() == [4] * 4 and set(small) < set(large)
    assert not np.array_equal(large, classifiers.draw(y, 9, 4))
    np.testing.assert_array_equal(classifiers.draw(y, 99, 0), np.arange(120))
