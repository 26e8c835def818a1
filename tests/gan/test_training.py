"""Losses at known logits, what a step moves, and runs that stop and go on."""

import math

import numpy as np
import pytest
import torch
from tests.gan.small import digits, recipe
from torch.nn import functional as F

from practicals.gan import training
from practicals.gan.training import Gan, discriminator_loss, generator_loss


def test_losses_at_known_logits():
    zero = torch.zeros(4)
    assert discriminator_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert generator_loss(zero).item() == pytest.approx(math.log(2))
    assert generator_loss(zero, "saturating").item() == pytest.approx(-math.log(2))
    real, fake = torch.tensor([math.log(3.0)]), torch.tensor([math.log(1 / 4)])
    # D(x) = 3/4 and D(G(z)) = 1/5.
    assert discriminator_loss(real, fake).item() == pytest.approx(
        -math.log(3 / 4) - math.log(4 / 5)
    )
    assert generator_loss(fake).item() == pytest.approx(-math.log(1 / 5))
    assert generator_loss(fake, "saturating").item() == pytest.approx(math.log(4 / 5))


def test_losses_are_cross_entropies_and_never_overflow():
    real, fake = torch.randn(50), torch.randn(50)
    bce = F.binary_cross_entropy_with_logits
    expected = bce(real, torch.full((50,), 0.9)) + bce(fake, torch.zeros(50))
    assert torch.allclose(discriminator_loss(real, fake, 0.9), expected, atol=1e-6)
    assert torch.allclose(generator_loss(fake), bce(fake, torch.ones(50)), atol=1e-6)
    far = torch.tensor([-1e4, 1e4])
    assert discriminator_loss(far, far).isfinite() and generator_loss(far).isfinite()


@pytest.mark.parametrize("logit", [-20.0, -5.0, 0.0, 5.0])
def test_the_saturating_gradient_is_d_and_the_other_one_minus_d(logit):
    slopes = {}
    for kind in training.LOSSES:
        x = torch.tensor([logit], requires_grad=True)
        generator_loss(x, kind).backward()
        slopes[kind] = -x.grad.item()
    d = 1 / (1 + math.exp(-logit))
    assert slopes["saturating"] == pytest.approx(d, rel=1e-4)
    assert slopes["non-saturating"] == pytest.approx(1 - d, rel=1e-4)
    if logit == -20.0:
        assert slopes["saturating"] < 1e-8 and slopes["non-saturating"] > 0.99


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@pytest.mark.parametrize("trains, moved", [("both", (1, 1)), ("G", (1, 0)), ("D", (0, 1))])
def test_only_what_is_trained_moves(trains, moved):
    gan, (x, y) = Gan(recipe(trains=trains), 0), digits()
    before = weights(gan.G), weights(gan.D)
    training.train(gan, x, y, range(2), 0)
    after = weights(gan.G), weights(gan.D)
    assert tuple(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) == moved


def test_a_step_is_pytorchs_own_written_out():
    gan, other, (x, y) = Gan(recipe(), 3), Gan(recipe(), 3), digits(8)
    pixels, bce = training.as_input(x), F.binary_cross_entropy_with_logits
    found = training.step(gan, pixels.clone(), y)
    fake = other.G(other.noise(8))
    other.adam_d.zero_grad()
    real_logits, fake_logits = other.D(pixels), other.D(fake.detach())
    loss_d = bce(real_logits, torch.ones(8)) + bce(fake_logits, torch.zeros(8))
    loss_d.backward()
    other.adam_d.step()
    other.adam_g.zero_grad()
    loss_g = bce(other.D(fake), torch.ones(8))
    loss_g.backward()
    other.adam_g.step()
    assert torch.allclose(weights(gan.G), weights(other.G), atol=1e-7)
    assert torch.allclose(weights(gan.D), weights(other.D), atol=1e-7)
    named = dict(zip(training.RECORDS, found.tolist(), strict=True))
    assert named["loss_d"] == pytest.approx(loss_d.item(), rel=1e-5)
    assert named["loss_g"] == pytest.approx(loss_g.item(), rel=1e-5)
    assert named["d_real"] == pytest.approx(real_logits.sigmoid().mean().item(), rel=1e-5)
    assert named["d_fake"] == pytest.approx(fake_logits.sigmoid().mean().item(), rel=1e-5)
    norm = torch.cat([p.grad.flatten() for p in other.G.parameters()]).norm().item()
    assert named["gradient_g"] == pytest.approx(norm, rel=1e-4)


