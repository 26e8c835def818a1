"""Paths between z, and moments of digits whose slant and thickness are known."""

import numpy as np
import pytest
import torch

from practicals.gan import style


def stroke(lean=0.0, width=3):
    """Return a vertical bar that leans by ``lean`` pixels a pixel, uint8 (1, 32, 32)."""
    rows, columns = np.mgrid[:32, :32]
    inside = np.abs(columns - 15.5 + lean * (rows - 15.5)) < width / 2
    return (255 * (inside & (rows > 5) & (rows < 26))).astype(np.uint8)[None]


def test_the_path_keeps_the_length_and_meets_its_ends():
    a, b = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    path = style.on_the_sphere(a, b, torch.linspace(0, 1, 5))
    assert torch.allclose(path[0], a, atol=1e-5) and torch.allclose(path[-1], b, atol=1e-5)
    lengths = torch.lerp(a.norm(), b.norm(), torch.linspace(0, 1, 5))
    assert torch.allclose(path.norm(dim=1), lengths, rtol=1e-4)
    turns = torch.nn.functional.cosine_similarity(path[1:], path[:-1])
    assert turns.std() < 1e-5


def test_zeros_and_opposite_z_have_no_path():
    a, t = torch.ones(4), torch.linspace(0, 1, 3)
    with pytest.raises(ValueError, match="zero"):
        style.on_the_sphere(a, torch.zeros(4), t)
    with pytest.raises(ValueError, match="one line"):
        style.on_the_sphere(a, -a, t)


@pytest.mark.parametrize("lean", [-0.4, 0.0, 0.25])
def test_the_slant_is_the_shear(lean):
    assert style.slant(stroke(lean))[0] == pytest.approx(lean, abs=0.03)


def test_a_mirror_turns_the_slant_round_and_a_shift_does_not():
    x = stroke(0.3)
    assert style.slant(x[..., ::-1])[0] == pytest.approx(-style.slant(x)[0])
    assert style.slant(np.roll(x, 2, 2))[0] == pytest.approx(style.slant(x)[0])


@pytest.mark.parametrize("width", [2, 4, 6])
def test_the_thickness_is_the_strokes(width):
    assert style.thickness(stroke(width=width))[0] == pytest.approx(width, rel=0.35)
    thicker = style.thickness(stroke(width=width + 2))[0]
    assert thicker > style.thickness(stroke(width=width))[0] + 1


def test_thickness_does_not_depend_on_the_brightness():
    x = stroke(width=4)
    assert style.thickness(x // 2)[0] == pytest.approx(style.thickness(x)[0], rel=0.02)


def test_an_empty_picture_has_neither():
    empty = np.zeros((1, 32, 32), np.uint8)
    assert np.isnan(style.slant(empty)[0]) and np.isnan(style.thickness(empty)[0])


def test_shared_style_is_seen_and_chance_is_not():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(300, 1))
    assert style.shared(common + 0.1 * rng.normal(size=(300, 10))) > 0.9
    assert abs(style.shared(rng.normal(size=(300, 10)))) < 0.03


def test_by_class_removes_what_belongs_to_the_class():
    leans = np.linspace(-0.3, 0.3, 9)
    digits = np.stack([np.stack([stroke(a, 3)[0], stroke(a, 6)[0]]) for a in leans])
    values = style.by_class(digits, "slant")
    assert values.shape == (9, 2) and np.allclose(values.mean(0), 0)
    assert style.shared(values) > 0.99
    with pytest.raises(ValueError, match="expected one of"):
        style.by_class(digits, "colour")


def test_the_direction_points_to_the_higher_values():
    z = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    found = style.direction(z, z[:, 2].numpy())
    assert found.argmax() == 2 and found[2] > 2 and found[[0, 1, 3, 4, 5]].abs().max() < 1


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="grey"):
        style.slant(np.zeros((32, 32)))
