"""Steps against autograd by hand, recipes, objectives, and a network that stays as it was."""

from functools import partial

import pytest
import torch
from torch import nn

from practicals.classvis import ascent, objectives, transforms
from practicals.classvis.objectives import Channel, Probability, Score
from practicals.classvis.parameterisation import pixels, standardised
from practicals.data.images import IMAGENET_MEAN, IMAGENET_STD
from practicals.networks import backbones, training
from practicals.networks.zoo import UnknownName

PLAIN = ascent.Recipe("plain", steps=1)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 6)
    )


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(1)
    # Without He's start the signal of an untrained network dies away before its end.
    return training.he_initialise(backbones.build("smallvgg")).eval().requires_grad_(False)


def test_a_step_is_the_one_by_hand(net):
    """One step of the published recipe without chance: slope of score − λ‖z‖², length 5."""
    start = 0.3 + 0.4 * torch.rand(2, 3, 10, 10)
    recipe = ascent.PUBLISHED.but(steps=1, transforms=())
    found = ascent.run(net, Score((4, 1)), recipe, (0, 1), 10, start)
    for picture, label, ours in zip(start, (4, 1), found.pictures, strict=True):
        z = standardised(picture[None]).clone().requires_grad_()
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        score = net(z * std + mean)[0, label]
        (score - 1e-3 * (224 / 10) ** 2 * (z**2).sum()).backward()
        moved = z.detach() + 5 * 10 / 224 * z.grad / z.grad.norm()
        by_hand = (moved * std + mean).clamp(0, 1)
        torch.testing.assert_close(ours[None], by_hand, atol=1e-5, rtol=0)


def test_the_penalty_pulls_to_the_mean_colour(net):
    start = torch.rand(1, 3, 10, 10)
    strong = PLAIN.but(penalties=(partial(ascent.l2, weight=1e6),))
    found = ascent.run(net, Score((0,)), strong, (0,), 10, start)
    before, after = (standardised(x).norm().item() for x in (start, found.pictures))
    assert after == pytest.approx(before - 5 * 10 / 224, rel=1e-3)


def test_the_l2_penalty_does_not_depend_on_the_size():
    x = torch.rand(2, 3, 4, 4)
    large = x.repeat_interleave(3, 2).repeat_interleave(3, 3)
    torch.testing.assert_close(ascent.l2(x), ascent.l2(large))
    usual = torch.rand(1, 3, 224, 224)
    torch.testing.assert_close(ascent.l2(usual)[0], 1e-3 * (standardised(usual) ** 2).sum())


def test_adam_takes_steps_of_its_rate(net):
    recipe = PLAIN.but(update="adam", lr=0.03)
    start = 0.3 + 0.4 * torch.rand(1, 3, 10, 10)
    found = ascent.run(net, Score((2,)), recipe, (0,), 10, start)
    moves = standardised(found.pictures) - standardised(start)
    torch.testing.assert_close(moves.abs(), torch.full_like(moves, 0.03), atol=1e-4, rtol=0)


@pytest.mark.parametrize("recipe", list(ascent.RECIPES.values()), ids=list(ascent.RECIPES))
def test_every_recipe_climbs_and_repeats(net, recipe):
    short = recipe.but(steps=30)
    found = ascent.run(net, Score((3, 1)), short, (0, 1), 32)
    again = ascent.run(net, Score((3, 1)), short, (0, 1), 32)
    assert torch.equal(found.pictures, again.pictures), "a seed gives the same picture"
    other = ascent.run(net, Score((3, 1)), short, (2, 3), 32)
    assert not torch.equal(found.pictures, other.pictures)
    assert found.values.shape == (30, 2)
    assert found.pictures.min() >= 0 and found.pictures.max() <= 1

    def goal(x):
        return net(x)[[0, 1], [3, 1]] - sum(penalty(x) for penalty in recipe.penalties)

    assert (goal(found.pictures) > goal(found.start)).all()


def test_pictures_of_a_batch_do_not_influence_each_other(small):
    recipe = ascent.PUBLISHED.but(steps=3)
    both = ascent.run(small, Score((3, 7)), recipe, (8, 9), 32).pictures
    alone = ascent.run(small, Score((7,)), recipe, (9,), 32).pictures
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=0)


