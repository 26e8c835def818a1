"""Shapes, conditions and initialisation of the networks, against what they stand for."""

import pytest
import torch
from tests.gan.small import TINY
from torch.nn import functional as F

from practicals.gan.networks import Design, build, parameters


@pytest.mark.parametrize("z", [1, 2, 100])
@pytest.mark.parametrize("condition", ["none", "generator", "both"])
def test_pictures_have_their_shape_and_range(z, condition):
    G, D = build(Design(2, 3, z, condition), seed=0)
    y = torch.arange(6) % 10
    x = G(torch.randn(6, z), y)
    assert x.shape == (6, 1, 32, 32) and x.abs().max() <= 1
    assert D(x, y).shape == (6,)


def test_at_width_64_the_sizes_are_those_of_dcgan():
    G, D = build(Design(64, 64), seed=0)
    # Transposed convolutions 100 → 256 → 128 → 64 → 1 and back, no biases but batch norm's.
    convolutions = 16 * (256 * 128 + 128 * 64 + 64)
    assert parameters(G) == 16 * 100 * 256 + convolutions + 2 * (256 + 128 + 64)
    assert parameters(D) == 16 * 256 + convolutions + 2 * (256 + 128)


def test_weights_are_drawn_as_in_dcgan_or_as_by_torch():
    G, D = build(Design(16, 16), seed=0)
    assert G.project.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert D.body[1].weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert D.body[2].weight.mean().item() == pytest.approx(1, abs=0.02)
    plain = build(Design(16, 16, init="torch"), seed=0)[0]
    assert plain.project.weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.03)


def test_the_embedding_in_g_is_a_one_hot_class_beside_z():
    G, _ = build(Design(2, 2, 5, "both"), seed=0)
    z, y = torch.randn(7, 5), torch.tensor([3, 1, 4, 1, 5, 9, 2])
    weights = torch.cat([G.project.weight, G.embed.weight.T], 1)
    beside = torch.cat([z, F.one_hot(y, 10).float()], 1) @ weights.T
    assert torch.allclose(beside, G.project(z) + G.embed(y), atol=1e-6)


def test_the_embedding_in_d_is_one_hot_planes_but_for_the_border():
    _, D = build(Design(2, 3, 5, "both"), seed=0)
    x, y = torch.randn(4, 1, 32, 32), torch.tensor([3, 1, 0, 9])
    planes = F.one_hot(y, 10).float()[:, :, None, None].expand(-1, -1, 32, 32)
    # Each class's number, shared out over the 16 taps of the kernel.
    taps = D.embed.weight.T[:, :, None, None].expand(-1, -1, 4, 4) / 16
    both = F.conv2d(torch.cat([x, planes], 1), torch.cat([D.first.weight, taps], 1), None, 2, 1)
    ours = D.first(x) + D.embed(y)[:, :, None, None]
    assert torch.allclose(both[..., 1:-1, 1:-1], ours[..., 1:-1, 1:-1], atol=1e-5)


def test_the_class_matters_only_to_those_who_see_it():
    z, x = torch.randn(4, 5), torch.randn(4, 1, 32, 32)
    y, other = torch.arange(4), torch.arange(4) + 1
    for condition, in_g, in_d in (("none", 0, 0), ("generator", 1, 0), ("both", 1, 1)):
        G, D = build(Design(2, 2, 5, condition), seed=0)
        assert torch.equal(G(z, y), G(z, other)) != in_g
        assert torch.equal(D(x, y), D(x, other)) != in_d


def test_a_class_that_is_absent_is_asked_for():
    G, D = build(Design(2, 2, 5, "both"), seed=0)
    with pytest.raises(ValueError, match="conditional"):
        G(torch.randn(2, 5))
    with pytest.raises(ValueError, match="sees the class"):
        D(torch.randn(2, 1, 32, 32))


def test_spectral_norm_bounds_every_layer_of_d():
    D = build(Design(4, 4, 5, spectral=True), seed=0)[1]
    D.train()
    for _ in range(30):
        D(torch.randn(4, 1, 32, 32))
    D.eval()
    for layer in (D.first, D.body[1], D.body[4], D.last):
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
        assert largest.item() == pytest.approx(1, rel=0.05)
    assert not any("BatchNorm" in type(m).__name__ for m in D.modules())


def test_a_seed_decides_the_weights_and_leaves_the_callers_chance_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a, b, c = (build(TINY, seed)[0].project.weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize(
    "wrong", [{"condition": "some"}, {"init": "he"}, {"z": 0}, {"generator_width": 0}]
)
def test_designs_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Design(**wrong)
