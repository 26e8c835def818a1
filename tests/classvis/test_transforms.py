"""Transforms against torch.roll, SciPy and turns whose result is known."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage

from practicals.classvis import transforms
from practicals.classvis.parameterisation import generators


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.rand(3, 3, 9, 14)


def test_jitter_is_a_roll_per_picture(x):
    found = transforms.jitter(x, generators([1, 2, 3]), most=5)
    shifts = []
    for before, after in zip(x, found, strict=True):
        same = [
            (i, j)
            for i in range(6)
            for j in range(6)
            if torch.equal(torch.roll(before, (i, j), (1, 2)), after)
        ]
        assert len(same) == 1
        shifts += same
    assert len(set(shifts)) > 1, "each picture draws for itself"
    assert torch.equal(transforms.jitter(x, generators([1, 2, 3]), most=0), x)


def test_jitter_reaches_both_ends():
    x = torch.arange(5.0).view(1, 1, 1, 5).expand(400, 1, 5, 5)
    found = transforms.jitter(x, generators(range(400)), most=2)
    assert set((-found[:, 0, 0, 0] % 5).tolist()) == {0, 1, 2}


def test_jitter_rolls_gradients_back(x):
    leaf = x.clone().requires_grad_()
    rolled = transforms.jitter(leaf, generators([4, 4, 4]), most=6)
    (rolled * transforms.jitter(x, generators([4, 4, 4]), most=6)).sum().backward()
    torch.testing.assert_close(leaf.grad, x)


def test_crop_is_a_window(x):
    found = transforms.crop(x, generators([1, 2, 3]), most=3)
    assert found.shape == (3, 3, 6, 11)
    for before, after in zip(x, found, strict=True):
        windows = [before[:, i : i + 6, j : j + 11] for i in range(4) for j in range(4)]
        assert sum(torch.equal(window, after) for window in windows) == 1


def test_pad_is_grey_around(x):
    found = transforms.pad(x, generators([0] * 3), width=2)
    assert found.shape == (3, 3, 13, 18) and torch.equal(found[..., 2:-2, 2:-2], x)
    assert (found[..., :2, :] == 0.5).all() and (found[..., -2:] == 0.5).all()


def test_a_quarter_turn_is_rot90():
    x = torch.rand(2, 3, 8, 8)
    ones, quarter = torch.ones(2), torch.tensor([90.0, -90.0])
    found = transforms.turned(x, ones, quarter)
    torch.testing.assert_close(found[0], x[0].rot90(1, (-2, -1)), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[1], x[1].rot90(-1, (-2, -1)), atol=1e-5, rtol=0)


def test_a_half_turn_of_an_oblong_is_two_flips(x):
    found = transforms.turned(x, torch.ones(3), torch.full((3,), 180.0))
    torch.testing.assert_close(found, x.flip((-2, -1)), atol=1e-5, rtol=0)


def test_a_turned_oblong_keeps_its_proportions():
    """A point right of the centre of an oblong goes up by as many pixels."""
    x = torch.full((1, 1, 21, 41), 0.5)
    x[0, 0, 10, 26] = 1.0
    found = transforms.turned(x, torch.ones(1), torch.tensor([90.0]))[0, 0]
    assert np.unravel_index(found.argmax(), found.shape) == (4, 20)


def test_twice_as_large_doubles_distances_from_the_centre():
    x = torch.full((1, 1, 21, 21), 0.5)
    x[0, 0, 10, 13] = 1.0
    found = transforms.turned(x, torch.tensor([2.0]), torch.zeros(1))[0, 0]
    assert np.unravel_index(found.argmax(), found.shape) == (10, 16)
    small = transforms.turned(torch.zeros(1, 1, 20, 20), torch.tensor([0.5]), torch.zeros(1))[0, 0]
    assert small[10, 10].abs() < 1e-6 and small[0, 0] == 0.5, "outside it is grey"


def test_scale_and_rotate_draw_from_their_ranges():
    x, seeds = torch.rand(1, 3, 8, 8).expand(60, 3, 8, 8), range(60)
    for transform in (transforms.scale, transforms.scale_and_rotate):
        found = transform(x, generators(seeds))
        again = transform(x, generators(seeds))
        assert torch.equal(found, again) and len({one.sum().item() for one in found}) > 5
    still = transforms.scale_and_rotate(x[:2], generators([0, 1]), 1.0, 1.0, most=0)
    torch.testing.assert_close(still, x[:2], atol=1e-6, rtol=0)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(2, 3, 9, 14), (1, 3, 2, 3)])
def test_blur_is_scipys(sigma, shape):
    x = torch.rand(shape)
    theirs = ndimage.gaussian_filter(x.double().numpy(), (0, 0, sigma, sigma))
    np.testing.assert_allclose(transforms.blur(x, sigma), theirs, atol=1e-6)


def test_no_blur_and_bad_blurs(x):
    assert transforms.blur(x, 0) is x
    with pytest.raises(ValueError, match="deviation"):
        transforms.blur(x, -1)


def test_a_chain_applies_in_order(x):
    chained = transforms.chain(
        x, generators([7] * 3), (partial(transforms.pad, width=3), partial(transforms.crop, most=4))
    )
    padded = transforms.pad(x, [], 3)
    assert torch.equal(chained, transforms.crop(padded, generators([7] * 3), 4))
    assert transforms.chain(x, [], ()) is x


def test_bad_settings_are_refused(x):
    with pytest.raises(ValueError, match="0 pixels or more"):
        transforms.jitter(x, generators([0] * 3), most=-1)
    with pytest.raises(ValueError, match="cannot cut"):
        transforms.crop(x, generators([0] * 3), most=9)
    with pytest.raises(ValueError, match="positive scales"):
        transforms.turned(x, torch.zeros(3), torch.zeros(3))
    with pytest.raises(ValueError, match="zip"):
        transforms.jitter(x, generators([0]), most=1)
