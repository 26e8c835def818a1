"""Tails of small random networks, and the choice of their step size."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from practicals.networks import backbones, training
from practicals.networks.zoo import NETWORKS, UnknownName
from practicals.transfer import finetune


@pytest.fixture
def constant(monkeypatch):
    """A training in place of ``fit_tail`` that answers the class at the place of its step size."""

    def learn(net, maps, y, classes, epochs, lr, seed):
        return lambda x: nn.functional.one_hot(torch.full((len(x),), int(lr)), classes).float()

    monkeypatch.setattr(finetune, "fit_tail", learn)
    monkeypatch.setattr(finetune, "tail_scores", lambda head, maps: head(maps))


def test_maps_hold_every_picture(net, crop, photos):
    maps = finetune.maps_at(net, photos, crop, "pool2", batch_size=3)
    x = torch.stack([torch.from_numpy(np.array(crop(p))) for p in map(Image.fromarray, photos)])
    expected = net.features(x.permute(0, 3, 1, 2).float() / 255, ["pool2"])["pool2"]
    torch.testing.assert_close(maps.float(), expected, rtol=1e-2, atol=1e-2)
    assert maps.dtype == torch.float16


def test_tail_starts_at_equal_probabilities_and_leaves_the_network_alone(net):
    before = {k: v.clone() for k, v in net.state_dict().items()}
    maps = torch.randn(40, 48, 8, 8).relu()
    y = torch.arange(40) % 4
    maps[y == 1, :8] += 2
    fresh = finetune.tail(net, "pool3", 4)
    assert torch.equal(fresh(maps), torch.zeros(40, 4))
    head, again = (finetune.fit_tail(net, maps, y, 4, epochs=12, lr=0.02, seed=0) for _ in "ab")
    right = finetune.tail_scores(head, maps).argmax(1) == y
    assert right[y == 1].float().mean() > 0.8
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not any(p.requires_grad for p in net.parameters())
    torch.testing.assert_close(finetune.tail_scores(head, maps), finetune.tail_scores(again, maps))
    logs = finetune.tail_scores(head, maps).exp().sum(1)
    torch.testing.assert_close(logs, torch.ones(40))


def test_choose_lr_prefers_the_step_size_that_learns():
    torch.manual_seed(0)
    net = training.he_initialise(backbones.build("smallvgg")).eval()
    maps = torch.randn(40, 48, 8, 8, generator=torch.Generator().manual_seed(0)).relu()
    y, held = torch.arange(40) % 2, np.arange(0, 40, 5)
    maps[y == 1, :8] += 2
    lr, accuracies = finetune.choose_lr(net, maps, y, held, (1e-6, 0.1), epochs=12, seed=0)
    assert lr == 0.1 and accuracies[1] > accuracies[0]


def test_choose_lr_trains_on_the_rest_and_compares_on_the_held_out(net, monkeypatch):
    """Which pictures go where: every map holds its own number."""
    maps = torch.arange(40.0).view(40, 1)
    y, held = torch.arange(40) % 4, np.arange(0, 40, 5)
    seen = {"trained": [], "compared": []}

    def learn(net, maps, y, *rest):
        assert torch.equal(y, maps[:, 0].long() % 4)
        seen["trained"].append(maps[:, 0].tolist())
        return None

    def judge(head, maps):
        seen["compared"].append(maps[:, 0].tolist())
        return torch.zeros(len(maps), 4)

    monkeypatch.setattr(finetune, "fit_tail", learn)
    monkeypatch.setattr(finetune, "tail_scores", judge)
    finetune.choose_lr(net, maps, y, held, (0.1, 0.2), epochs=1, seed=0)
    assert seen["compared"] == [held.tolist()] * 2
    assert seen["trained"] == [[i for i in range(40) if i % 5]] * 2


def test_choose_lr_takes_what_is_best_on_held_out_pictures_alone(net, constant):
    """Class 1 is rare where one trains and frequent where one compares."""
    held = np.arange(30, 40)
    y = torch.tensor([0] * 28 + [1] * 2 + [0] * 2 + [1] * 8)
    lr, accuracies = finetune.choose_lr(net, torch.zeros(40, 1), y, held, (0.0, 1.0), 1, 0)
    assert lr == 1.0 and accuracies == pytest.approx([0.2, 0.8])


@pytest.mark.parametrize("name", ["squeezenet1_0", "mobilenet_v2"])
def test_tail_continues_where_the_trunk_ends(name):
    net = backbones.build(name).eval()
    cut = NETWORKS[name].cut
    maps = net.features(torch.rand(2, 3, 64, 64), [cut])[cut]
    head = finetune.tail(net, cut, 15).eval()
    assert head(maps).shape == (2, 15)
    names = [n for n, _ in head.named_parameters()]
    assert sum(p.requires_grad for p in head.parameters()) == len(names)
    nn.init.normal_(list(head.parameters())[-2])
    assert (head(maps) < 0).any(), "no ReLU may follow the new layer"


@pytest.mark.parametrize(
    ("name", "removed"),
    [("smallvgg", 0), ("vgg16", 0), ("squeezenet1_0", 1), ("mobilenet_v2", 0), ("googlenet", 0)],
)
def test_tail_loses_the_relu_behind_its_new_layer_and_no_other(name, removed):
    net = backbones.build(name, "meta")
    cut = NETWORKS[name].cut
    behind = list(net.steps)[net.layers.index(cut) + 1 :]
    rectifiers = lambda parts: sum(  # noqa: E731
        isinstance(module, (nn.ReLU, nn.ReLU6)) for part in parts for module in part.modules()
    )
    head = finetune.tail(backbones.build(name), cut, 15)
    assert rectifiers(head) == rectifiers(behind) - removed


def test_tail_of_an_unknown_layer(net):
    with pytest.raises(UnknownName, match="'pool3'"):
        finetune.tail(net, "pol3", 4)


def test_a_network_without_classifier_is_refused():
    with pytest.raises(ValueError, match="inception_v3 has no classifier"):
        finetune.tail(backbones.build("inception_v3", "meta"), "Mixed_6e", 15)
