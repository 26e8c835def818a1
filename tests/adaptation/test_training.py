"""One step, one training: which gradient flows where, what is never trained on, who decides."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.adaptation.small import QUICK, trainer
from torch.nn import functional as F

from practicals.adaptation import networks, recipes, scores, training


@pytest.mark.parametrize("method, sign", [("dann", -1), ("no_reversal", 1)])
def test_the_features_get_the_domain_gradient_reversed_or_not(domains, method, sign):
    ours = trainer(domains, replace(QUICK, method=method, lam=0.5))
    features = ours.net.features(ours.batch()[0]).detach().requires_grad_()
    ours.domain_loss(features, progress=1.0)[0].backward()
    plain = features.detach().requires_grad_()
    is_target = (torch.arange(64) >= 32).float()
    logits = ours.net.domain_head(plain).squeeze(1)
    F.binary_cross_entropy_with_logits(logits, is_target).backward()
    assert torch.allclose(features.grad, sign * recipes.lambda_at(1, 0.5) * plain.grad, atol=1e-7)


def test_the_domain_classifier_itself_always_descends(domains):
    grads = {}
    for method in ("dann", "no_reversal"):
        ours = trainer(domains, replace(QUICK, method=method))
        ours.domain_loss(ours.net.features(ours.batch()[0]), 1.0)[0].backward()
        grads[method] = ours.net.domain_head[0].weight.grad
    assert torch.allclose(grads["dann"], grads["no_reversal"])


def test_one_forward_pass_gives_the_gradients_of_two(domains):
    ours = trainer(domains, replace(QUICK, design=networks.PAPER))
    x, y = ours.batch()
    features = ours.net.features(x)
    loss = F.cross_entropy(ours.net.label_head(features[:32]), y) + ours.domain_loss(features, 1)[0]
    (one,) = torch.autograd.grad(loss, ours.net.body[0].weight)
    source, target = (ours.net.features(part) for part in x.split(32))
    lam = recipes.lambda_at(1, 1.0)
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


def test_training_is_deterministic_and_the_checkpoint_is_the_validators_best(domains):
    one, two = (training.fit(trainer(domains)) for _ in range(2))
    assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)
    found = [check.validators["information"] for check in one.checks]
    assert one.chosen == int(np.argmax(found))


def test_the_oracle_decides_nothing(domains):
    plain = training.fit(trainer(domains))
    watched = training.fit(trainer(domains), watch=lambda net: 1.0 if net is None else 0.0)
    assert watched.chosen == plain.chosen
    assert all(torch.equal(plain.state[name], watched.state[name]) for name in plain.state)


def test_training_stops_when_the_validator_no_longer_rises(domains, monkeypatch):
    monkeypatch.setitem(scores.VALIDATORS, "information", lambda p: 0.0)
    recipe = replace(QUICK, steps=20, checks=10, patience=2)
    done = training.fit(trainer(domains, recipe))
    assert len(done.checks) == 10  # a tie keeps the later network
    falling = iter(range(100, 0, -1))
    monkeypatch.setitem(scores.VALIDATORS, "information", lambda p: float(next(falling)))
    done = training.fit(trainer(domains, recipe))
    assert len(done.checks) == 4 and done.chosen == 0


@pytest.mark.parametrize("n, held", [(60000, 2000), (1297, 259)])
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
    plain = scores.probabilities
    monkeypatch.setattr(scores, "probabilities", lambda net, x: read.append(x) or plain(net, x))
    ours.check(1, None)
    n = training.held_out(len(domains.source))
    assert torch.equal(read[0], domains.source.x[-n:])
    assert torch.equal(read[1], domains.target.x[-n:])
