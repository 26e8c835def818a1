"""Training from scratch: what is trained on what, for how long, and judged by what."""

import numpy as np
import pytest
import torch
from torch import nn

from practicals.data import images, pictures
from practicals.data.pictures import ImageSet
from practicals.transfer import classifiers, scratch
from practicals.transfer.scratch import Effort, Pixels


@pytest.fixture(scope="module")
def data():
    """Two classes of 16 × 16 pixels: light above, and light below."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (60, 3, 16, 16))
    y = np.arange(60) % 2
    x[y == 0, :, :8] += 120
    x[y == 1, :, 8:] += 120
    x, y = torch.from_numpy(x.astype(np.uint8)), torch.from_numpy(y)
    return Pixels(x[:40], y[:40], x[40:], y[40:])


@pytest.mark.parametrize("variant", scratch.VARIANTS)
def test_every_variant_learns_and_repeats(data, variant):
    one, two = (
        scratch.train(data, Effort(15, 10), variant, np.arange(40), 0.02, seed=3) for _ in "ab"
    )
    assert one.train_accuracy > 0.9 and (one.predicted == data.y_test.numpy()).mean() > 0.9
    np.testing.assert_array_equal(one.predicted, two.predicted)
    assert one.steps == 15


def test_an_unknown_variant_is_refused(data):
    with pytest.raises(ValueError, match="expected one of"):
        scratch.train(data, Effort(1, 1), "layer norm", np.arange(40), 0.1, 0)


def test_variants_have_batch_norm_and_augmentation_as_named(data, monkeypatch):
    seen = {}
    fit = scratch.training.fit

    def spy(net, *rest, augment=None, **more):
        seen[name] = (any(isinstance(m, nn.BatchNorm2d) for m in net.modules()), bool(augment))
        return fit(net, *rest, augment=augment, **more)

    monkeypatch.setattr(scratch.training, "fit", spy)
    for name in scratch.VARIANTS:
        scratch.train(data, Effort(1, 1), name, np.arange(40), 0.01, 0)
    assert seen == scratch.VARIANTS


def test_effort_counts_epochs_and_steps():
    effort = Effort(epochs=20, steps=150)
    assert effort.of(1500) == 20  # 600 steps
    assert effort.of(75) == 75 and effort.of(50) == 150 and effort.of(20) == 150


def test_small_net_has_the_widths_and_no_batch_norm_unless_asked():
    net = scratch.small_net(15, 32, batch_norm=False)
    widths = [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert tuple(widths) == scratch.WIDTHS and net.fc.in_features == 4 * scratch.WIDTHS[-1]
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 15)
    grey = torch.tensor([0.2, 0.7]).view(2, 1, 1, 1)
    assert torch.allclose(net.standardise(grey).flatten(), torch.tensor([-1.0, 1.0]))


def test_curves_draw_their_pictures_by_seed(data, monkeypatch):
    seen = []
    monkeypatch.setattr(scratch, "train", lambda *a: seen.append(a))
    scratch.curve_fit(data, Effort(1, 1), "plain", 0.1, 3, seed=5)
    expected = classifiers.draw(data.y.numpy(), 3, 5)
    np.testing.assert_array_equal(seen[0][3], expected)
    assert seen[0][4:] == (0.1, 5)


def test_the_step_size_is_tried_on_training_pictures_alone(data, monkeypatch):
    seen = []

    def answer(inside, effort, variant, index, lr, seed):
        seen.append((inside, index))
        return scratch.Fit(1.0, inside.y_test.numpy(), lr, 1)

    monkeypatch.setattr(scratch, "train", answer)
    assert scratch.try_lr(data, Effort(1, 1), "plain", 0.1, 4, seed=1) == 1
    inside, index = seen[0]
    rest = np.setdiff1d(np.arange(40), index)
    assert len(index) == 8 and torch.equal(inside.x_test, data.x[rest])
    assert torch.equal(inside.y_test, data.y[rest])
    assert scratch.best_lr([0.3, 0.5, 0.5], (1.0, 2.0, 3.0)) == 2.0


def test_pixels_are_the_whole_picture():
    (x, y, classes), _ = pictures.patches(pictures.GREY[:3], 2, 1, side=64)
    shown = scratch.pixels(ImageSet(list(x), y, classes), 16)
    assert shown.shape == (6, 3, 16, 16) and shown.dtype == torch.uint8
    first = np.array(images.squash(images.read(x[0]), 16))
    np.testing.assert_array_equal(shown[0].permute(1, 2, 0), first)
