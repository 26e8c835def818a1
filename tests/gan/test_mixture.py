"""The game in the plane: D* and the divergence in closed form, and what training finds."""

import math

import numpy as np
import pytest
import torch

from practicals.gan import mixture
from practicals.gan.mixture import Mixture
from practicals.gan.training import discriminator_loss

ONE = Mixture(((0.0, 0.0),), 1.0)


def shifted(d, sigma=1.0):
    return Mixture(((d, 0.0),), sigma)


def test_a_density_sums_to_one_and_is_the_gaussians():
    x = mixture.plane(8, 401)
    density = mixture.ring().log_density(x).exp().sum() * (16 / 400) ** 2
    assert density == pytest.approx(1, abs=1e-6)
    at_centre = ONE.log_density(torch.zeros(1, 2)).exp()
    assert at_centre.item() == pytest.approx(1 / (2 * math.pi))


def test_the_best_d_of_two_gaussians_is_a_straight_line():
    x = torch.randn(50, 2, dtype=torch.float64)
    expected = 3.0**2 / 2 - 3.0 * x[:, 0]
    assert torch.allclose(mixture.best_logit(ONE, shifted(3.0), x), expected)
    assert torch.allclose(mixture.best_logit(ONE, ONE, x), torch.zeros(50, dtype=torch.float64))


def test_the_divergence_lies_between_nothing_and_log_two():
    assert mixture.jensen_shannon(ONE, ONE) == pytest.approx(0, abs=1e-12)
    apart = mixture.jensen_shannon(shifted(-4, 0.3), shifted(4, 0.3))
    assert apart == pytest.approx(math.log(2), rel=1e-6)


def test_the_loss_of_the_best_d_is_the_divergence():
    p, q = mixture.ring(4), Mixture(((0.0, 0.0),), 1.5)
    expected = 2 * math.log(2) - 2 * mixture.jensen_shannon(p, q)
    rng = torch.Generator().manual_seed(0)
    logits = [mixture.best_logit(p, q, m.draw(200_000, rng).double()) for m in (p, q)]
    assert discriminator_loss(*logits).item() == pytest.approx(expected, abs=0.005)


def test_a_trained_d_comes_near_the_best_one():
    found = mixture.train_d(shifted(-1), shifted(1), 150, 0)
    exact = mixture.jensen_shannon(shifted(-1), shifted(1))
    assert found["jsd"] == pytest.approx(exact, abs=0.02)
    near = np.abs(mixture.plane().numpy()).max(1) < 2
    gap = 1 / (1 + np.exp(-found["trained"])) - 1 / (1 + np.exp(-found["best"]))
    assert np.abs(gap[near]).mean() < 0.04


def test_the_saturating_pull_vanishes_with_distance_and_the_other_grows():
    far, near = 12.0, 1.0
    assert mixture.pull(far, "saturating") < 1e-6 < mixture.pull(near, "saturating")
    assert mixture.pull(far, "non-saturating") == pytest.approx(far, rel=1e-3)
    # At no distance D* is 1/2 everywhere, and there is nowhere to go.
    assert mixture.pull(0.0, "saturating") == mixture.pull(0.0, "non-saturating") == 0


def test_a_game_is_reproducible_and_its_points_have_modes():
    a, b = (mixture.play(mixture.ring(), 4, "non-saturating", 0) for _ in range(2))
    assert np.array_equal(a["points"], b["points"])
    assert a["mode"].shape == (2000,) and set(a["mode"]) <= set(range(8)) and 0 <= a["near"] <= 1


def test_the_entropy_of_modes():
    assert mixture.entropy_of(np.arange(8), 8) == pytest.approx(math.log(8))
    assert mixture.entropy_of(np.zeros(5, int), 8) == 0
