"""Scores of maps: values worked out by hand, ends of their range, and the controls."""

import numpy as np
import pytest
import torch
from torch import nn

from practicals.networks import backbones
from practicals.saliency import faithfulness as scores
from practicals.saliency import localisation, methods


@pytest.fixture
def bright_corner():
    """A network whose class 0 is the brightness of the upper left quarter, and white pictures."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2, bias=False))
    weights = torch.zeros(2, 3, 8, 8)
    weights[0, :, :4, :4] = 0.2
    net[1].weight.data = weights.flatten(1)
    return net, torch.ones(3, 3, 8, 8), torch.zeros(3, dtype=torch.long)


def corner_map(n=3, invert=False):
    maps = torch.zeros(n, 8, 8)
    maps[:, :4, :4] = 1
    return 1 - maps if invert else maps


@pytest.mark.parametrize("insert", [True, False])
def test_the_right_map_wins_insertion_and_deletion(bright_corner, insert):
    net, x, y = bright_corner
    maps = {"right": corner_map(), "wrong": corner_map(invert=True)}
    curves = scores.curves(net, x, y, maps, torch.zeros_like(x), 2, insert)
    whole, empty = torch.sigmoid(torch.tensor(48 * 0.2)).item(), 0.5
    first, last = (empty, whole) if insert else (whole, empty)
    # The corner is a quarter of the picture: after one quarter all of it is in, or nothing yet.
    np.testing.assert_allclose(curves["right"][0], [last, last], rtol=1e-5)
    np.testing.assert_allclose(curves["wrong"][0], [first, first], rtol=1e-5)


def test_controls_know_no_network():
    x = torch.rand(2, 3, 32, 32)
    x[..., 16:] = 0
    assert methods.centre_map(x).argmax().item() // 32 in (15, 16)
    edges = methods.edge_map(torch.ones(1, 3, 8, 8))
    assert edges.abs().max() < 1e-5, "a flat picture has no edges, not even at its frame"
    a, b = (methods.random_map(x, torch.Generator().manual_seed(1)) for _ in range(2))
    assert a.shape == (2, 32, 32) and torch.equal(a, b)


def test_spearman_agrees_with_scipy_also_with_ties():
    from scipy import stats

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (2, 3, 9, 9)).astype(np.float32)
    found = scores.rank_correlation(torch.from_numpy(a), torch.from_numpy(b))
    for i in range(3):
        expected = stats.spearmanr(a[i].ravel(), b[i].ravel()).statistic
        assert found[i] == pytest.approx(expected, abs=1e-9)
    assert scores.rank_correlation(torch.zeros(1, 3, 3), torch.rand(1, 3, 3)) == 0


def test_boxes_and_overlap_by_hand():
    mask = np.zeros((10, 12), bool)
    mask[2:6, 3:9] = True
    assert localisation.box_of(mask) == (3, 2, 9, 6)
    assert localisation.box_iou(mask, (3, 2, 9, 6)) == 1
    assert localisation.box_iou(mask, (3, 2, 6, 6)) == 0.5
    assert localisation.box_of(np.zeros((4, 4), bool)) == (0, 0, 0, 0)
    assert localisation.iou(np.zeros((4, 4), bool), np.zeros((4, 4), bool)) == 0


def test_the_larger_of_two_parts_is_kept():
    heat = np.zeros((40, 40))
    heat[5:20, 5:20] = 1
    heat[30:33, 30:33] = 1
    found = localisation.by_threshold(heat, keep=0.15)
    assert found[10, 10] and not found[31, 31]


def test_leading_pixels_are_counted_exactly_also_among_ties():
    masks = scores.leading(torch.zeros(2, 10, 10), np.array([0.1, 0.5]))
    assert masks.shape == (2, 2, 1, 10, 10)
    assert masks.sum((2, 3, 4)).tolist() == [[10, 10], [50, 50]]
    assert (masks[1] | ~masks[0]).all(), "the larger fraction holds the smaller"
    assert masks[1, 0, 0].any(1).all(), "ties are spread, not taken from the top"


def test_the_highest_values_lead():
    heat = torch.rand(1, 6, 9)
    mask = scores.leading(heat, np.array([1 / 3]))[0, 0, 0]
    assert heat[0][mask].min() > heat[0][~mask].max()


@pytest.mark.parametrize("shape", [(8, 8), (7, 12), (2, 5)])
def test_mosaics_hold_four_pictures_at_known_places(shape):
    x = torch.arange(9).view(9, 1, 1, 1).expand(9, 3, *shape) / 10
    whole, y, cells = localisation.mosaics(x, torch.arange(9))
    half = tuple(side // 2 for side in shape)
    assert whole.shape == (8, 3, 2 * half[0], 2 * half[1])
    assert y.tolist() == list(range(8))
    for picture, label, cell in zip(whole, y, cells, strict=True):
        assert torch.allclose(picture[:, cell], label / 10)
        assert cell.sum() == half[0] * half[1]


@pytest.mark.parametrize("x", [torch.rand(3, 3, 8, 8), torch.rand(4, 3, 1, 8)])
def test_too_few_or_too_small_pictures_make_no_mosaic(x):
    with pytest.raises(ValueError, match="four pictures"):
        localisation.mosaics(x, torch.zeros(len(x)))


def test_pointing_and_mass_inside():
    masks = corner_map().bool()
    assert localisation.pointing(corner_map(), masks).tolist() == [1, 1, 1]
    assert localisation.pointing(corner_map(invert=True), masks).tolist() == [0, 0, 0]
    assert localisation.pointing(torch.ones(3, 8, 8), masks).tolist() == [0.25] * 3, "ties share"
    half = corner_map() + corner_map().roll(4, -1)
    np.testing.assert_allclose(localisation.inside(half - 5 * corner_map().roll(4, -2), masks), 0.5)
    with pytest.raises(ValueError, match="finite"):
        localisation.pointing(torch.full((3, 8, 8), float("nan")), masks)


def test_the_strength_of_a_map_and_not_its_sign_makes_an_outline():
    heat = np.zeros((20, 30))
    heat[4:10, 5:15] = -3.0
    heat[14:18, 20:26] = 1.0
    found = localisation.by_threshold(heat, keep=0.15, smooth=0.001)
    assert found[6, 10] and not found[15, 22]


def test_grey_is_zero_after_normalisation():
    net = backbones.build("squeezenet1_0", "cpu")
    x = torch.rand(2, 3, 9, 11)
    assert net.normalise(scores.grey(net, x)).abs().max() < 1e-6
    assert scores.grey(nn.Identity(), x).abs().max() == 0


def test_the_blur_is_that_of_the_published_insertion():
    """The authors' kernel on normalised pictures: a point filtered by scipy, zeros beyond."""
    from scipy import ndimage, signal

    net = backbones.build("squeezenet1_0", "cpu")
    x = torch.rand(1, 3, 24, 30)
    point = np.zeros((11, 11))
    point[5, 5] = 1
    kernel = ndimage.gaussian_filter(point, 5)
    normalised = net.normalise(x)[0].numpy()
    expected = np.stack([signal.convolve2d(c, kernel, mode="same") for c in normalised])
    found = net.normalise(scores.blurred(net, x))[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_shuffled_network_keeps_its_last_weights_in_another_order():
    net = backbones.build("smallvgg").eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    other = scores.shuffled(net, 1)
    changed = {k for k, v in other.state_dict().items() if not torch.equal(v, before[k])}
    assert {key.rsplit(".", 1)[0] for key in changed} == {"steps.fc8"}
    weight = other.state_dict()["steps.fc8.weight"].flatten().sort()[0]
    assert torch.equal(weight, before["steps.fc8.weight"].flatten().sort()[0])
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    again = scores.shuffled(net, 1).state_dict()["steps.fc8.weight"]
    assert torch.equal(again, other.state_dict()["steps.fc8.weight"])
