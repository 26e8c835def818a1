"""Networks, recipes, training, scores and pseudo-labels on small inputs; no downloads."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from practicals import adaptation, digits, domain_norm
from practicals import adaptation_fit as fitting
from practicals import adaptation_models as models
from practicals import adaptation_networks as networks
from practicals import adaptation_recipes as recipes
from practicals import adaptation_scores as scores
from practicals import adaptation_selection as selection
from practicals import adaptation_training as training
from practicals import pseudo_labels as pseudo

QUICK = recipes.Recipe(steps=30, batch_size=32, checks=3)


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICALS_DATA", str(tmp_path_factory.mktemp("data")))
        return digits.load("sample")


def trainer(domains, recipe=QUICK, seed=0):
    return training.Trainer(recipe, (domains.source.x, domains.source.y), domains.target.x, seed)


# --- networks ---


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
@pytest.mark.parametrize("norm", domain_norm.BATCH_NORMS)
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
    assert torch.allclose(domain_norm.DomainNorm(5, "joint")(x), torch.nn.BatchNorm2d(5)(x))


@pytest.mark.parametrize("mode", ["separate", "own"])
def test_other_norms_normalise_each_domain_by_itself(mode):
    found = domain_norm.DomainNorm(5, mode)(torch.cat(domain_batches()))
    for half in found.chunk(2):
        assert half.mean((0, 2, 3)).abs().max() < 1e-5
        assert (half.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-3


def test_separate_norm_is_two_passes_through_an_ordinary_layer():
    source, target = domain_batches()
    ours, plain = domain_norm.DomainNorm(5, "separate"), torch.nn.BatchNorm2d(5)
    assert torch.allclose(
        ours(torch.cat([source, target])), torch.cat([plain(source), plain(target)])
    )
    assert torch.allclose(ours.running_mean, plain.running_mean)
    assert torch.allclose(ours.running_var, plain.running_var)


@pytest.mark.parametrize("side", [0, 1])
def test_own_norm_evaluates_each_domain_by_its_own_average(side):
    batches = domain_batches()
    ours, plain = domain_norm.DomainNorm(5, "own"), torch.nn.BatchNorm2d(5)
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


# --- recipes ---


def test_schedules_begin_and_end_where_the_paper_says():
    assert recipes.lambda_at(0, 1) == 0
    assert recipes.lambda_at(1, 2) == pytest.approx(2 * (2 / (1 + math.exp(-10)) - 1))
    assert recipes.ganin_decay(0) == 1
    assert recipes.ganin_decay(1) == pytest.approx(11**-0.75)
    assert recipes.one_cycle(0.2) == pytest.approx(1) and recipes.one_cycle(1) == pytest.approx(0)


def test_inversion_inverts_each_channel_or_leaves_it():
    x = torch.rand(50, 3, 4, 4)
    found = recipes.augmented(x, "invert", torch.Generator().manual_seed(0))
    same = torch.isclose(found, x).all((2, 3))
    inverted = torch.isclose(found, 1 - x).all((2, 3))
    assert (same | inverted).all() and 0.3 < same.float().mean() < 0.7
    assert (same.sum(1) % 3 != 0).any()  # the channels of one picture fall independently


def test_recolouring_stays_in_range_and_keeps_the_drawing():
    x = torch.rand(50, 3, 4, 4)
    found = recipes.augmented(x, "recolour", torch.Generator().manual_seed(0))
    assert found.min() >= 0 and found.max() <= 1
    a, b = x.flatten(2), found.flatten(2)
    a, b = (v - v.mean(2, keepdim=True) for v in (a, b))
    assert (F.cosine_similarity(a, b, dim=2).abs() > 0.999).float().mean() > 0.95


@pytest.mark.parametrize("wrong", [{"method": "dnan"}, {"augment": "x"}, {"schedule": "x"}])
def test_unknown_parts_of_a_recipe_are_refused(wrong):
    with pytest.raises(ValueError, match="expected one of"):
        recipes.Recipe(**wrong)


# --- training ---


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
    one, two = (fitting.fit(trainer(domains)) for _ in range(2))
    assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)
    found = [check.validators["information"] for check in one.checks]
    assert one.chosen == int(np.argmax(found))


def test_the_oracle_decides_nothing(domains):
    plain = fitting.fit(trainer(domains))
    watched = fitting.fit(trainer(domains), watch=lambda net: 1.0 if net is None else 0.0)
    assert watched.chosen == plain.chosen
    assert all(torch.equal(plain.state[name], watched.state[name]) for name in plain.state)


def test_target_labels_do_not_touch_any_training_but_the_upper_bound(domains):
    shuffled = digits.Digits(domains.target.x, domains.target.y.flip(0))
    other = replace(domains, target=shuffled)
    for method in ("source_only", "dann", "no_reversal"):
        recipe = replace(QUICK, method=method, steps=6, checks=2)
        one, two = (adaptation.train(d, recipe, 0) for d in (domains, other))
        assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)


def test_a_stopped_training_goes_on_to_the_same_result(domains, tmp_path):
    whole = fitting.fit(trainer(domains))
    file = tmp_path / "half.pt"
    calls = []

    def stop_at_second(net):
        calls.append(net)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        fitting.fit(trainer(domains), stop_at_second, file)
    resumed = fitting.fit(trainer(domains), checkpoint=file)
    assert [check.step for check in resumed.checks] == [10, 20, 30]
    assert all(torch.equal(whole.state[name], resumed.state[name]) for name in whole.state)


def test_a_checkpoint_of_another_recipe_or_seed_is_refused(domains, tmp_path):
    file = tmp_path / "a.pt"
    fitting.fit(trainer(domains, replace(QUICK, steps=3)), checkpoint=file)
    for other in (trainer(domains, replace(QUICK, steps=6)), trainer(domains, QUICK, seed=1)):
        with pytest.raises(ValueError, match="another recipe"):
            fitting.fit(other, checkpoint=file)


def test_training_stops_when_the_validator_no_longer_rises(domains, monkeypatch):
    monkeypatch.setitem(scores.VALIDATORS, "information", lambda p: 0.0)
    recipe = replace(QUICK, steps=20, checks=10, patience=2)
    done = fitting.fit(trainer(domains, recipe))
    assert len(done.checks) == 10  # a tie keeps the later network
    falling = iter(range(100, 0, -1))
    monkeypatch.setitem(scores.VALIDATORS, "information", lambda p: float(next(falling)))
    done = fitting.fit(trainer(domains, recipe))
    assert len(done.checks) == 4 and done.chosen == 0


# --- scores ---


def test_information_is_zero_for_one_class_and_highest_for_sure_and_varied_predictions():
    sure = torch.eye(10).repeat(5, 1)
    assert scores.information(sure) == pytest.approx(math.log(10), rel=1e-5)
    assert scores.information(sure[:1].expand(50, -1)) == pytest.approx(0, abs=1e-6)
    assert scores.information(torch.full((50, 10), 0.1)) == pytest.approx(0, abs=1e-6)
    assert scores.negative_entropy(sure[:1].expand(50, -1)) == pytest.approx(0, abs=1e-6)


def test_neighbourhood_density_is_higher_for_tight_clusters():
    rng = torch.Generator().manual_seed(0)
    scattered = torch.rand(200, 10, generator=rng).pow(4)
    scattered = scattered / scattered.sum(1, keepdim=True)
    clustered = torch.eye(10).repeat(20, 1)
    density = scores.neighbourhood_density
    assert density(clustered) == pytest.approx(math.log(19), rel=1e-3)
    assert density(clustered) > density(scattered)


def test_a_distance_is_small_for_one_distribution_and_two_for_separate_ones():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1600, 8, generator=rng)
    assert scores.proxy_a_distance(x[:800], x[800:]) < 0.35
    assert scores.proxy_a_distance(x[:800], x[800:] + 8) == pytest.approx(2)


def test_confidence_curve_by_hand():
    p = torch.full((4, 10), 0.01)
    p[[0, 1, 2, 3], [0, 1, 2, 3]] = torch.tensor([0.99, 0.9, 0.8, 0.3])
    curve = scores.confidence_curve(p, torch.tensor([0, 1, 9, 9]), (0.2, 0.85, 0.95, 1.0))
    assert [c.coverage for c in curve] == [1, 0.5, 0.25, 0]
    assert [c.precision for c in curve[:3]] == [0.5, 1, 1] and math.isnan(curve[3].precision)


def test_rank_correlation_and_per_class_by_hand():
    assert scores.rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert scores.rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    y = torch.arange(10).repeat(2)
    predicted = y.clone()
    predicted[0] = 5
    assert scores.per_class(predicted, y).tolist() == [0.5] + [1.0] * 9


# --- pseudo-labels ---


def confused(outcome):
    """The same network, but for its answers, which are all moved on by one digit."""
    state = {name: value.clone() for name, value in outcome.state.items()}
    for name in ("label_head.2.weight", "label_head.2.bias"):
        state[name] = state[name].roll(1, 0)
    return replace(outcome, state=state)


def test_wrong_answers_on_the_target_make_the_way_back_worse(domains):
    recipe = replace(QUICK, steps=100)
    outcome = adaptation.train(domains, recipe, seed=0)
    there_and_back = [
        selection.reverse_accuracy(domains, recipe, end, steps=40)
        for end in (outcome, confused(outcome))
    ]
    assert there_and_back[0] > 0.5 > there_and_back[1] + 0.2


def test_reverse_validation_reads_no_target_label(domains):
    blind = replace(
        domains, target=digits.Digits(domains.target.x, torch.zeros_like(domains.target.y))
    )
    outcome = adaptation.train(domains, QUICK, seed=0)
    found = [selection.reverse_accuracy(data, QUICK, outcome, 10) for data in (domains, blind)]
    assert found[0] == found[1]


def test_the_best_candidate_is_the_first_with_the_best_way_back():
    made = [selection.Tried(QUICK, None, value) for value in (0.2, 0.7, 0.7)]
    assert selection.best(made) is made[1]


def test_only_certain_predictions_become_labels():
    p = torch.tensor([[0.95, 0.05], [0.5, 0.5], [0.1, 0.9]])
    index, labels = pseudo.select(p, 0.9)
    assert index.tolist() == [0, 2] and labels.tolist() == [0, 1]


def test_a_balanced_draw_gives_rare_digits_their_share():
    y = torch.tensor([0] * 990 + [1] * 10)
    rng = torch.Generator().manual_seed(0)
    share = (y[pseudo.draw(y, 2000, True, rng)] == 1).float().mean()
    assert 0.45 < share < 0.55
    assert (y[pseudo.draw(y, 2000, False, rng)] == 1).float().mean() < 0.03


def test_shifts_move_whole_pictures_by_whole_pixels():
    x = torch.zeros(30, 3, 28, 28)
    x[:, :, 14, 14] = 1
    moved = pseudo.shifted(x, 2, torch.Generator().manual_seed(0))
    assert (moved.sum((2, 3)) == 1).all()
    _, _, rows, columns = moved.nonzero(as_tuple=True)
    assert set(rows.tolist()) == set(columns.tolist()) == {12, 13, 14, 15, 16}
    assert torch.equal(rows.view(30, 3)[:, :1].expand(-1, 3), rows.view(30, 3))


def test_pseudo_labels_use_no_target_label_and_report_each_round(domains):
    teacher = adaptation.train(domains, replace(QUICK, steps=150), 0)
    recipe = pseudo.PseudoRecipe(threshold=0.5, rounds=2, steps=10, batch_size=32, pool=300)
    shuffled = replace(domains, target=digits.Digits(domains.target.x, domains.target.y.flip(0)))
    one, two = (adaptation.teach_itself(d, recipe, teacher) for d in (domains, shuffled))
    assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)
    assert len(one.refined.rounds) == 2
    first = one.refined.rounds[0]
    assert [c.threshold for c in first.curve] == list(adaptation.THRESHOLDS)
    assert first.kept == pytest.approx(first.curve[0].coverage)
    assert first.curve[0].precision > two.refined.rounds[0].curve[0].precision


def test_no_certain_prediction_leaves_the_network_as_it_was(domains):
    teacher = adaptation.train(domains, replace(QUICK, steps=3), 0)
    recipe = pseudo.PseudoRecipe(threshold=1.1, rounds=2, steps=5)
    done = adaptation.teach_itself(domains, recipe, teacher)
    assert [r.kept for r in done.refined.rounds] == [0, 0] and done.refined.chosen == -1
    assert all(torch.equal(done.state[name], teacher.state[name]) for name in teacher.state)


# --- whole runs and the command line ---


def test_training_learns_the_source_and_adapts(domains):
    recipe = replace(QUICK, steps=150, checks=2)
    found = {m: adaptation.train(domains, replace(recipe, method=m), 0) for m in recipes.METHODS}
    assert found["dann"].source_accuracy > 0.85
    assert found["target_only"].target_accuracy > found["source_only"].target_accuracy
    assert found["dann"].confusion.sum() == 500
    assert found["no_reversal"].a_distance > found["dann"].a_distance


@pytest.fixture(scope="module")
def kept(domains, tmp_path_factory):
    outcome = adaptation.train(domains, replace(QUICK, steps=150), 0)
    file = tmp_path_factory.mktemp("models") / "net.pt"
    models.save_model(file, outcome)
    return file, outcome


def test_a_kept_network_is_small_and_reads_as_before(domains, kept):
    file, outcome = kept
    x = domains.target_test.x[:200]
    before = scores.probabilities(outcome.net(), x)
    after = scores.probabilities(models.load_model(file), x)
    assert (before - after).abs().max() < 0.02
    assert file.stat().st_size < 1_000_000


@pytest.mark.parametrize("side", [28, 32])
def test_evaluate_prints_the_accuracy_on_a_folder(domains, kept, tmp_path, capsys, side):
    file, outcome = kept
    test = domains.target_test
    lines = []
    for i in range(60):
        image = Image.fromarray(test.x[i].permute(1, 2, 0).numpy()).resize((side, side))
        image.save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png {test.y[i]}")
    (tmp_path / "labels.txt").write_text("\n".join(lines))
    assert models.main(["evaluate", str(tmp_path), "--model", str(file)]) == 0
    printed = float(capsys.readouterr().out.split("accuracy")[1].split()[0])
    plain = adaptation.accuracy_on(test.first(60))(outcome.net())
    assert printed == pytest.approx(plain, abs=0.02 if side == 28 else 0.15)


def test_evaluate_names_what_is_wrong(tmp_path, kept, capsys):
    arguments = ["evaluate", str(tmp_path), "--model", str(kept[0])]
    assert models.main(arguments) == 1
    assert "--labels" in capsys.readouterr().err
    (tmp_path / "labels.txt").write_text("absent.png 3\n")
    assert models.main(arguments) == 1
    assert "absent.png" in capsys.readouterr().err
    assert models.main(["evaluate", str(tmp_path / "no-folder"), "--model", str(kept[0])]) == 1
    assert "no-folder is not a folder" in capsys.readouterr().err
