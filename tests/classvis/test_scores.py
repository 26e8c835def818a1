"""Scores against closed forms."""

import numpy as np
import pytest
import torch
from torch import nn

from practicals.classvis import scores


def ramp(height=6, width=10):
    """A picture whose pixels grow by 0.05 per column and by 0.02 per row."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (0.02 * y + 0.05 * x).float().expand(1, 3, height, width)


def test_total_variation_of_a_ramp_a_constant_and_a_chessboard():
    np.testing.assert_allclose(scores.total_variation(ramp()), [0.05 + 0.02], rtol=1e-5)
    assert scores.total_variation(torch.full((2, 3, 5, 5), 0.3)).tolist() == [0, 0]
    board = (torch.arange(6)[:, None] + torch.arange(6)) % 2
    assert scores.total_variation(board.float().expand(1, 3, 6, 6)).tolist() == [2]


def test_clipped_share_counts_black_and_white():
    x = torch.full((2, 3, 2, 5), 0.5)
    x[0, :, 0, :2], x[0, :, 1, 0], x[1, 0] = 0.0, 1.0, 1.0
    np.testing.assert_allclose(scores.clipped_share(x), [0.3, 1 / 3])
    edge = torch.full((1, 3, 1, 2), 1.5 / 255)
    assert scores.clipped_share(edge).tolist() == [0]


def test_distance_is_a_root_mean_square():
    a = torch.zeros(2, 3, 4, 4)
    b = a.clone()
    b[0] += 0.2
    b[1, :, :2] += 0.4
    np.testing.assert_allclose(scores.distance(a, b), [0.2, 0.4 / 2**0.5], rtol=1e-6)
    with pytest.raises(ValueError, match="equal shapes"):
        scores.distance(a, b[:1])


@pytest.mark.parametrize("cycles", [1, 3, 5, 7])
def test_high_frequencies_of_single_waves(cycles):
    x = torch.arange(16.0)
    wave = 0.5 + 0.3 * torch.cos(2 * torch.pi * cycles * x / 16).expand(1, 3, 16, 16)
    assert scores.high_frequencies(wave)[0] == pytest.approx(float(cycles / 16 > 0.25), abs=1e-5)


def test_high_frequencies_of_a_mixture_and_of_nothing():
    x = torch.arange(16.0)
    slow, fast = (torch.cos(2 * torch.pi * k * x / 16) for k in (2, 6))
    mixed = (0.5 + 0.1 * slow + 0.2 * fast).expand(1, 3, 16, 16)
    assert scores.high_frequencies(mixed)[0] == pytest.approx(0.8, abs=1e-4)
    assert scores.high_frequencies(torch.full((1, 3, 8, 8), 0.5)).tolist() == [0]


class Fixed(nn.Module):
    """A network whose scores are the mean colour's multiples: 0·m, 1·m, …"""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, x):
        return x.mean((1, 2, 3))[:, None] * self.weights


def test_judged_gives_probability_and_top_five():
    net, x = Fixed([0.0, 1, 2, 3, 4, 5, 6]), torch.full((2, 3, 4, 4), 0.5)
    found = scores.judged(net, x, torch.tensor([6, 1]))
    expected = np.exp(0.5 * np.arange(7)) / np.exp(0.5 * np.arange(7)).sum()
    np.testing.assert_allclose(found["probability"], expected[[6, 1]], rtol=1e-5)
    assert found["hit"].tolist() == [1, 0]
    assert scores.judged(net, x, torch.tensor([2, 1]))["hit"].tolist() == [1, 0], "rank 5 counts"


def test_ties_count_against_the_class():
    found = scores.judged(Fixed([0.0] * 6), torch.rand(1, 3, 4, 4), torch.tensor([0]))
    assert found["hit"].tolist() == [0]


def test_pictures_can_be_enlarged_for_the_judge():
    seen = []

    class Looks(Fixed):
        def forward(self, x):
            seen.append(tuple(x.shape))
            return super().forward(x)

    scores.judged(Looks([0.0, 1.0]), torch.rand(1, 3, 4, 4), torch.tensor([0]), side=9)
    assert seen == [(1, 3, 9, 9)]


@pytest.mark.parametrize("x", [torch.rand(3, 4, 4), torch.zeros(1, 3, 4, 4).long(),
                               torch.full((1, 3, 4, 4), float("nan"))])  # fmt: skip
def test_bad_pictures_are_refused(x):
    for score in (scores.total_variation, scores.clipped_share, scores.high_frequencies):
        with pytest.raises(ValueError, match="finite float pictures"):
            score(x)


def test_measured_names_every_score():
    x = torch.rand(2, 3, 6, 6)
    found = scores.measured(x, x)
    assert set(found) == {"variation", "clipped", "distance", "fast"}
    assert all(values.shape == (2,) for values in found.values())
    assert found["distance"].tolist() == [0, 0]