def test_the_r1_penalty_is_the_squared_slope():
    flat, (x, y) = {"batch_norm": False, "init": "torch"}, digits(8)
    real, slopes = training.as_input(x), []
    for gamma in (3.0, 0.0):
        gan = Gan(recipe(r1=gamma, design=flat, trains="G"), 0)
        training.update_d(gan, real.clone(), torch.zeros(8, 1, 32, 32), y)
        slopes.append(gan.D.first.weight.grad[0, 0, 1, 1].item())
    penalties = []
    for change in (1e-6, -1e-6):  # the derivative of the penalty by one weight, by differences
        net, pixels = Gan(recipe(design=flat), 0).D.double(), real.double().requires_grad_()
        with torch.no_grad():
            net.first.weight[0, 0, 1, 1] += change
        (slope,) = torch.autograd.grad(net(pixels).sum(), pixels)
        penalties.append(1.5 * slope.square().sum((1, 2, 3)).mean().item())
    expected = (penalties[0] - penalties[1]) / 2e-6
    assert slopes[0] - slopes[1] == pytest.approx(expected, rel=0.01)


def test_steps_cool_down_over_the_last_part():
    gan, found = Gan(recipe(steps=10, lr_g=0.1, lr_d=0.2, cooling=0.4), 0), []
    for number in range(11):
        training.cool(gan, number)
        found.append((gan.adam_g.param_groups[0]["lr"], gan.adam_d.param_groups[0]["lr"]))
    shares = np.array([1.0] * 7 + [0.75, 0.5, 0.25, 0.0])
    assert np.allclose(found, shares[:, None] * [0.1, 0.2])
    steady = Gan(recipe(steps=10, cooling=0.0), 0)
    training.cool(steady, 9)
    assert steady.adam_g.param_groups[0]["lr"] == 2e-4


def test_the_mean_follows_g():
    gan, (x, y) = Gan(recipe(average=0.15), 0), digits()
    expected = weights(gan.G)
    for number, decay in enumerate((0, 1 / 11, 0.15, 0.15)):
        training.train(gan, x, y, range(number, number + 1), 0)
        expected = decay * expected + (1 - decay) * weights(gan.G)
    assert torch.allclose(weights(gan.mean), expected, atol=1e-7)
    last = Gan(recipe(average=0.0), 0)
    training.train(last, x, y, range(3), 0)
    assert torch.equal(weights(last.mean), weights(last.G))
    assert torch.equal(last.mean.body[0].running_var, last.G.body[0].running_var)


def test_g_is_updated_as_often_as_asked():
    counts = []
    for g_steps in (1, 3):
        gan, (x, y) = Gan(recipe(g_steps=g_steps), 0), digits()
        training.train(gan, x, y, range(2), 0)
        counts.append(next(iter(gan.adam_g.state.values()))["step"].item())
    assert counts == [2, 6]


def test_seeds_reproduce_and_differ():
    x, y = digits()
    a, b, c = (training.train(Gan(recipe(), s), x, y, range(4), s) for s in (0, 0, 1))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


@pytest.mark.parametrize("kind", [{}, {"design": {"spectral": True}}, {"r1": 1.0}])
def test_a_run_that_goes_on_equals_one_that_never_stopped(kind):
    x, y = digits()
    whole, first, second = (Gan(recipe(**kind), 0) for _ in range(3))
    records = training.train(whole, x, y, range(6), 0)
    begun = training.train(first, x, y, range(3), 0)
    rest = training.train(second.load(first.state()), x, y, range(3, 6), 0)
    assert np.array_equal(records, np.concatenate([begun, rest]))
    assert torch.equal(weights(whole.G), weights(second.G))


def test_every_epoch_is_a_new_order_of_all_pictures():
    epochs = [torch.cat([training.batch_of(40, 8, 5 * e + i, 0) for i in range(5)]) for e in (0, 1)]
    assert all(sorted(order.tolist()) == list(range(40)) for order in epochs)
    assert not torch.equal(*epochs)


def test_samples_do_not_depend_on_the_batch_or_touch_the_network():
    gan = Gan(recipe(design={"condition": "both"}), 0)
    gan.G.train()
    z, y = torch.randn(7, 5), torch.arange(7)
    before = [b.clone() for b in gan.G.buffers()]
    a, b = (training.sample(gan.G, z, y, batch_size=n) for n in (7, 3))
    assert a.dtype == torch.uint8 and (a.int() - b.int()).abs().max() <= 1
    assert gan.G.training and all(map(torch.equal, before, gan.G.buffers()))


@pytest.mark.parametrize(
    "wrong",
    [{"loss": "hinge"}, {"trains": "none"}, {"real_target": 0.0}, {"r1": -1}, {"steps": 0},
     {"average": 1.0}, {"cooling": 2.0}, {"batch_size": 1}, {"g_steps": 0}],
)  # fmt: skip
def test_recipes_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError):
        recipe(**wrong)


def test_too_few_pictures_and_unknown_losses_are_refused():
    with pytest.raises(ValueError, match="fewer than a batch"):
        training.train(Gan(recipe(), 0), *digits(5), range(1), 0)
    with pytest.raises(ValueError, match="expected one of"):
        generator_loss(torch.zeros(2), "hinge")