def test_yosinskis_rule_drops_the_smaller_half():
    z = torch.randn(2, 3, 8, 8)
    kept = ascent.drop_small(1, z, 0.5)
    gone = (kept == 0).all(1)
    assert gone.flatten(1).sum(1).tolist() == [32, 32]
    norms = z.norm(dim=1)
    assert norms[gone].max() <= 3.5 and torch.equal(kept[:, 0][~gone], z[:, 0][~gone])
    for norm, lost in zip(norms, gone, strict=True):
        assert norm[lost].max() <= norm[~lost].min()


def test_blur_comes_at_its_steps():
    z = torch.randn(1, 3, 8, 8)
    assert torch.equal(ascent.blur_every(9, z, 10), z)
    assert torch.equal(ascent.blur_every(20, z, 10, 0.7), transforms.blur(z, 0.7))


def test_in_range_ends_at_black_and_white():
    z = ascent.in_range(1, torch.tensor([-9.0, 0.3, 9.0]).view(1, 1, 1, 3).expand(1, 3, 1, 3))
    x = ascent.standardised(torch.zeros(1, 3, 1, 1)), ascent.standardised(torch.ones(1, 3, 1, 1))
    assert torch.equal(z[..., :1], x[0]) and torch.equal(z[..., 2:], x[1])
    assert (z[..., 1] == 0.3).all()


def test_frames_are_kept_at_their_steps(net):
    frames = ascent.Frames((0, 2, 3))
    found = ascent.run(net, Score((0,)), PLAIN.but(steps=3), (0,), 10, watch=frames)
    assert list(frames.kept) == [0, 2, 3]
    assert torch.equal(frames.kept[0], found.start)
    torch.testing.assert_close(frames.kept[3].clamp(0, 1), found.pictures)


def test_a_gradient_of_zero_moves_nothing():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    nn.init.zeros_(flat[1].weight)
    start = torch.rand(1, 3, 8, 8)
    found = ascent.run(flat, Score((0,)), PLAIN, (0,), 8, start)
    torch.testing.assert_close(found.pictures, start, atol=1e-6, rtol=0)


def state_of(net):
    flags = [(m.training, len(m._forward_hooks)) for m in net.modules()]
    facts = [
        (p.requires_grad, None if p.grad is None else p.grad.clone()) for p in net.parameters()
    ]
    return flags, facts, {k: v.clone() for k, v in net.state_dict().items()}


def same(a, b):
    assert a[0] == b[0]
    for (flag, grad), (other, theirs) in zip(a[1], b[1], strict=True):
        assert flag == other and (grad is None) == (theirs is None)
        assert grad is None or torch.equal(grad, theirs)
    assert all(torch.equal(a[2][k], b[2][k]) for k in a[2])


def test_the_network_stays_as_it_was_also_after_an_exception():
    torch.manual_seed(0)
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4),
                        nn.ReLU(inplace=True), nn.Dropout(), nn.AdaptiveAvgPool2d(1),
                        nn.Flatten(), nn.Linear(4, 3))  # fmt: skip
    net.train()
    net[2].eval()
    net[1].weight.requires_grad_(False)
    net(torch.rand(2, 3, 8, 8)).sum().backward()
    before = state_of(net)
    both = Score((0, 1)) + Channel("1", (2, 3))
    ascent.run(net, both, PLAIN.but(steps=2), (0, 1), 8)
    same(before, state_of(net))

    def stops(step, x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ascent.run(net, both, PLAIN, (0, 1), 8, watch=stops)
    with pytest.raises(UnknownName):
        ascent.run(net, Channel("1", (0, 1)) + Channel("nine", (0, 1)), PLAIN, (0, 1), 8)
    same(before, state_of(net))


def test_a_network_in_training_mode_is_climbed_as_in_evaluation():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(4 * 36, 3)
    )
    net(torch.rand(4, 3, 8, 8))  # the running statistics leave their start
    before = state_of(net.train())
    trained = ascent.run(net, Score((0, 1)), PLAIN.but(steps=3), (0, 1), 8)
    same(before, state_of(net))
    evaluated = ascent.run(net.eval(), Score((0, 1)), PLAIN.but(steps=3), (0, 1), 8)
    assert torch.equal(trained.pictures, evaluated.pictures)


