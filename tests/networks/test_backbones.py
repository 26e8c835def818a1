"""Networks by name: layers, partial weights, normalisation, clear errors."""

import os
import pickle

import pytest
import torch
from torchvision import models

from practicals.data import fetch
from practicals.networks import backbones
from practicals.networks.zoo import NETWORKS, UnknownName


def random_states(monkeypatch, name, keep=lambda key: True):
    """Let ``load`` find torchvision's own random weights for a network, or some of them."""
    torch.manual_seed(0)
    make = NETWORKS[name].make
    reference = make().eval()
    state = {k: v.clone() for k, v in reference.state_dict().items() if keep(k)}
    monkeypatch.setattr(backbones, "_state", lambda *_: (state, "a test file"))
    return reference


@pytest.mark.parametrize("name", ["squeezenet1_0", "mobilenet_v2"])
def test_logits_equal_torchvisions_on_normalised_input(monkeypatch, name):
    reference = random_states(monkeypatch, name)
    for module in reference.modules():  # statistics other than 0 and 1, so that fusing matters
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    monkeypatch.setattr(backbones, "_state", lambda *_: (reference.state_dict(), "a test file"))
    x = torch.rand(2, 3, 96, 96)
    normalised = models.SqueezeNet1_0_Weights.IMAGENET1K_V1.transforms()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (normalised.mean, normalised.std))
    with torch.no_grad():
        torch.testing.assert_close(
            backbones.load(name)(x), reference((x - mean) / std), rtol=1e-3, atol=1e-4
        )


def test_vgg16_layer_names_and_stop_early():
    net = backbones.build("vgg16")
    assert net.layers[:5] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")
    assert net.layers[-3:] == ("relu7", "drop7", "fc8") and "conv5_3" in net.layers
    ran = []
    for layer, step in net.steps.named_children():
        step.register_forward_hook(lambda *_, layer=layer: ran.append(layer))
    maps = net.features(torch.rand(1, 3, 32, 32), ["pool1", "relu1_1"])
    assert maps["relu1_1"].shape == (1, 64, 32, 32) and maps["pool1"].shape == (1, 64, 16, 16)
    assert ran[-1] == "pool1", "nothing behind the deepest layer may run"


def test_a_layer_is_not_overwritten_by_the_relu_behind_it():
    net = backbones.build("vgg16")
    maps = net.features(torch.rand(1, 3, 32, 32), ["conv1_1", "relu1_1"])
    assert (maps["conv1_1"] < 0).any()
    torch.testing.assert_close(maps["conv1_1"].relu(), maps["relu1_1"])


def test_partial_weights_serve_their_layers_and_no_others(monkeypatch):
    covered = ("features.0.", "features.2.", "features.5.", "features.7.")
    reference = random_states(monkeypatch, "vgg16", lambda key: key.startswith(covered))
    net = backbones.load("vgg16")
    assert net.covered[-1] == "pool2" and net.stages == ("pool1", "pool2")
    x = torch.rand(1, 3, 32, 32)
    expected = reference.features[:10](net.normalise(x))
    torch.testing.assert_close(net.features(x, ["pool2"])["pool2"], expected)
    with pytest.raises(backbones.MissingWeights, match=r"conv3_1.*528 MB.*make data NETS=vgg16"):
        net.features(x, ["conv3_1"])
    with pytest.raises(backbones.MissingWeights, match="fc8"):
        net(x)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UnknownName, match="'squeezenet1_0'"):
        backbones.load("squeezenet")
    net = backbones.build("squeezenet1_0", "meta")
    with pytest.raises(UnknownName, match="'fire9'"):
        net.features(torch.rand(1, 3, 8, 8), ["fire99"])


@pytest.mark.parametrize(
    "x", [torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.rand(3, 8, 8), torch.rand(1, 1, 8, 8)]
)
def test_wrong_input_is_explained(x):
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\] of shape"):
        backbones.build("squeezenet1_0", "meta")(x)


