"""Features, tails and the training loop on small random networks."""

import numpy as np
import pytest
import torch
from torch import nn

from practicals import backbones, features, finetune, images, profile, training


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return backbones.build("smallvgg").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (70, 80, 3)).astype(np.uint8) for _ in range(7)]


def crop(image):
    return images.centre_crop(image, 64)


def test_extract_equals_one_forward_pass(net, pictures):
    found = features.extract(net, pictures, crop, ["pool2", "fc8"], batch_size=3)
    x = torch.stack([images.preprocess(p, 64) for p in pictures])
    expected = net.features(x, ["pool2", "fc8"])
    np.testing.assert_allclose(found["pool2"], expected["pool2"].mean((2, 3)), atol=1e-5)
    np.testing.assert_allclose(found["fc8"], expected["fc8"], atol=1e-5)


def test_tail_starts_at_equal_probabilities_and_leaves_the_network_alone(net):
    before = {k: v.clone() for k, v in net.state_dict().items()}
    maps = torch.randn(2, 40, 48, 8, 8).relu()
    y = torch.arange(40) % 4
    fresh = finetune.tail(net, "pool3", 4)
    assert torch.equal(fresh(maps[0]), torch.zeros(40, 4))
    head, history = finetune.fit_tail(net, maps, y, 4, epochs=12, lr=0.02, seed=0)
    assert history[-1].loss < history[0].loss
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not any(p.requires_grad for p in net.parameters())
    again, _ = finetune.fit_tail(net, maps, y, 4, epochs=12, lr=0.02, seed=0)
    torch.testing.assert_close(finetune.tail_scores(head, maps), finetune.tail_scores(again, maps))


def test_choose_lr_sees_held_out_pictures_only_to_compare(net):
    maps = torch.randn(2, 40, 48, 8, 8, generator=torch.Generator().manual_seed(0)).relu()
    y, held = torch.arange(40) % 2, np.arange(0, 40, 5)
    maps[:, y == 1, :8] += 2
    lr, accuracies = finetune.choose_lr(net, maps, y, held, (1e-6, 0.1), epochs=12, seed=0)
    assert lr == 0.1 and accuracies[1] > accuracies[0]


@pytest.mark.parametrize("name", ["squeezenet1_0", "mobilenet_v2"])
def test_tail_continues_where_the_trunk_ends(name):
    net = backbones.build(name).eval()
    maps = net.features(torch.rand(2, 3, 64, 64), [finetune.CUT[name]])[finetune.CUT[name]]
    head = finetune.tail(net, finetune.CUT[name], 15).eval()
    assert head(maps).shape == (2, 15)
    names = [n for n, _ in head.named_parameters()]
    assert sum(p.requires_grad for p in head.parameters()) == len(names)
    nn.init.normal_(list(head.parameters())[-2])
    assert (head(maps) < 0).any(), "no ReLU may follow the new layer"


def test_tail_of_an_unknown_layer(net):
    with pytest.raises(backbones.UnknownName, match="'pool3'"):
        finetune.tail(net, "pol3", 4)


def test_scratch_architecture_equals_vgg16_on_one_by_one_maps():
    """At 32 pixels the averaged network is VGG16 itself with fc6's 49 copies added up."""
    torch.manual_seed(0)
    small = finetune.from_scratch("vgg16", 15).eval()
    assert small(torch.rand(1, 3, 32, 32)).shape == (1, 15)
    full = backbones.build("vgg16").eval()
    for layer, step in full.steps.named_children():
        if layer not in ("flatten", "fc6", "fc8"):
            step.load_state_dict(small.get_submodule(layer).state_dict())
    wide = small.fc6.weight / 49
    full.steps.fc6.weight.data = wide.repeat_interleave(49, 1)
    full.steps.fc6.bias.data = small.fc6.bias.data
    x = torch.rand(2, 3, 32, 32)
    expected = full.features(x, ["relu7"])["relu7"]
    h = x
    for layer, step in small.named_children():
        h = step(h)
        if layer == "relu7":
            break
    torch.testing.assert_close(h, expected, rtol=1e-3, atol=1e-4)


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


def test_unknown_profile_suggests_the_nearest(monkeypatch):
    monkeypatch.setenv("PROFILE", "ful")
    with pytest.raises(profile.UnknownProfile, match="'full'"):
        profile.current()
    monkeypatch.delenv("PROFILE")
    assert profile.current().name == "sample"
