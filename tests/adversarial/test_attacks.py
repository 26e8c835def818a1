"""The loop: against torchattacks from the same start, and what no attack may do."""

import math

import pytest
import torch
from tests.peers import peer
from torch import nn

from practicals.adversarial import apgd, attacks, minimum
from practicals.networks import backbones


@pytest.fixture
def torchattacks():
    return peer("torchattacks")


class Lopsided(nn.Module):
    """A small network without symmetries, with a layer that evaluation mode changes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6 * 6 * 9, 5)

    def forward(self, x):
        return 4 * self.fc(torch.tanh(self.norm(3 * self.conv(x))).flatten(1))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Lopsided().eval()


@pytest.fixture(scope="module")
def batch(net):
    torch.manual_seed(1)
    x = attacks.rounded(torch.rand(12, 3, 8, 11))
    return x, net(x).argmax(1)


EXACT = {"stop_early": False, "rounded": False}


def theirs_on(attack, x, y, target=None):
    if target is not None:
        attack.set_mode_targeted_by_label(quiet=True)
    return attack(x, y if target is None else target)


@pytest.mark.parametrize("towards", [False, True])
def test_fgsm_equals_torchattacks(torchattacks, net, batch, towards):
    x, y = batch
    target = (y + 1) % 5 if towards else None
    ours = attacks.run(net, x, y, attacks.fgsm(0.03, rounded=False), target).adversarial
    torch.testing.assert_close(ours, theirs_on(torchattacks.FGSM(net, 0.03), x, y, target))


@pytest.mark.parametrize("towards", [False, True])
def test_pgd_equals_torchattacks_in_both_norms(torchattacks, net, batch, towards):
    x, y = batch
    target = (y + 1) % 5 if towards else None
    plan = attacks.Attack("linf", 0.05, 0.02, 7, **EXACT)
    theirs = theirs_on(torchattacks.PGD(net, 0.05, 0.02, 7, random_start=False), x, y, target)
    torch.testing.assert_close(attacks.run(net, x, y, plan, target).adversarial, theirs)
    plan = attacks.Attack("l2", 0.5, 0.2, 7, **EXACT)
    theirs = theirs_on(torchattacks.PGDL2(net, 0.5, 0.2, 7, random_start=False), x, y, target)
    torch.testing.assert_close(
        attacks.run(net, x, y, plan, target).adversarial, theirs, rtol=1e-5, atol=1e-6
    )


def test_momentum_equals_torchattacks(torchattacks, net, batch):
    plan = attacks.momentum(0.05, 5, **EXACT)
    theirs = torchattacks.MIFGSM(net, 0.05, 0.01, 5, 1.0)(*batch)
    torch.testing.assert_close(attacks.run(net, *batch, plan).adversarial, theirs)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_apgd_equals_torchattacks(torchattacks, net, batch, norm, loss):
    """Below 1/255 nothing is rounded, so that both judge the same pictures."""
    x, y = batch
    eps = 0.0035 if norm == "linf" else 0.09
    names = {"linf": "Linf", "l2": "L2"}
    theirs = torchattacks.APGD(net, names[norm], eps, 20, seed=3, loss=loss)
    kept = theirs(x, y)
    torch.manual_seed(3)
    if norm == "linf":
        t = 2 * torch.rand(x.shape) - 1
        begin = (x + eps * t / t.abs().amax((1, 2, 3), keepdim=True)).clamp(0, 1)
    else:
        t = torch.randn(x.shape)
        begin = (x + eps * t / t.flatten(1).norm(dim=1).view(-1, 1, 1, 1)).clamp(0, 1)
    ours = apgd.run(net, x, y, norm, eps, 20, loss, begin=begin)
    fooled = net(kept).argmax(1) != y
    assert ours.fooled.tolist() == fooled.tolist()
    assert 0 < int(fooled.sum()) < len(x), "the radius must separate the pictures"


def test_apgd_finds_losses_as_high_as_torchattacks(torchattacks, net, batch, monkeypatch):
    x, y = batch
    monkeypatch.setattr(apgd, "judged", lambda net, x, y: torch.zeros(len(x), dtype=torch.bool))
    reference = torchattacks.APGD(net, "Linf", 0.003, 30, seed=0, loss="ce")
    torch.manual_seed(0)
    loss = reference.attack_single_run(x, y)[2]
    torch.manual_seed(0)
    t = 2 * torch.rand(x.shape) - 1
    begin = (x + 0.003 * t / t.abs().amax((1, 2, 3), keepdim=True)).clamp(0, 1)
    seen = []
    original = apgd._Search.learn

    def learn(self, values, slopes):
        original(self, values, slopes)
        seen.append(self.best_value)

    monkeypatch.setattr(apgd._Search, "learn", learn)
    apgd.run(net, x, y, "linf", 0.003, 30, begin=begin)
    torch.testing.assert_close(seen[-1], loss, rtol=1e-4, atol=1e-5)


PLANS = {
    "fgsm": attacks.fgsm(8 / 255),
    "pgd": attacks.pgd(8 / 255, random_start=True),
    "pgd l2": attacks.pgd(0.5, norm="l2", random_start=True),
    "momentum": attacks.momentum(8 / 255),
    "fooling": attacks.fooling(steps=30),
}


@pytest.mark.parametrize("name", PLANS)
def test_perturbations_stay_in_ball_range_and_grid_and_success_is_true(net, batch, name):
    x, y = batch
    made = attacks.run(net, x, y, PLANS[name])
    assert made.adversarial.min() >= 0 and made.adversarial.max() <= 1
    levels = made.adversarial * 255
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    size = attacks.distances(x, made.adversarial)[PLANS[name].norm]
    # Rounding moves every pixel by half a level at most, and none in an L∞ ball on the grid.
    slack = 0.5 / 255 * math.sqrt(x[0].numel()) if PLANS[name].norm == "l2" else 1e-6
    assert (size <= PLANS[name].eps + slack).all()
    assert made.fooled.tolist() == (net(made.adversarial).argmax(1) != y).tolist()
    assert made.fooled.float().mean() > 0.5, "an attack that never works tests nothing"


def test_apgd_stays_in_the_ball(net, batch):
    x, y = batch
    made = apgd.run(net, x, y, "linf", 8 / 255, 10)
    assert attacks.distances(x, made.adversarial)["linf"].max() <= 8 / 255 + 1e-6
    assert made.fooled.tolist() == (net(made.adversarial).argmax(1) != y).tolist()


def test_early_stop_leaves_fooled_pictures_alone(net, batch):
    x, y = batch
    long = attacks.run(net, x, y, attacks.pgd(8 / 255, 20))
    assert long.fooled.any()
    for i in torch.nonzero(long.fooled)[:, 0]:
        short = attacks.Attack("linf", 8 / 255, attacks.pgd(8 / 255, 20).step, int(long.steps[i]))
        alone = attacks.run(net, x[i : i + 1], y[i : i + 1], short)
        torch.testing.assert_close(alone.adversarial[0], long.adversarial[i])


def test_a_target_is_reached_and_counts_alone(net, batch):
    x, y = batch
    target = (y + 2) % 5
    made = attacks.run(net, x, y, attacks.pgd(0.2, 40), target)
    assert made.fooled.tolist() == (net(made.adversarial).argmax(1) == target).tolist()
    assert made.fooled.float().mean() > 0.5


def test_seeds_reproduce(net, batch):
    plan = attacks.pgd(0.02, random_start=True, seed=4)
    one, two = (attacks.run(net, *batch, plan).adversarial for _ in range(2))
    other = attacks.run(net, *batch, attacks.pgd(0.02, random_start=True, seed=5)).adversarial
    assert torch.equal(one, two) and not torch.equal(one, other)


@pytest.mark.parametrize("x", [torch.full((1, 3, 8, 11), 1.01), torch.full((1, 3, 8, 11), -0.01)])
def test_pixels_outside_the_range_are_refused(net, x):
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\]"):
        attacks.run(net, x, torch.zeros(1, dtype=torch.long), attacks.fgsm(0.1))


def test_integers_wrong_lengths_and_a_network_in_training_are_refused(net, batch):
    x, y = batch
    with pytest.raises(ValueError, match="expected float pixels"):
        attacks.run(net, (x * 255).byte(), y, attacks.fgsm(0.1))
    with pytest.raises(ValueError, match="expected 12 classes"):
        attacks.run(net, x, y[:3], attacks.fgsm(0.1))
    for run in (
        lambda: attacks.run(net, x, y, attacks.fgsm(0.1)),
        lambda: apgd.run(net, x, y, "linf", 0.1),
    ):
        net.norm.train()
        try:
            with pytest.raises(ValueError, match=r"training mode.*net\.eval"):
                run()
        finally:
            net.eval()


@pytest.mark.parametrize("bad", [{"norm": "l1"}, {"objective": "hope"}, {"eps": 0}, {"steps": 0}])
def test_settings_that_mean_nothing_are_refused(bad):
    with pytest.raises(ValueError, match=r"expected one of|must be positive"):
        attacks.Attack(**bad)


class Failing(nn.Module):
    def __init__(self, net, after):
        super().__init__()
        self.net, self.left = net, after
        self.eval()

    def forward(self, x):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the network failed")
        return self.net(x)


@pytest.mark.parametrize("after", [0, 1, 4])
def test_the_network_is_as_it_was_after_an_error(net, batch, after):
    before = {key: value.clone() for key, value in net.state_dict().items()}
    flags = [p.requires_grad for p in net.parameters()]
    with pytest.raises(RuntimeError, match="failed"):
        attacks.run(Failing(net, after), *batch, attacks.pgd(0.05))
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert [p.requires_grad for p in net.parameters()] == flags
    assert all(p.grad is None for p in net.parameters())
    assert not any(m.training or m._forward_hooks for m in net.modules())
    assert torch.is_grad_enabled()


def test_averaging_over_draws_is_the_mean_of_gradients(net, batch):
    x, y = batch
    rng = torch.Generator().manual_seed(0)
    offsets = [torch.randn(x.shape, generator=rng) * 0.1 for _ in range(3)]
    draws = iter(offsets)
    _, mean = attacks.gradient(net, x, y, draws=lambda p: p + next(draws), samples=3)
    each = [attacks.gradient(net, x + d, y)[1] for d in offsets]
    torch.testing.assert_close(mean, sum(each) / 3)


def test_random_noise_has_the_stated_size_and_is_counted(net, batch, monkeypatch):
    x, y = batch
    seen = []
    monkeypatch.setattr(
        attacks,
        "judged",
        lambda net, pictures, y: seen.append(pictures) or net(pictures).argmax(1) != y,
    )
    middle = attacks.rounded(0.4 + 0.2 * x)
    share = attacks.noise(net, middle, y, "linf", 8 / 255, 3, 0)
    for pictures in seen:
        torch.testing.assert_close((pictures - middle).abs(), torch.full_like(x, 8 / 255))
    counted = sum((net(p).argmax(1) != y).float() for p in seen) / 3
    torch.testing.assert_close(share, counted)
    seen.clear()
    attacks.noise(net, middle, y, "l2", 1.0, 1, 0)
    size = attacks.distances(middle, seen[0])["l2"]
    torch.testing.assert_close(size, torch.full_like(size, 1.0), rtol=0.02, atol=0)


def test_distances_by_hand():
    x = torch.zeros(1, 3, 4, 4)
    other = x.clone()
    other[0, :, 1, 2] = torch.tensor([3 / 255, 0, 4 / 255])
    found = attacks.distances(x, other)
    assert found["l0"].item() == 1
    assert found["l2"].item() == pytest.approx(5 / 255) and found["linf"].item() == pytest.approx(
        4 / 255
    )


def test_the_nearest_fooling_picture_of_a_linear_network_lies_at_its_margin():
    """On two classes of a linear network the distance is |w·x + b| / ‖w‖ (no clipping here)."""
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 5, 2)).eval()
    x = 0.45 + 0.1 * torch.rand(6, 3, 4, 5)
    y = linear(x).argmax(1)
    w = linear[1].weight[0] - linear[1].weight[1]
    margin = minimum.clean_margin(linear, x, y)
    found, distance = minimum.smallest(linear, x, y, 60)
    torch.testing.assert_close(distance, margin.abs() / w.norm(), rtol=0.03, atol=1e-4)
    torch.testing.assert_close((found - x).flatten(1).norm(dim=1), distance, rtol=1e-4, atol=1e-5)
    assert (linear(found).argmax(1) != y).all()


def test_what_is_misread_already_is_at_distance_zero(net, batch):
    x, y = batch
    _, distance = minimum.smallest(net, x, (y + 1) % 5, 3)
    assert (distance == 0).all()


def test_no_border_means_an_infinite_distance():
    constant = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    nn.init.zeros_(constant[1].weight)
    with torch.no_grad():
        constant[1].bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    _, distance = minimum.smallest(constant, torch.full((1, 3, 2, 2), 0.5), torch.tensor([0]), 5)
    assert distance.isinf().all()


def test_a_backbone_in_lower_precision_is_judged_in_its_own_right():
    torch.manual_seed(0)
    net = backbones.prepare(backbones.build("smallvgg").eval(), torch.float32)
    x = attacks.rounded(torch.rand(2, 3, 64, 64))
    made = attacks.run(net, x, net(x).argmax(1), attacks.fgsm(4 / 255))
    assert made.adversarial.dtype == torch.float32
