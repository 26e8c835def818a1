"""Kept features: what each view shows, what is pooled, and a network cut to what has weights."""

import numpy as np
import pytest
import torch
from PIL import ImageOps
from torch import nn

from practicals.data import images, pictures
from practicals.data.pictures import ImageSet
from practicals.networks import backbones
from practicals.networks.zoo import NETWORKS
from practicals.transfer import banks, features
from provenance import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))


@pytest.fixture(scope="module")
def patches():
    (x, y, classes), _ = pictures.patches(pictures.GREY[:2], 3, 1, side=80)
    return ImageSet(list(x), y, classes)


@pytest.mark.parametrize("kind", banks.VIEWS)
def test_a_bank_shows_the_pictures_as_asked(net, patches, kind):
    def by_hand(image):
        if kind == "crop":
            return images.centre_crop(image, 64)
        if kind == "mirror":
            image = ImageOps.mirror(image)
        return images.squash(images.squash(image, 32) if kind == "coarse" else image, 64)

    found = banks.bank(net, patches, kind, 64)
    x = torch.stack([images.to_tensor(by_hand(images.read(p))) for p in patches.images]).float()
    expected = net.features(x / 255, net.stages)
    for layer in net.stages:
        mean = features.average(expected[layer])
        np.testing.assert_allclose(found.means[layer], mean, atol=2e-4, err_msg=layer)
    assert list(found.means) == [
        x for x in net.layers if x in net.stages or x == NETWORKS[net.name].grad_cam
    ]


def test_parts_are_deviation_and_quarters_in_reading_order(net, patches):
    found = banks.bank(net, patches, "whole", 64)
    assert tuple(found.parts) == ("pool1", "pool2", "pool3", "relu4_2")
    layer = "pool2"
    x = torch.stack([images.to_tensor(images.squash(images.read(p), 64)) for p in patches.images])
    maps = net.features(x.float() / 255, [layer])[layer].numpy()
    half = maps.shape[2] // 2
    quarters = [maps[..., :half, :half], maps[..., :half, half:], maps[..., half:, :half]]
    quarters.append(maps[..., half:, half:])
    np.testing.assert_allclose(found.parts[layer][:, 0], maps.std((2, 3)), atol=2e-3)
    for place, quarter in enumerate(quarters, 1):
        np.testing.assert_allclose(found.parts[layer][:, place], quarter.mean((2, 3)), atol=2e-3)


def test_shifted_sums_are_local_response_normalisation():
    for size, channels in ((5, 9), (3, 2), (5, 2)):
        known = nn.LocalResponseNorm(size, alpha=0.7, beta=0.75, k=1.5)
        x = 3 * torch.randn(2, channels, 4, 5)
        assert torch.allclose(banks._Response(known)(x), known(x), atol=1e-5)
    other = nn.LocalResponseNorm(3, alpha=0.7, beta=0.5, k=2.0)
    assert torch.allclose(banks._Response(other)(x), other(x), atol=1e-5)
    assert banks._Response(known)(x.bfloat16()).dtype == torch.bfloat16


def test_ready_keeps_only_layers_with_weights(monkeypatch):
    leading = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.randn(64)}
    part = backbones.from_state("vgg16", leading)
    asked = []
    monkeypatch.setattr(backbones, "load", lambda *names: asked.append(names) or part)
    net = banks.ready("vgg16", torch.float32)
    # Chapter 1 publishes numbers of the first three blocks, and no others until it is written anew.
    assert asked == [("vgg16", ("vgg16-397923af.pth", "vgg16-oxford-blocks123.pth"))]
    assert net.layers == part.covered and not banks.is_whole(net)
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(
        net.features(x, ["conv1_1"])["conv1_1"], part.steps.conv1_1(part.normalise(x))
    )


def test_collect_halves_the_side_of_a_part_and_leaves_out_strangers(net, patches, monkeypatch):
    views = [("smallvgg", "whole", 64), ("vgg16", "whole", 64), ("smallvgg", "crop", 64)]
    found = banks.collect({"smallvgg": net}, patches, views)
    assert list(found) == [views[0], views[2]]
    alone = cache.once(banks.bank, net, patches, "whole", 64)
    np.testing.assert_allclose(found[views[0]].means["fc8"], alone.means["fc8"], atol=1e-4)
    monkeypatch.setattr(banks, "is_whole", lambda net: False)
    assert list(banks.collect({"smallvgg": net}, patches, views[:1])) == [("smallvgg", "whole", 32)]


def test_grey_variants_differ_in_their_statistics_alone(net):
    x = torch.rand(2, 1, 64, 64).expand(-1, 3, -1, -1)
    made = banks.grey_variants(net)
    before = net.normalise.mean.clone()
    grey = (x - net.normalise.mean.mean()) / net.normalise.std.mean()
    expected = net.steps.conv1_1(grey)
    found = made["common"].features(x, ["conv1_1"])["conv1_1"]
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(made["none"].features(x, ["conv1_1"])["conv1_1"], net.steps.conv1_1(x))
    assert made["replicated"] is net and torch.equal(net.normalise.mean, before)
