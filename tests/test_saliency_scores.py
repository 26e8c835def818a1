"""Scores of maps: values worked out by hand, ends of their range, and the controls."""

import numpy as np
import pytest
import torch
from torch import nn

from practicals import backbones, saliency, saliency_controls, saliency_sanity, segmentation
from practicals import saliency_scores as scores

FRACTIONS = (0, 0.25, 0.5, 0.75, 1)


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
    np.testing.assert_allclose(curves["right"][0], [first, last, last, last, last], rtol=1e-5)
    np.testing.assert_allclose(curves["wrong"][0], [first, first, first, first, last], rtol=1e-5)
    areas = {name: scores.area(curve, FRACTIONS)[0] for name, curve in curves.items()}
    assert (areas["right"] > areas["wrong"]) == insert


def test_area_of_a_straight_line():
    fractions = (0, 0.1, 0.7, 1)
    np.testing.assert_allclose(scores.area(np.array([[0, 0.1, 0.7, 1.0]]), fractions), [0.5])


def test_leading_pixels_are_counted_exactly_also_among_ties():
    masks = scores.leading(torch.zeros(2, 10, 10), (0.1, 0.5))
    assert masks.shape == (2, 2, 1, 10, 10)
    assert masks.sum((2, 3, 4)).tolist() == [[10, 10], [50, 50]]
    assert (masks[1] | ~masks[0]).all(), "the larger fraction holds the smaller"
    rows = masks[1, 0, 0].any(1)
    assert rows.all(), "ties are spread, not taken from the top"


def test_infidelity_of_a_perfect_and_of_an_empty_map(bright_corner):
    net, x, y = bright_corner
    exact = saliency.gradient_x_input(net, x, y)
    maps = {"exact": exact, "scaled": 7 * exact, "empty": torch.zeros_like(exact)}
    found = scores.infidelity(net, x, y, maps, count=20)
    np.testing.assert_allclose(found["exact"], 0, atol=1e-6)
    np.testing.assert_allclose(found["scaled"], 0, atol=1e-6)
    np.testing.assert_allclose(found["empty"], 1)


def test_mosaics_hold_four_pictures_at_known_places():
    x = torch.arange(9).view(9, 1, 1, 1).expand(9, 3, 8, 8) / 10
    whole, y, cells = scores.mosaics(x, torch.arange(9))
    assert whole.shape == (8, 3, 8, 8) and cells.shape == (8, 8, 8)
    assert y.tolist() == list(range(8))
    for picture, label, cell in zip(whole, y, cells, strict=True):
        assert torch.allclose(picture[:, cell], label / 10)
        assert cell.sum() == 16


def test_pointing_and_mass_inside():
    masks = corner_map().bool()
    assert scores.pointing(corner_map(), masks).tolist() == [1, 1, 1]
    assert scores.pointing(corner_map(invert=True), masks).tolist() == [0, 0, 0]
    half = corner_map() + corner_map().roll(4, -1)
    np.testing.assert_allclose(scores.inside(half - 5 * corner_map().roll(4, -2), masks), 0.5)


def test_paired_test_sees_a_small_steady_difference():
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    assert scores.paired_p(a, a) == 1
    assert scores.paired_p(a, a + 0.1 + 0.01 * rng.normal(size=200)) < 1e-10
    assert scores.paired_p(a, a + rng.normal(size=200)) > 0.001


