"""Training of the heads for scenes, on features that are known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from practicals.transfer import heads


def features(noise, seed=0):
    """Return features (150, 6) of three classes that overlap by ``noise``, far from unit size."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(3), 50)
    return 40 * (np.eye(6)[y] + noise * rng.standard_normal((150, 6))), y


def test_a_head_is_the_logistic_regression_of_the_best_c():
    X, y = features(0.6)
    head = heads.fit(X, y)
    scale = np.sqrt((X**2).sum(1).mean())
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = {
        C: cross_val_score(LogisticRegression(C=C, max_iter=5000), X / scale, y, cv=folds).mean()
        for C in heads.GRID
    }
    assert head["cross_validation"] == pytest.approx(max(scores.values()))
    assert scores[head["C"]] == max(scores.values())
    plain = LogisticRegression(C=head["C"], max_iter=5000).fit(X / scale, y)
    ours = X @ head["weight"].numpy().T + head["bias"].numpy()
    np.testing.assert_allclose(ours, plain.decision_function(X / scale), rtol=1e-3, atol=1e-3)


def test_a_best_c_at_the_end_of_the_grid_is_refused():
    X, y = features(0.8)
    with pytest.raises(ValueError, match="end of the grid"):
        heads.fit(X, y, (1e-6, 1e-5))
