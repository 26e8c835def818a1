"""Scores of maps: values worked out by hand, ends of their range, and the controls."""

import numpy as np
import pytest
import torch
from torch import nn

from practicals.networks import backbones
from practicals.saliency import faithfulness as scores
from practicals.saliency import localisation, maps, methods, sanity

FRACTIONS = np.tile([0.25, 0.5, 0.75], (3, 1))


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
    curves = scores.curves(net, x, y, maps, torch.zeros_like(x), FRACTIONS, insert)
    whole, empty = torch.sigmoid(torch.tensor(48 * 0.2)).item(), 0.5
    first, last = (empty, whole) if insert else (whole, empty)
    np.testing.assert_allclose(curves["right"][0], [last, last, last], rtol=1e-5)
    np.testing.assert_allclose(curves["wrong"][0], [first, first, first], rtol=1e-5)


def test_fractions_are_shared_out_evenly_and_are_the_middles_of_equal_parts():
    shared = scores.grid(51, 3, 0, 34)
    assert shared.shape == (34, 3)
    np.testing.assert_allclose(np.diff(shared, axis=1), 17 / 51)
    places, counts = np.unique(shared.round(9), return_counts=True)
    np.testing.assert_allclose(places, (np.arange(51) + 0.5) / 51)
    assert (counts == 2).all()
    np.testing.assert_allclose(scores.grid(51, 3, 20, 14), shared[20:])
    with pytest.raises(ValueError, match="multiple of 4"):
        scores.grid(51, 4, 0, 1)


def test_the_mean_over_shared_fractions_is_the_area_of_a_known_curve():
    """For p(f) = f² the area is 1/3; the mean over pictures of their three points must find it."""
    values = scores.grid(51, 3, 0, 51) ** 2
    assert values.mean() == pytest.approx(1 / 3, abs=1e-4)


def test_leading_pixels_are_counted_exactly_also_among_ties():
    masks = scores.leading(torch.zeros(2, 10, 10), np.array([[0.1, 0.5], [0.2, 0.7]]))
    assert masks.shape == (2, 2, 1, 10, 10)
    assert masks.sum((2, 3, 4)).tolist() == [[10, 20], [50, 70]]
    assert (masks[1] | ~masks[0]).all(), "the larger fraction holds the smaller"
    rows = masks[1, 0, 0].any(1)
    assert rows.all(), "ties are spread, not taken from the top"


def test_infidelity_of_a_perfect_and_of_an_empty_map(bright_corner):
    net, x, y = bright_corner
    exact = maps.gradient_x_input(net, x, y)
    tried = {"exact": exact, "scaled": 7 * exact, "empty": torch.zeros_like(exact)}
    found = scores.infidelity(net, x, y, tried, count=20)
    np.testing.assert_allclose(found["exact"], 0, atol=1e-6)
    np.testing.assert_allclose(found["scaled"], 0, atol=1e-6)
    np.testing.assert_allclose(found["empty"], 1)


def test_mosaics_hold_four_pictures_at_known_places():
    x = torch.arange(9).view(9, 1, 1, 1).expand(9, 3, 8, 8) / 10
    whole, y, cells = localisation.mosaics(x, torch.arange(9))
    assert whole.shape == (8, 3, 8, 8) and cells.shape == (8, 8, 8)
    assert y.tolist() == list(range(8))
    for picture, label, cell in zip(whole, y, cells, strict=True):
        assert torch.allclose(picture[:, cell], label / 10)
        assert cell.sum() == 16


def test_pointing_and_mass_inside():
    masks = corner_map().bool()
    assert localisation.pointing(corner_map(), masks).tolist() == [1, 1, 1]
    assert localisation.pointing(corner_map(invert=True), masks).tolist() == [0, 0, 0]
    half = corner_map() + corner_map().roll(4, -1)
    np.testing.assert_allclose(localisation.inside(half - 5 * corner_map().roll(4, -2), masks), 0.5)


def test_controls_know_no_network():
    x = torch.rand(2, 3, 32, 32)
    x[..., 16:] = 0
    assert methods.centre_map(x).argmax().item() // 32 in (15, 16)
    edges = methods.edge_map(torch.ones(1, 3, 8, 8))
    assert edges.abs().max() < 1e-5, "a flat picture has no edges, not even at its frame"
    a, b = (methods.random_map(x, torch.Generator().manual_seed(1)) for _ in range(2))
    assert a.shape == (2, 32, 32) and torch.equal(a, b)


@pytest.mark.parametrize("side", [9, 64, 224])
def test_blur_keeps_size_and_mean_brightness(side):
    x = torch.rand(1, 3, side, side)
    blurred = scores.blurred(x)
    assert blurred.shape == x.shape
    assert blurred.std() < x.std()
    assert abs(blurred.mean() - x.mean()) < 0.05


def test_spearman_agrees_with_scipy_also_with_ties():
    from scipy import stats

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (2, 3, 9, 9)).astype(np.float32)
    found = sanity.spearman(torch.from_numpy(a), torch.from_numpy(b))
    for i in range(3):
        expected = stats.spearmanr(a[i].ravel(), b[i].ravel()).statistic
        assert found[i] == pytest.approx(expected, abs=1e-9)
    assert sanity.spearman(torch.zeros(1, 3, 3), torch.rand(1, 3, 3)) == 0


def test_the_cascade_randomises_from_the_top_and_spares_the_original():
    net = backbones.build("smallvgg").eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    names = []
    for name, copied in sanity.cascade(net):
        names.append(name)
        changed = {
            key.split(".")[1]
            for key, value in copied.state_dict().items()
            if key.endswith("weight") and not torch.equal(value, before[key])
        }
        assert changed == set(names)
        if len(names) == 3:
            break
    assert names == ["fc8", "fc7", "fc6"]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_shuffled_layer_keeps_its_values():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    (_, copied), *_ = sanity.cascade(net)
    assert torch.equal(copied[3].weight.flatten().sort()[0], net[3].weight.flatten().sort()[0])


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


def test_colours_carry_the_seeds_to_the_outline():
    """A red disc on grey; the map marks only a spot inside it."""
    rows, columns = np.mgrid[:64, :64]
    disc = (rows - 32) ** 2 + (columns - 32) ** 2 < 18**2
    picture = np.where(disc[..., None], [200, 30, 30], [120, 120, 120]).astype(np.uint8)
    distance = np.hypot(rows - 32, columns - 32)
    heat = np.exp(-(distance**2) / 50) + 1e-3 * (distance < 26)
    assert localisation.iou(localisation.by_colour(picture, heat), disc) > 0.85
