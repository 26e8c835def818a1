"""Two networks climbed at once: their scores and their gradients add."""

import pytest
import torch
from torch import nn

from practicals.classvis import ascent
from practicals.classvis.objectives import Score
from practicals.classvis.together import Together
from practicals.networks import backbones, training
from practicals.networks.gradients import input_gradient

SHORT = ascent.PUBLISHED.but(steps=4)


@pytest.fixture(scope="module")
def pair():
    nets = []
    for seed in (0, 5):
        torch.manual_seed(seed)
        nets.append(
            training.he_initialise(backbones.build("smallvgg")).eval().requires_grad_(False)
        )
    return nets


@pytest.fixture(scope="module")
def x():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_scores_and_gradients_add(pair, x):
    one, two, y = *pair, torch.tensor([1, 4])
    both = Together(pair)
    assert torch.allclose(both(x), one(x) + two(x), atol=1e-5)
    slopes = [input_gradient(net, x, y) for net in (one, two, both)]
    assert torch.allclose(slopes[2], slopes[0] + slopes[1], atol=1e-5)
    assert not torch.allclose(slopes[2], slopes[0], atol=1e-3)


def test_alone_a_network_climbs_as_before(pair):
    alone = [pair[0], Together(pair[:1])]
    runs = [ascent.run(net, Score((2, 3)), SHORT, (0, 1), 32) for net in alone]
    assert torch.equal(runs[0].pictures, runs[1].pictures)


def test_the_sum_ends_higher_than_where_one_network_is_climbed(pair):
    recipe, both = ascent.OLAH.but(steps=25), Together(pair)
    ends = [ascent.run(net, Score((2,)), recipe, (0,), 32).pictures for net in (both, *pair)]
    sums = [both(end)[0, 2].item() for end in ends]
    assert sums[0] > max(sums[1:])


def test_a_score_behind_a_relu_is_climbed_before_it():
    squeeze = backbones.build("squeezenet1_0").eval().requires_grad_(False)
    steps = dict(Together([squeeze]).nets[0].steps.named_children())
    assert isinstance(steps[squeeze.layers[-2]], nn.Identity)


def test_networks_that_do_not_fit_are_refused(pair, x):
    with pytest.raises(ValueError, match="at least one"):
        Together([])
    other = backbones.build("squeezenet1_0").eval()
    with pytest.raises(ValueError, match="same classes"):
        Together([pair[0], other])(x)
