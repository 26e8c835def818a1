"""Scores and channels before their last ReLU: the network's own, and never without slope."""

import numpy as np
import pytest
import torch

from practicals.classvis import ascent, atlas, rectifiers, study
from practicals.classvis.objectives import Score, outputs_of
from practicals.classvis.parameterisation import fourier, generators, squashed
from practicals.networks import backbones, training
from practicals.networks.gradients import input_gradient
from practicals.networks.zoo import UnknownName


def net_of(name):
    torch.manual_seed(0)
    return training.he_initialise(backbones.build(name)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def small():
    return net_of("smallvgg")


@pytest.fixture(scope="module")
def squeeze():
    net = net_of("squeezenet1_0")
    # One class is on everywhere, another nowhere: its score and its gradient are 0.
    net.steps.conv10.bias.data[:2] = torch.tensor([1e4, -1e4])
    return net


def test_the_score_is_the_mean_of_what_the_relu_receives(squeeze):
    x = torch.rand(2, 3, 64, 64)
    maps = squeeze.features(x, ["conv10"])["conv10"]
    free = rectifiers.unrectified(squeeze)
    torch.testing.assert_close(free(x), maps.mean((2, 3)))
    torch.testing.assert_close(squeeze(x), maps.relu().mean((2, 3)))
    assert squeeze.layers == free.layers and free.steps.conv10 is squeeze.steps.conv10
    assert isinstance(squeeze.steps.relu10, torch.nn.ReLU), "the caller's network keeps its ReLU"


def test_a_score_that_is_off_still_has_a_gradient(squeeze):
    x, y = torch.rand(2, 3, 64, 64), torch.tensor([1, 1])
    assert input_gradient(squeeze, x, y).abs().max() == 0
    free = rectifiers.unrectified(squeeze)
    assert (input_gradient(free, x, y).flatten(1).norm(dim=1) > 0).all()
    recipe = ascent.OLAH.but(steps=3, transforms=())
    found = study.climb(squeeze, recipe, (1, 1), (0, 1), 64)
    assert (found["values"][-1] > found["values"][0]).all()
    stuck = ascent.run(squeeze, Score((1, 1)), recipe, (0, 1), 64).values
    assert stuck.abs().max() == 0


def test_other_networks_come_back_as_they_are(small):
    plain = torch.nn.Linear(2, 2)
    assert rectifiers.unrectified(small) is small and rectifiers.unrectified(plain) is plain


def test_joined_branches_are_the_module_before_its_relu():
    net, x = net_of("googlenet"), torch.rand(2, 3, 64, 64)
    layers = rectifiers.before_relu(net, "i3b")
    assert len(layers) == 4
    found = outputs_of(rectifiers.up_to(net, "i3b"), x, layers)
    after = net.features(x, ["i3b"])["i3b"]
    joined = torch.cat([found[layer] for layer in layers], 1)
    torch.testing.assert_close(joined.relu(), after)
    goal = rectifiers.Joined(layers, (3, 400))
    torch.testing.assert_close(goal(found), joined[[0, 1], [3, 400]].mean((1, 2)))


def test_a_relus_layer_is_the_step_before(small):
    assert rectifiers.before_relu(small, "relu2_2") == ("conv2_2",)
    assert rectifiers.before_relu(small, "pool1") == ("pool1",)
    head = rectifiers.up_to(small, "relu2_2")
    assert head.layers[-1] == "relu2_2" and head.size == small.size
    with pytest.raises(UnknownName):
        rectifiers.up_to(small, "relu9_9")


def test_a_channel_that_is_off_climbs(small):
    """From a start at which the channel is off everywhere, with a ReLU nothing would move."""
    net = net_of("smallvgg")
    net.steps.conv1_2.bias.data[:] = -0.1
    x = torch.rand(3, 3, 16, 16)
    found = atlas.explore(net, "relu1_2", (1, 2, 5), ascent.OLAH.but(steps=20), x, 16)
    assert (found["values"][0] < 0).all()
    assert (found["values"][-1] > found["values"][0]).all() and found["values"].shape == (20, 3)


def test_every_layer_draws_channels_of_its_own(small):
    twins = [atlas.chosen(small, layer, 8, 0) for layer in ("relu4_1", "relu4_2")]
    assert twins[0] != twins[1] and len(set(twins[0])) == 8
    assert twins[0] == atlas.chosen(small, "relu4_1", 8, 0)


def test_pixels_start_from_the_same_pictures_as_waves():
    waves, pixels = (kind(generators((3, 4)), 12)[1]() for kind in (fourier, squashed))
    np.testing.assert_allclose(waves.detach(), pixels.detach(), atol=1e-6)
