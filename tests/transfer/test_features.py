"""Features against plain forward passes, bit for bit where activations overwrite their input."""

import numpy as np
import pytest
import torch
from torch import nn

from practicals.data import images
from practicals.networks import backbones
from practicals.networks.zoo import NETWORKS
from practicals.transfer import features


def test_extract_equals_one_forward_pass(net, crop, photos):
    found = features.extract(net, photos, crop, ["pool2", "fc8"], batch_size=3)
    x = torch.stack([images.preprocess(photo, 64) for photo in photos])
    expected = net.features(x, ["pool2", "fc8"])
    np.testing.assert_allclose(found["pool2"], expected["pool2"].mean((2, 3)), atol=1e-5)
    np.testing.assert_allclose(found["fc8"], expected["fc8"], atol=1e-5)
    assert list(found) == ["pool2", "fc8"] and found["fc8"].dtype == np.float32


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_extract_keeps_the_order_whatever_the_batch(net, crop, photos, batch_size):
    found = features.extract(net, photos, crop, ["pool1"], batch_size=batch_size)["pool1"]
    alone = [features.extract(net, [photo], crop, ["pool1"])["pool1"][0] for photo in photos]
    np.testing.assert_allclose(found, np.stack(alone), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_overwriting_changes_no_bit_of_any_layer(name):
    """Every layer asked for, every second one, and the stages alone."""
    torch.manual_seed(0)
    net = backbones.build(name).eval()
    x = torch.rand(1, 3, 96, 96)
    expected = net.features(x, net.layers)
    for layers in (net.layers, net.layers[::2], net.layers[1::2], NETWORKS[name].stages):
        with features.overwriting(net, layers):
            found = net.features(x, layers)
        for layer in layers:
            assert torch.equal(found[layer], expected[layer]), layer


def test_overwriting_spares_what_was_asked_for_and_gives_the_network_back():
    net = backbones.build("vgg16", "meta")
    with pytest.raises(RuntimeError), features.overwriting(net, ["conv1_1", "relu1_2"]):
        assert not net.steps.relu1_1.inplace and net.steps.relu1_2.inplace
        raise RuntimeError
    assert not any(m.inplace for m in net.modules() if isinstance(m, nn.ReLU))


def test_a_pool_for_each_layer(net, crop, photos):
    pools = {"pool2": features.parts, "pool3": lambda maps: maps.amax((2, 3))}
    found = features.extract(net, photos, crop, pools, batch_size=3)
    assert found["pool2"].shape[:2] == (7, 6) and list(found) == ["pool2", "pool3"]
    x = torch.stack([images.preprocess(photo, 64) for photo in photos])
    expected = net.features(x, ["pool2", "pool3"])
    np.testing.assert_allclose(found["pool3"], expected["pool3"].amax((2, 3)), atol=1e-5)
    np.testing.assert_allclose(found["pool2"][:, 0], expected["pool2"].mean((2, 3)), atol=1e-5)


def test_parts_tell_left_from_right_and_above_from_below():
    maps = torch.zeros(1, 1, 4, 6)
    maps[..., :2, 3:] = 1  # the upper right quarter
    assert features.parts(maps)[0, :, 0].tolist() == pytest.approx(
        [0.25, 0.75**0.5 / 2, 0, 1, 0, 0]
    )


def test_average_leaves_vectors_alone():
    maps = torch.arange(24.0).view(1, 2, 3, 4)
    assert features.average(maps).tolist() == [[5.5, 17.5]]
    assert features.average(maps[..., 0, 0]) is not None
    assert torch.equal(features.average(maps[:, :, 0, 0]), maps[:, :, 0, 0])
