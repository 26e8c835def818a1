"""Pixels and Fourier coefficients against closed forms; the colour matrix; seeds; bad inputs."""

import math

import numpy as np
import pytest
import torch

from practicals.classvis import parameterisation as made
from practicals.data import images, pictures
from practicals.data.images import IMAGENET_MEAN, IMAGENET_STD


def rngs(*seeds):
    return made.generators(seeds)


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("place", [(0, 1), (2, 0), (1, 2), (-2, 3)])
def test_one_coefficient_is_one_wave(side, place):
    """c at (k, l) gives 2 (a cos φ − b sin φ) / 4f, with φ = 2π (k y + l x) / side."""
    down, right = place
    params = torch.zeros(1, 3, side, side // 2 + 1, 2)
    params[0, 1, down, right] = torch.tensor([0.7, -0.3])
    if right == 0:  # a column whose mirror image is stored as well
        params[0, 1, -down, 0] = torch.tensor([0.7, 0.3])
    found = made.from_spectrum(params)
    y, x = np.mgrid[:side, :side]
    phase = 2 * math.pi * (down * y + right * x) / side
    wave = 2 * (0.7 * np.cos(phase) + 0.3 * np.sin(phase)) / (4 * math.hypot(down, right))
    np.testing.assert_allclose(found[0, 1], wave, atol=1e-6)
    assert found[0, [0, 2]].abs().max() == 0


def test_the_constant_term_counts_as_one_cycle():
    params = torch.zeros(1, 3, 6, 4, 2)
    params[0, :, 0, 0, 0] = 2.0
    torch.testing.assert_close(made.from_spectrum(params), torch.full((1, 3, 6, 6), 0.5))


@pytest.mark.parametrize("side", [9, 12])
def test_spectrum_and_back(side):
    planes = torch.randn(2, 3, side, side)
    back = made.from_spectrum(made.to_spectrum(planes, 1.5), 1.5)
    torch.testing.assert_close(back, planes, atol=1e-5, rtol=1e-4)


def test_a_root_of_the_colour_covariance():
    torch.manual_seed(0)
    x = torch.einsum("ck,nkhw->nchw", torch.tensor([[1.0, 0, 0], [0.5, 1, 0], [0.2, 0, 2]]),
                     torch.randn(4, 3, 20, 30))  # fmt: skip
    root = made.colour_root(x)
    torch.testing.assert_close(root @ root.T, torch.cov(x.movedim(1, 0).flatten(1)))
    gram = root.T @ root
    assert (gram - gram.diag().diag()).abs().max() < 1e-4, "its columns are orthogonal"
    assert (gram.diag().diff() <= 0).all() and (root.sum(0) >= 0).all()
    # What is mixed by the root from independent planes has the covariance, and the inverse undoes.
    whitened = torch.einsum("kc,nchw->nkhw", root.inverse(), x)
    torch.testing.assert_close(
        torch.cov(whitened.movedim(1, 0).flatten(1)), torch.eye(3), atol=1e-3, rtol=0
    )


def test_the_kept_colours_are_those_of_the_sample_pictures():
    try:
        found = pictures.imagenet_samples()
    except RuntimeError:
        pytest.skip("needs the ImageNet sample pictures")
    x = torch.stack([images.preprocess(source, 32) for source in found.images[::5]])
    root, kept = made.colour_root(x), torch.tensor(made.COLOURS)
    # A fifth of the pictures at a seventh of the size, but the same directions up to a sign.
    cosines = torch.cosine_similarity(root, kept, dim=0).abs()
    assert cosines.min() > 0.97, cosines


def test_the_mixing_matrix_is_scaled_and_can_be_left_out():
    assert made.mixing().norm(dim=0).max() == pytest.approx(1)
    assert torch.equal(made.mixing(False), torch.eye(3))


def test_pixels_are_noise_around_the_mean_colour():
    params, image = made.pixels(rngs(0, 1), 40)
    assert params.is_leaf and params.requires_grad and params.shape == (2, 3, 40, 40)
    x = image().detach()
    np.testing.assert_allclose(x.mean((0, 2, 3)), IMAGENET_MEAN, atol=0.02)
    np.testing.assert_allclose(x.std((0, 2, 3)), IMAGENET_STD, rtol=0.05)
    grey = made.pixels(rngs(0), 4, spread=0.0)[1]()
    np.testing.assert_allclose(grey[0, :, 1, 2].detach(), IMAGENET_MEAN, atol=1e-6)


@pytest.mark.parametrize("kind", [made.pixels, made.fourier, made.squashed])
def test_a_start_comes_back_as_the_picture(kind):
    start = 0.02 + 0.96 * torch.rand(2, 3, 9, 9)
    params, image = kind(rngs(3, 4), 9, start=start)
    torch.testing.assert_close(image().detach(), start, atol=1e-5, rtol=0)
    assert params.is_leaf and params.requires_grad


def test_black_and_white_can_be_a_start_of_fourier():
    start = torch.zeros(1, 3, 8, 8)
    start[..., 4:] = 1
    x = made.fourier(rngs(0), 8, start=start)[1]().detach()
    torch.testing.assert_close(x, start.clamp(made.MARGIN, 1 - made.MARGIN), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [made.pixels, made.fourier, made.squashed])
def test_a_picture_depends_on_its_own_seed_alone(kind):
    both, alone = kind(rngs(5, 6), 8)[1](), kind(rngs(6), 8)[1]()
    assert torch.equal(both[1:], alone)
    assert not torch.equal(both[0], both[1])


@pytest.mark.parametrize("kind", [made.pixels, made.fourier, made.squashed])
@pytest.mark.parametrize(
    ("start", "text"),
    [
        (torch.rand(1, 3, 8, 9), "expected a start"),
        (torch.rand(2, 3, 8, 8), "expected a start"),
        (torch.full((1, 3, 8, 8), 1.5), "pixels in"),
        (torch.full((1, 3, 8, 8), float("nan")), "pixels in"),
    ],
)
def test_bad_starts_are_refused(kind, start, text):
    with pytest.raises(ValueError, match=text):
        kind(rngs(0), 8, start=start)


def test_no_pictures_and_no_size_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        made.pixels([], 8)
    with pytest.raises(ValueError, match="at least"):
        made.fourier(rngs(0), 1)
