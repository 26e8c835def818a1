"""The one training loop, on toys whose answer is known."""

import pytest
import torch
from torch import nn

from practicals.networks import smallvgg, training


def test_fit_learns_reports_and_repeats():
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 3
    x = torch.randn(120, 5, generator=rng) + 3 * nn.functional.one_hot(y, 5)

    def run():
        torch.manual_seed(1)
        net = nn.Linear(5, 3)
        return net, training.fit(net, x, y, 20, 0.1, 16, seed=0, validation=(x, y))

    (net, history), (_, again) = run(), run()
    assert history == again and len(history) == 20
    assert history[-1].validation_accuracy == training.accuracy(net, x, y) > 0.9
    assert not net.training


def test_fit_moves_only_what_requires_a_gradient():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    net[0].requires_grad_(False)
    frozen = net[0].weight.clone()
    training.fit(net, torch.randn(20, 4), torch.arange(20) % 2, 2, 0.1, 10, seed=0)
    assert torch.equal(frozen, net[0].weight)


def test_scores_restore_the_training_flag_after_an_exception():
    net = nn.Linear(3, 2).train()
    with pytest.raises(RuntimeError):
        training.scores(net, torch.randn(2, 4))
    assert net.training


def test_flip_and_shift_keeps_shape_range_and_content():
    x = torch.rand(6, 3, 16, 16)
    moved = training.flip_and_shift(x, torch.Generator().manual_seed(0))
    assert moved.shape == x.shape and moved.min() >= 0 and moved.max() <= 1
    pixels = (255 * x).byte()
    assert training.flip_and_shift(pixels, torch.Generator().manual_seed(0)).max() <= 1


def test_another_seed_trains_another_small_network_on_other_patches():
    (x, y), (other, labels) = (smallvgg.photographs(2, seed) for seed in (0, 1))
    assert y.tolist() == labels.tolist() and not torch.equal(x, other)
    states = [smallvgg.train(2, 1, seed)["features.0.weight"] for seed in (0, 1, 1)]
    assert torch.equal(states[1], states[2]) and not torch.equal(states[0], states[1])