def test_sums_and_differences(small):
    x = torch.rand(2, 3, 32, 32)
    a, b = Score((1, 2)), Channel("relu2_2", (3, 4))
    out = objectives.outputs_of(small, x, ("output", "relu2_2"))
    both = a(out), b(out)
    for made, expected in (
        (a + b, both[0] + both[1]),
        (a - b, both[0] - both[1]),
        (-a, -both[0]),
        (0.5 * a - b * 2, 0.5 * both[0] - 2 * both[1]),
        (a - a, torch.zeros(2)),
    ):
        torch.testing.assert_close(made(out), expected)
    assert (a - b).layers == ("output", "relu2_2")
    assert (b + b).layers == ("relu2_2",)


def test_objectives_read_what_they_say(small):
    x = torch.rand(2, 3, 32, 32)
    logits, maps = small(x), small.features(x, ["relu2_2"])["relu2_2"]
    out = {"output": logits, "relu2_2": maps}
    torch.testing.assert_close(Score((1, 2))(out), logits[[0, 1], [1, 2]])
    torch.testing.assert_close(Probability((1, 2))(out), logits.log_softmax(1)[[0, 1], [1, 2]])
    torch.testing.assert_close(
        Channel("relu2_2", (5, 0))(out), torch.stack([maps[0, 5].mean(), maps[1, 0].mean()])
    )


def test_layers_are_found_by_hooks_and_by_steps(small):
    x = torch.rand(1, 3, 32, 32)
    by_steps = objectives.outputs_of(small, x, ("conv2_1",))["conv2_1"]
    by_hooks = objectives.outputs_of(small, x, ("steps.conv2_1",))["steps.conv2_1"]
    assert torch.equal(by_steps, by_hooks)


def test_a_layer_below_missing_weights_can_be_climbed(monkeypatch):
    monkeypatch.setattr(backbones, "what_is_missing", lambda name: "")
    torch.manual_seed(0)
    source = backbones.NETWORKS["smallvgg"].make().state_dict()
    part = {k: v for k, v in source.items() if k.startswith(("features.0", "features.2"))}
    half = backbones.from_state("smallvgg", part)
    found = ascent.run(half, Channel("relu1_2", (0,)), PLAIN, (0,), 16)
    assert found.pictures.shape == (1, 3, 16, 16)
    with pytest.raises(backbones.MissingWeights):
        ascent.run(half, Score((0,)), PLAIN, (0,), 16)


@pytest.mark.parametrize(
    ("objective", "text"),
    [
        (Score((0,)), "y "),
        (Score((0, 99)), "classes 0 to"),
        (Channel("relu2_2", (1,)), "1 channels for 2 pictures"),
        (Channel("relu2_2", (1, 9999)), "has channels 0 to"),
        (Channel("relu2_2", (1, -1)), "has channels 0 to"),
    ],
)
def test_objectives_that_do_not_fit_are_refused(small, objective, text):
    with pytest.raises(ValueError, match=text):
        ascent.run(small, objective, PLAIN, (0, 1), 32)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"update": "sgd"}, "normalised"),
        ({"lr": 0.0}, "lr > 0"),
        ({"lr": float("nan")}, "lr > 0"),
        ({"steps": -1}, "steps ≥ 0"),
        ({"start": ascent.fourier, "rules": (ascent.in_range,)}, "rules change pixels"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(net, changes, text):
    with pytest.raises(ValueError, match=text):
        ascent.run(net, Score((0,)), PLAIN.but(**changes), (0,), 8)


def test_no_steps_give_the_start(net):
    grey = PLAIN.but(steps=0, start=partial(pixels, spread=0.0))
    found = ascent.run(net, Score((0,)), grey, (0,), 8)
    assert torch.equal(found.pictures, found.start) and found.values.shape == (0, 1)
    with pytest.raises(ValueError, match="seed per picture"):
        ascent.run(net, Score(()), PLAIN, (), 8)
