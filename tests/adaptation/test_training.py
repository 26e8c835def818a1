"""One step, one training: which gradient flows where, what is never trained on, who decides."""

import math
from dataclasses import replace

import pytest
import torch
from tests.adaptation.small import QUICK, trainer
from torch.nn import functional as F

from practicals.adaptation import networks, recipes, scores, training


@pytest.mark.parametrize("method, sign", [("dann", -1), ("no_reversal", 1)])
def test_the_features_get_the_domain_gradient_reversed_or_not(domains, method, sign):
    ours = trainer(domains, replace(QUICK, method=method, lam=0.5))
    features = ours.net.features(ours.batch()[0]).detach().requires_grad_()
    ours.domain_loss(features, progress=1.0).backward()
    plain = features.detach().requires_grad_()
    is_target = (torch.arange(64) >= 32).float()
    logits = ours.net.domain_head(plain).squeeze(1)
    F.binary_cross_entropy_with_logits(logits, is_target).backward()
    assert torch.allclose(features.grad, sign * recipes.lambda_at(1, 0.5) * plain.grad, atol=1e-7)


def test_the_domain_classifier_itself_always_descends(domains):
    grads = {}
    for method in ("dann", "no_reversal"):
        ours = trainer(domains, replace(QUICK, method=method))
        ours.domain_loss(ours.net.features(ours.batch()[0]), 1.0).backward()
        grads[method] = ours.net.domain_head[0].weight.grad
    assert torch.allclose(grads["dann"], grads["no_reversal"])


def test_one_forward_pass_gives_the_gradients_of_two(domains):
    ours = trainer(domains, replace(QUICK, design=networks.PAPER))
    x, y = ours.batch()
    features = ours.net.features(x)
    loss = F.cross_entropy(ours.net.label_head(features[:32]), y) + ours.domain_loss(features, 1)
    (one,) = torch.autograd.grad(loss, ours.net.body[0].weight)
    source, target = (ours.net.features(part) for part in x.split(32))
    lam = recipes.lambda_at(1, ours.recipe.lam)
    loss = F.cross_entropy(ours.net.label_head(source), y)
    for part, is_target in ((source, 0.0), (target, 1.0)):
        logits = ours.net.domains(part, lam)
        truth = torch.full_like(logits, is_target)
        loss = loss + F.binary_cross_entropy_with_logits(logits, truth) / 2
    (two,) = torch.autograd.grad(loss, ours.net.body[0].weight)
    assert torch.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("method", ["dann", "source_only"])
def test_weights_and_losses_stay_in_single_precision(domains, method):
    ours = trainer(domains, replace(QUICK, method=method))
    ours.step(0.5)
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in ours.net.body.parameters())
    assert math.isfinite(ours.losses[0])
    assert all(math.isnan(loss) == (method == "source_only") for loss in ours.losses[1:])


def test_training_is_deterministic_and_ends_with_the_last_step(domains):
    one, two = (training.fit(trainer(domains)) for _ in range(2))
    assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)
    by_hand = trainer(domains)
    by_hand.net.train()
    for step in range(QUICK.steps):
        by_hand.step(step / QUICK.steps)
    last = training.copy_of(by_hand.net)
    assert all(torch.equal(one.state[name], last[name]) for name in last)


def test_the_oracle_and_the_looks_decide_nothing(domains):
    plain = training.fit(trainer(domains, replace(QUICK, looks=1)))
    watched = training.fit(trainer(domains), watch=lambda net: 1.0 if net is None else 0.0)
    assert len(plain.checks) == 1 and len(watched.checks) == QUICK.looks
    assert all(torch.equal(plain.state[name], watched.state[name]) for name in plain.state)


def test_without_a_domain_gradient_the_body_learns_from_labels_alone(domains):
    """λ = 0: the target takes part in the batch norm, and in no gradient of the body."""
    ours = trainer(domains, replace(QUICK, lam=0.0))
    features = ours.net.features(ours.batch()[0]).detach().requires_grad_()
    ours.domain_loss(features, progress=1.0).backward()
    assert features.grad.abs().max() == 0
    assert ours.net.domain_head[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize("n, held", [(60000, 1000), (1297, 259)])
def test_the_last_pictures_are_held_out(n, held):
    assert training.held_out(n) == held


def test_no_step_sees_a_held_out_picture(domains):
    """Held-out pictures are white and all others black: no batch may hold a white one."""
    n = len(domains.source)
    x = torch.zeros(n, 3, 28, 28, dtype=torch.uint8)
    x[n - training.held_out(n) :] = 255
    recipe = replace(QUICK, augment="none", batch_size=256)
    ours = training.Trainer(recipe, (x, domains.source.y), x, seed=0)
    batches = [ours.batch()[0] for _ in range(20)]
    assert all(len(batch) == 512 and batch.max() == 0 for batch in batches)


def test_checks_read_the_held_out_pictures_alone(domains, monkeypatch):
    ours = trainer(domains)
    read = []
    plain = scores.features
    monkeypatch.setattr(scores, "features", lambda net, x: read.append(x) or plain(net, x))
    found = ours.check(1, None)
    n = training.held_out(len(domains.source))
    assert torch.equal(read[0], domains.source.x[-n:])
    assert torch.equal(read[1], domains.target.x[-n:])
    p = scores.probabilities(ours.net, domains.target.x[-n:])
    assert found.validators["information"] == pytest.approx(scores.information(p), abs=1e-4)
    with ours.net.reading("source"):
        right = ours.net.eval()(domains.source.x[-n:].float() / 255).argmax(1)
    assert found.source_accuracy == pytest.approx(
        (right == domains.source.y[-n:]).float().mean().item()
    )
