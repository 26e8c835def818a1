"""Scores of predictions and of the distance between two domains."""

import math

import pytest
import torch

from practicals.adaptation import scores


def test_information_is_zero_for_one_class_and_highest_for_sure_and_varied_predictions():
    sure = torch.eye(10).repeat(5, 1)
    assert scores.information(sure) == pytest.approx(math.log(10), rel=1e-5)
    assert scores.information(sure[:1].expand(50, -1)) == pytest.approx(0, abs=1e-6)
    assert scores.information(torch.full((50, 10), 0.1)) == pytest.approx(0, abs=1e-6)
    assert scores.negative_entropy(sure[:1].expand(50, -1)) == pytest.approx(0, abs=1e-6)


def test_neighbourhood_density_is_higher_for_tight_clusters():
    rng = torch.Generator().manual_seed(0)
    scattered = torch.rand(200, 10, generator=rng).pow(4)
    scattered = scattered / scattered.sum(1, keepdim=True)
    clustered = torch.eye(10).repeat(20, 1)
    density = scores.neighbourhood_density
    assert density(clustered) == pytest.approx(math.log(19), rel=1e-3)
    assert density(clustered) > density(scattered)


def test_a_distance_is_small_for_one_distribution_and_two_for_separate_ones():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1600, 8, generator=rng)
    assert scores.proxy_a_distance(x[:800], x[800:]) < 0.35
    assert scores.proxy_a_distance(x[:800], x[800:] + 8) == pytest.approx(2)


def test_a_distance_is_measured_on_the_half_that_did_not_train():
    """So few points in so many dimensions are told apart where they train, and nowhere else."""
    x = torch.randn(400, 2000, generator=torch.Generator().manual_seed(0))
    assert scores.proxy_a_distance(x[:200], x[200:]) < 0.5


def test_confidence_curve_by_hand():
    p = torch.full((4, 10), 0.01)
    p[[0, 1, 2, 3], [0, 1, 2, 3]] = torch.tensor([0.99, 0.9, 0.8, 0.3])
    curve = scores.confidence_curve(p, torch.tensor([0, 1, 9, 9]), (0.2, 0.85, 0.95, 1.0))
    assert [c.coverage for c in curve] == [1, 0.5, 0.25, 0]
    assert [c.precision for c in curve[:3]] == [0.5, 1, 1] and math.isnan(curve[3].precision)


def test_accuracy_per_class_by_hand():
    y = torch.arange(10).repeat(2)
    predicted = y.clone()
    predicted[0] = 5
    assert scores.per_class(predicted, y).tolist() == [0.5] + [1.0] * 9