def test_holm_by_hand():
    np.testing.assert_allclose(scores.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(scores.holm([0.5, 0.9]), [1, 1])


def test_controls_know_no_network():
    x = torch.rand(2, 3, 32, 32)
    x[..., 16:] = 0
    assert saliency_controls.centre_map(x).argmax().item() // 32 in (15, 16)
    edges = saliency_controls.edge_map(torch.ones(1, 3, 8, 8))
    assert edges.abs().max() < 1e-5, "a flat picture has no edges, not even at its frame"
    a, b = (saliency_controls.random_map(x, torch.Generator().manual_seed(1)) for _ in range(2))
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
    found = saliency_sanity.spearman(torch.from_numpy(a), torch.from_numpy(b))
    for i in range(3):
        expected = stats.spearmanr(a[i].ravel(), b[i].ravel()).statistic
        assert found[i] == pytest.approx(expected, abs=1e-9)
    assert saliency_sanity.spearman(torch.zeros(1, 3, 3), torch.rand(1, 3, 3)) == 0


def test_ssim_agrees_with_scikit_image():
    from skimage.metrics import structural_similarity

    a, b = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(0)).double()
    b = (a + b) / 2
    found = saliency_sanity.ssim(a, b)
    for i in range(3):
        expected = structural_similarity(a[i].numpy(), b[i].numpy(), data_range=1.0)
        assert found[i] == pytest.approx(expected, abs=1e-9)


def test_the_cascade_randomises_from_the_top_and_spares_the_original():
    net = backbones.build("smallvgg").eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    names = []
    for name, copied in saliency_sanity.cascade(net):
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
    (_, copied), *_ = saliency_sanity.cascade(net)
    assert torch.equal(copied[3].weight.flatten().sort()[0], net[3].weight.flatten().sort()[0])


def test_spread_by_seed_falls_with_the_number_of_samples():
    truth = torch.rand(2, 16, 16)

    def method(samples):
        return lambda rng: truth + torch.randn(samples, 2, 16, 16, generator=rng).mean(0) / 4

    few, many = (saliency_sanity.spread_by_seed(method(n), 3) for n in (2, 64))
    assert (few[0] < many[0]).all() and (few[1] > many[1]).all()


def test_boxes_and_overlap_by_hand():
    mask = np.zeros((10, 12), bool)
    mask[2:6, 3:9] = True
    assert segmentation.box_of(mask) == (3, 2, 9, 6)
    assert segmentation.box_iou(mask, (3, 2, 9, 6)) == 1
    assert segmentation.box_iou(mask, (3, 2, 6, 6)) == 0.5
    assert segmentation.box_of(np.zeros((4, 4), bool)) == (0, 0, 0, 0)
    assert segmentation.iou(np.zeros((4, 4), bool), np.zeros((4, 4), bool)) == 0


def test_the_larger_of_two_parts_is_kept():
    heat = np.zeros((40, 40))
    heat[5:20, 5:20] = 1
    heat[30:33, 30:33] = 1
    found = segmentation.by_threshold(heat, keep=0.15)
    assert found[10, 10] and not found[31, 31]


def test_colours_carry_the_seeds_to_the_outline():
    """A red disc on grey; the map marks only a spot inside it."""
    rows, columns = np.mgrid[:64, :64]
    disc = (rows - 32) ** 2 + (columns - 32) ** 2 < 18**2
    picture = np.where(disc[..., None], [200, 30, 30], [120, 120, 120]).astype(np.uint8)
    distance = np.hypot(rows - 32, columns - 32)
    heat = np.exp(-(distance**2) / 50) + 1e-3 * (distance < 26)
    assert segmentation.iou(segmentation.by_colour(picture, heat), disc) > 0.85


def test_a_method_beats_the_controls_only_if_it_beats_each():
    rng = np.random.default_rng(0)
    base = rng.normal(size=100)

    def near(shift):
        return base + shift + 0.05 * rng.normal(size=100)

    values = {"good": near(0.5), "middling": near(0.1), "a": near(0), "b": near(0.1)}
    assert scores.beats_all(values, ["a", "b"], higher=True) == {"good": True, "middling": False}
    assert scores.beats_all(values, ["a", "b"], higher=False) == {"good": False, "middling": False}
    assert scores.level_with_best(values, higher=True) == ["good"]
    twins = {"x": near(0), "y": near(0), "worse": near(1)}
    assert set(scores.level_with_best(twins, higher=False)) == {"x", "y"}
