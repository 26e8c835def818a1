"""Bodies, heads, the reversal of a gradient, and batch norm by domain."""

import pytest
import torch

from practicals.adaptation import networks


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0, -1.0])
def test_reversal_is_the_identity_forward_and_minus_lambda_backward(lam):
    x = torch.randn(4, 3, requires_grad=True)
    y = networks.reverse_gradient(x, lam)
    assert torch.equal(x, y)
    (y**2).sum().backward()
    assert torch.allclose(x.grad, -lam * 2 * x.detach())


def test_the_paper_network_has_the_published_parameters():
    net = networks.AdaptationNet(networks.PAPER)
    counted = sum(p.numel() for p in net.parameters())
    convolutions = 3 * 25 * 32 + 32 + 32 * 25 * 48 + 48
    labels = 768 * 100 + 100 + 100 * 100 + 100 + 100 * 10 + 10
    assert counted == convolutions + labels + 768 * 100 + 100 + 100 + 1


@pytest.mark.parametrize("body", ["paper", "strided"])
@pytest.mark.parametrize("norm", networks.BATCH_NORMS)
def test_every_design_gives_ten_logits_and_one_domain(body, norm):
    net = networks.AdaptationNet(networks.Design(body, norm))
    features = net.features(torch.rand(6, 3, 28, 28))
    assert net.label_head(features).shape == (6, 10)
    assert net.domains(features, 1.0).shape == (6,)


@pytest.mark.parametrize("design", [networks.Design("papre"), networks.Design(batch_norm="both")])
def test_unknown_parts_of_a_design_are_refused(design):
    with pytest.raises(ValueError, match="expected one of"):
        networks.AdaptationNet(design)


def domain_batches():
    rng = torch.Generator().manual_seed(0)
    source = torch.randn(8, 5, 3, 3, generator=rng)
    return source, 4 + 3 * torch.randn(8, 5, 3, 3, generator=rng)


def test_joint_norm_is_ordinary_batch_norm():
    x = torch.cat(domain_batches())
    assert torch.allclose(networks.DomainNorm(5, "joint")(x), torch.nn.BatchNorm2d(5)(x))


@pytest.mark.parametrize("mode", ["separate", "own"])
def test_other_norms_normalise_each_domain_by_itself(mode):
    found = networks.DomainNorm(5, mode)(torch.cat(domain_batches()))
    for half in found.chunk(2):
        assert half.mean((0, 2, 3)).abs().max() < 1e-5
        assert (half.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-3


def test_separate_norm_is_two_passes_through_an_ordinary_layer():
    source, target = domain_batches()
    ours, plain = networks.DomainNorm(5, "separate"), torch.nn.BatchNorm2d(5)
    assert torch.allclose(
        ours(torch.cat([source, target])), torch.cat([plain(source), plain(target)])
    )
    assert torch.allclose(ours.running_mean, plain.running_mean)
    assert torch.allclose(ours.running_var, plain.running_var)


@pytest.mark.parametrize("side", [0, 1])
def test_own_norm_evaluates_each_domain_by_its_own_average(side):
    batches = domain_batches()
    ours, plain = networks.DomainNorm(5, "own"), torch.nn.BatchNorm2d(5)
    ours(torch.cat(batches))
    plain(batches[side])
    ours.side = ("source", "target")[side]
    assert torch.allclose(ours.eval()(batches[side]), plain.eval()(batches[side]), atol=1e-6)


def test_reading_the_source_is_undone_even_after_an_error():
    net = networks.AdaptationNet(networks.Design(batch_norm="own"))
    with pytest.raises(RuntimeError), net.reading("source"):
        assert net.body[1].side == "source"
        raise RuntimeError
    assert net.body[1].side == "target"


def test_standardised_pictures_forget_contrast_and_brightness():
    x = torch.rand(3, 3, 28, 28)
    assert torch.allclose(
        networks.standardise(x), networks.standardise(0.5 * x + 0.2), atol=0.05, rtol=0.05
    )


def test_an_edge_counts_alike_whether_ink_is_darker_or_brighter():
    """Without a mean to take away, the first layer's maps of x and of −x are the same."""
    body = networks.strided_body("none")[:3]
    torch.nn.init.zeros_(body[0].bias)
    x = torch.randn(4, 3, 28, 28)
    assert torch.allclose(body(x), body(-x), atol=1e-6)
    assert body(x).min() >= 0