def test_foreign_state_dict_is_refused(monkeypatch):
    monkeypatch.setattr(backbones, "_state", lambda *_: ({"weight": torch.zeros(1)}, "other.pth"))
    with pytest.raises(ValueError, match=r"other\.pth is not a state dict of squeezenet1_0"):
        backbones.load("squeezenet1_0")


def test_loaded_networks_are_frozen_and_in_evaluation_mode(monkeypatch):
    random_states(monkeypatch, "squeezenet1_0")
    net = backbones.load("squeezenet1_0")
    assert not net.training and not any(p.requires_grad for p in net.parameters())


class Planted:
    """Makes a folder where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_weights_that_would_run_code_are_refused(monkeypatch, tmp_path):
    torch.save({"features.0.weight": Planted(tmp_path / "trace")}, tmp_path / "net.pth")
    monkeypatch.setattr(backbones.fetch, "locate_first", lambda names: tmp_path / "net.pth")
    with pytest.raises(pickle.UnpicklingError):
        backbones.load("mobilenet_v2")
    assert not (tmp_path / "trace").exists()
    torch.load(tmp_path / "net.pth", weights_only=False)
    assert (tmp_path / "trace").exists(), "the planted object does run where nothing refuses it"


def test_every_stage_is_a_layer():
    for name, known in NETWORKS.items():
        places = {*known.stages, known.cut, known.grad_cam}
        assert places <= set(backbones.build(name, "meta").layers)


@pytest.mark.parametrize("side", [224, 225, 96, 97])
def test_same_padding_is_tensorflows_on_even_and_odd_sides(side):
    conv = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
    plain = torch.nn.Conv2d(3, 4, 3, stride=2)
    plain.load_state_dict(conv.state_dict())
    backbones.pad_like_tensorflow(conv)
    x = torch.rand(1, 3, side, side + 1)
    pads = []
    for length in (side + 1, side):  # TensorFlow: as little as needed, the odd one behind
        total = max((-(-length // 2) - 1) * 2 + 3 - length, 0)
        pads += [total // 2, total - total // 2]
    torch.testing.assert_close(conv(x), plain(torch.nn.functional.pad(x, pads)))


def test_a_foreign_file_for_a_trunk_is_refused_and_a_whole_network_accepted():
    with pytest.raises(ValueError, match="not a state dict of inception_v3"):
        backbones.from_state("inception_v3", {"features.0.weight": torch.zeros(1)})
    whole = models.inception_v3(weights=None, aux_logits=True, init_weights=False)
    net = backbones.from_state("inception_v3", whole.state_dict())
    assert net.covered == net.layers


def test_a_network_without_any_weights_says_so():
    net = backbones.from_state("vgg16", {}, "an empty file")
    with pytest.raises(backbones.MissingWeights, match=r"an empty file has none of its layers"):
        net(torch.rand(1, 3, 32, 32))


@pytest.mark.skipif(
    not fetch.available("vgg16-oxford-trunk.pth"), reason="needs DATA_MIRROR with Oxford's trunk"
)
@pytest.mark.skipif(fetch.available("vgg16-397923af.pth"), reason="the complete VGG16 is here")
def test_oxfords_trunk_has_all_convolutions_and_pools_and_begins_with_the_first_blocks():
    net = backbones.load("vgg16")
    names = [f"conv{b}_{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)]
    assert {*names, *(f"pool{b}" for b in range(1, 6))} <= set(net.covered)
    x = torch.rand(1, 3, 32, 32)
    deepest = net.features(x, ["relu5_3"])["relu5_3"]
    assert deepest.shape == (1, 512, 2, 2) and deepest.std() > 0
    if fetch.available(backbones.FIRST_BLOCKS[1]):
        first = backbones.load("vgg16", backbones.FIRST_BLOCKS)
        assert first.covered[-1] == "pool3"
        a, b = (one.features(x, ["pool3"])["pool3"] for one in (net, first))
        torch.testing.assert_close(a, b, rtol=0, atol=2e-3 * float(b.abs().max()))
