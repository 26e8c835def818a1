"""TensorFlow's padding of strided convolutions, for the weights that were trained with it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import mobilenet_v2

from practicals.networks import backbones
from practicals.saliency.maps import affine_start

FILE = "mobilenet_v2-coral.pth"
STRIDED = ("features.0.0", "features.2.conv.1.0", "features.4.conv.1.0", "features.7.conv.1.0")
STRIDED = (*STRIDED, "features.14.conv.1.0")


def state_of(net: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in net.state_dict().items()}


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(0)
    net = mobilenet_v2(weights=None).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net


def padded_by_hand(net: nn.Module) -> nn.Module:
    """Return a copy of torchvision's network with explicit zeros in front of strided layers."""
    copy = mobilenet_v2(weights=None).eval()
    copy.load_state_dict(net.state_dict())
    for name in STRIDED:
        conv = copy.get_submodule(name)
        conv.padding = (0, 0)
        parent, _, place = name.rpartition(".")
        copy.get_submodule(parent)[int(place)] = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv)
    return copy


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference, in units of the largest number expected."""
    return float((found - expected).abs().max() / expected.abs().max())


def layer_outputs(net: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Return the output of every block of torchvision's network."""
    outputs = []
    with torch.no_grad():
        for block in net.features:
            outputs.append(x := block(x))
    return outputs


def strided_outputs(net: backbones.Backbone, x: torch.Tensor) -> dict[int, torch.Tensor]:
    """Return the outputs of the five strided blocks, by their place in the network."""
    layers = {0: "conv0"} | {i: f"block{i}" for i in (2, 4, 7, 14)}
    with torch.no_grad():
        maps = net.features(x, layers.values())
    return {i: maps[layer] for i, layer in layers.items()}


def test_strided_blocks_equal_explicit_zeros(plain):
    """Every strided layer meets an even side at 64 pixels; batch norms are folded."""
    net = backbones.from_state("mobilenet_v2", state_of(plain), FILE)
    x = torch.rand(2, 3, 64, 64)
    zeros = layer_outputs(padded_by_hand(plain), net.normalise(x))
    torchvisions = layer_outputs(plain, net.normalise(x))
    for place, maps in strided_outputs(net, x).items():
        assert difference(maps, zeros[place]) < 1e-4
        assert difference(maps, torchvisions[place]) > 1e-2, "the test could not tell them apart"


def test_other_weights_keep_torchvisions_padding(plain):
    net = backbones.from_state("mobilenet_v2", state_of(plain), "mobilenet_v2-b0353104.pth")
    x = torch.rand(1, 3, 64, 64)
    torchvisions = layer_outputs(plain, net.normalise(x))
    for place, maps in strided_outputs(net, x).items():
        assert difference(maps, torchvisions[place]) < 1e-4


def test_only_the_five_strided_layers_change(plain):
    with_it = backbones.from_state("mobilenet_v2", state_of(plain), FILE)
    without = backbones.from_state("mobilenet_v2", state_of(plain))
    kinds = [
        [type(m).__name__ for m in net.modules() if isinstance(m, nn.Conv2d)]
        for net in (with_it, without)
    ]
    assert sum(a != b for a, b in zip(*kinds, strict=True)) == 5
    assert with_it.layers == without.layers


def test_first_layer_is_still_the_affine_start(plain):
    """Its gradient, pulled back by hand, equals the one that autograd takes."""
    net = backbones.from_state("mobilenet_v2", state_of(plain), FILE)
    start = affine_start(net)
    assert start is not None and isinstance(start[-1], nn.Conv2d)
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    slopes = torch.randn(1, 32, 16, 16)
    (found,) = torch.autograd.grad((start(x) * slopes).sum(), x)
    conv = start[-1]
    back = F.conv_transpose2d(slopes, conv.weight, stride=2)[..., :32, :32]
    torch.testing.assert_close(found, back / net.normalise.std, rtol=1e-4, atol=1e-4)


def test_published_weights_gain_by_it(needs, recognised):
    """89 of 100 photographs with TensorFlow's padding, 78 with torchvision's."""
    needs(FILE)
    path = backbones.fetch.locate(FILE)
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {key: value.float() for key, value in state.items()}
    right = recognised(backbones.from_state("mobilenet_v2", dict(state), FILE))
    assert right >= 86
    assert right - recognised(backbones.from_state("mobilenet_v2", dict(state))) >= 5
