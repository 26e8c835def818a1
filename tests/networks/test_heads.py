"""The kept heads for scenes: what they are made of, and what is refused."""

import os

import numpy as np
import pytest
import torch
from torch import nn

from practicals.networks import backbones, heads, zoo

CLASSES = [f"scene {i}" for i in range(15)]


class Planted:
    """Makes a folder where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A network with random weights, and a folder for a head of one's own."""
    torch.manual_seed(0)
    net = backbones.build("squeezenet1_0").eval()
    monkeypatch.setattr(backbones, "load", lambda name: net)
    monkeypatch.setattr(heads, "root", lambda: tmp_path)
    head = {"weight": torch.randn(15, 512), "bias": torch.randn(15), "classes": CLASSES}
    return net, head


def test_a_classifier_is_the_linear_head_on_the_average_of_the_last_maps(kept):
    net, head = kept
    heads.keep("squeezenet1_0", head)
    found = heads.load("squeezenet1_0")
    x = torch.rand(2, 3, 96, 64)
    with torch.no_grad():
        last = net.features(x, ["fire9"])["fire9"]
        expected = last.mean((2, 3)) @ head["weight"].T + head["bias"]
        torch.testing.assert_close(found(x), expected, rtol=1e-4, atol=1e-4)
    # What chapters ask of a network holds: the last maps, the ends of its stages, its layers.
    assert zoo.NETWORKS["squeezenet1_0"].grad_cam == "fire9" and found.stages[-1] == "fire9"
    maps = found.features(x, ["fire9", "scenes"])
    torch.testing.assert_close(maps["fire9"], last)
    assert found.layers[-3:] == ("fire9", "average", "scenes") and found.covered == found.layers
    assert not found.training and not any(p.requires_grad for p in found.parameters())
    assert heads.facts("squeezenet1_0")["classes"] == CLASSES


def test_what_is_absent_or_of_another_network_is_named(kept):
    _, head = kept
    with pytest.raises(
        heads.MissingHead, match=r"scenes-squeezenet1_0\.pt is not in .*make models"
    ):
        heads.load("squeezenet1_0")
    heads.keep("squeezenet1_0", head | {"weight": torch.randn(15, 100)})
    with pytest.raises(heads.MissingHead, match=r"holds \(15, 100\) and .* take \(15, 512\)"):
        heads.load("squeezenet1_0")
    heads.keep("squeezenet1_0", head | {"bias": torch.randn(14)})
    with pytest.raises(heads.MissingHead, match=r"and \(14,\), but 15 classes"):
        heads.load("squeezenet1_0")
    heads.keep("squeezenet1_0", {"state": torch.zeros(3)})
    with pytest.raises(heads.MissingHead, match="holds no head"):
        heads.load("squeezenet1_0")
    with pytest.raises(zoo.UnknownName, match="Did you mean 'vgg16'"):
        heads.load("vgg61")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"text"])
def test_a_damaged_head_is_named(kept, damage):
    heads.keep("squeezenet1_0", kept[1])
    path = heads.path_of("squeezenet1_0")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(heads.MissingHead, match=r"is damaged .*make models"):
        heads.load("squeezenet1_0")


def test_a_head_that_would_run_code_is_refused(kept, tmp_path):
    trace = tmp_path / "trace"
    heads.keep("squeezenet1_0", kept[1] | {"classes": Planted(trace)})
    with pytest.raises(heads.MissingHead, match="is damaged"):
        heads.load("squeezenet1_0")
    assert not trace.exists()


@pytest.mark.parametrize("name", heads.KEPT)
def test_the_kept_heads_know_fifteen_scenes_and_are_small(name):
    found = heads.facts(name)
    assert len(found["classes"]) == len(set(found["classes"])) == 15
    assert found["weight"].shape[0] == found["bias"].shape[0] == 15
    assert found["weight"].isfinite().all() and 0.8 < found["test"] < 1
    assert heads.path_of(name).stat().st_size < 200_000


@pytest.mark.parametrize("name", heads.KEPT)
def test_a_kept_head_reads_scenes_as_well_as_its_file_says(name, needs):
    """Thirty test pictures a network: the share right is that of the file within chance."""
    needs("15-Scene", *[f for f in zoo.NETWORKS[name].weights if "b66b" not in f][1:2])
    from practicals.data import images, pictures

    _, test = pictures.scene15()
    test = test.subset(np.random.default_rng(1).permutation(2985)[:30])
    x = torch.stack([images.to_tensor(images.squash(images.read(p), 224)) for p in test.images])
    net = heads.load(name)
    with torch.no_grad():
        right = (net(x.float() / 255).argmax(1).numpy() == test.y).mean()
    # Of 30 pictures with a rate of .88, fewer than 20 are right once in 10,000 times.
    assert right >= 20 / 30
    assert isinstance(net.steps.scenes, nn.Linear)
