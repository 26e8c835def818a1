"""Inception v3's trunk: shapes, pools that leave the padding out, folded batch norms."""

import pytest
import torch
from torch import nn
from torchvision.models import inception_v3

from practicals.networks import backbones
from practicals.networks.zoo import NETWORKS

FILE = "inception_v3-trunk.pth"
POOLING = ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e")


def normalised(net: nn.Module) -> nn.Module:
    """Give every batch norm statistics of its own."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.fixture(scope="module")
def whole():
    torch.manual_seed(0)
    return normalised(inception_v3(weights=None, aux_logits=False, init_weights=False))


@pytest.fixture(scope="module")
def net(whole):
    return backbones.from_state("inception_v3", whole.state_dict())


def test_sizes_at_299_pixels_are_the_papers(sizes):
    expected = {
        "Conv2d_1a_3x3": (32, 149, 149),
        "maxpool1": (64, 73, 73),
        "maxpool2": (192, 35, 35),
        "Mixed_5d": (288, 35, 35),
        "Mixed_6e": (768, 17, 17),
        "Mixed_7a": (1280, 8, 8),
        "pool": (1280,),
    }
    assert expected.items() <= sizes("inception_v3", 299).items()


def test_there_is_no_classifier():
    assert not NETWORKS["inception_v3"].classifies
    assert backbones.build("inception_v3", "meta").layers[-1] == "pool"


@pytest.mark.parametrize("layer", POOLING)
def test_average_pools_leave_the_padding_out(net, layer):
    """On equal pixels every mean is that value, so the pool's branch is even to the borders."""
    step = net.get_submodule(f"steps.{layer}")
    wide = next(m for m in step.modules() if isinstance(m, nn.Conv2d)).in_channels
    x = torch.rand(1, wide, 1, 1).expand(1, wide, 6, 7)
    branch = dict(step.named_modules())
    branch = next(module for name, module in branch.items() if name.endswith("branch_pool"))
    maps = step(x)[:, -branch.conv.out_channels :]
    assert maps.abs().sum() > 0
    torch.testing.assert_close(maps, maps[..., 3:4, 3:4].expand_as(maps))
    torch.testing.assert_close(maps[..., :1, :1], branch(x[..., :1, :1]))


def test_average_pools_divide_by_the_pixels_there(net):
    """Random maps: the sum over a window over the number of its pixels, and torchvision's rest."""
    step = net.steps.Mixed_5b
    x = torch.randn(2, 192, 5, 6)
    ones = torch.ones(1, 1, 3, 3)
    sums = nn.functional.conv2d(x.flatten(0, 1)[:, None], ones, padding=1).view_as(x)
    mean = sums / nn.functional.conv2d(torch.ones(1, 1, 5, 6), ones, padding=1)
    named = {name.split(".")[-1]: module for name, module in step.named_modules()}
    three = named["branch3x3dbl_3"](named["branch3x3dbl_2"](named["branch3x3dbl_1"](x)))
    five = named["branch5x5_2"](named["branch5x5_1"](x))
    parts = [named["branch1x1"](x), five, three, named["branch_pool"](mean)]
    torch.testing.assert_close(step(x), torch.cat(parts, 1), rtol=1e-4, atol=1e-5)


def test_strided_pools_and_the_stem_are_torchvisions(net, whole):
    """Up to Mixed_5b no average pool comes, so the answers agree; input is RGB in −1 … 1."""
    x = torch.rand(2, 3, 99, 83)
    with torch.no_grad():
        expected = 2 * x - 1
        for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1"):
            expected = getattr(whole, name)(expected)
        expected = whole.maxpool2(whole.Conv2d_4a_3x3(whole.Conv2d_3b_1x1(expected)))
        found = net.features(x, ["maxpool2"])["maxpool2"]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
        maps = torch.randn(1, 768, 9, 9)
        torch.testing.assert_close(
            net.steps.Mixed_7a(maps), whole.Mixed_7a(maps), rtol=1e-3, atol=1e-4
        )


def test_published_weights_are_complete_and_folded(needs):
    needs(FILE)
    net = backbones.load("inception_v3")
    assert net.covered == net.layers and net.source == FILE
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    kept = torch.load(backbones.fetch.locate(FILE), map_location="cpu", weights_only=True)
    first = net.steps.Conv2d_1a_3x3.conv
    torch.testing.assert_close(first.weight, kept["Conv2d_1a_3x3.conv.weight"].float())
    torch.testing.assert_close(first.bias, kept["Conv2d_1a_3x3.bn.bias"])


def test_published_weights_see_photographs(needs, samples):
    """A picture and its mirror image are nearer to each other than to any other picture."""
    needs(FILE)
    net, pixels = backbones.load("inception_v3"), samples[0][:8]
    with torch.inference_mode():
        x = backbones.as_input(net, torch.cat([pixels, pixels.flip(-1)]))
        features = net.features(x, ["pool"])["pool"]
    assert features.shape == (16, 1280) and (features >= 0).all()
    close = torch.cdist(*nn.functional.normalize(features).split(8))
    assert (close.argmin(1) == torch.arange(8)).all()
