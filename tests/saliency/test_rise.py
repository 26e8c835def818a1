"""RISE: the authors' masks, and a network whose answer is known."""

import numpy as np
import pytest
import torch
from skimage.transform import resize
from torch import nn

from practicals.networks import backbones
from practicals.saliency.rise import random_masks, rise


class Corner(nn.Module):
    """Class 1 is likely in proportion to the brightness of the upper left 8 × 8 pixels."""

    def forward(self, x):
        """Return logits (n, 2)."""
        bright = x[:, :, :8, :8].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(bright), 8 * bright - 4], 1)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_masks_are_those_of_the_authors():
    """Their recipe with scikit-image: enlarge by order 1 to one cell more, cut at random."""
    generator = rng(3)
    found = random_masks(6, (20, 30), 5, generator)
    again = rng(3)
    grid = (torch.rand(6, 1, 5, 5, generator=again) < 0.5).numpy().astype(np.float32)
    for mask, cells in zip(found[:, 0].numpy(), grid[:, 0], strict=True):
        large = resize(cells, (6 * 4, 6 * 6), order=1, mode="edge", anti_aliasing=False)
        top, left = (int(torch.randint(side, (), generator=again)) for side in (4, 6))
        np.testing.assert_allclose(mask, large[top : top + 20, left : left + 30], atol=1e-5)


def test_half_of_a_picture_is_shown_on_average():
    masks = random_masks(4000, (16, 24), 4, rng())
    assert masks.min() >= 0 and masks.max() <= 1
    # A pixel's mean over 4,000 masks has a standard error of at most 0.5 / √4000 = 0.008.
    assert (masks.mean(0) - 0.5).abs().max() < 5 * 0.008


@pytest.mark.parametrize(("count", "cells"), [(0, 4), (5, 1)])
def test_too_few_masks_or_cells_are_refused(count, cells):
    with pytest.raises(ValueError, match="at least 1 mask and 2 cells"):
        random_masks(count, (8, 8), cells, rng())


def test_the_decisive_corner_is_found():
    x = torch.ones(1, 3, 24, 24)
    heat = rise(Corner(), x, torch.tensor([1]), masks=400, cells=6, generator=rng())[0]
    inside, outside = heat[:8, :8].mean(), heat[12:, 12:].mean()
    assert inside > outside + 0.1


def test_a_map_is_the_mean_probability_over_what_is_shown():
    """With a constant network the map is the constant times the masks' mean over 0.5."""

    class Constant(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 4)

    found = rise(Constant(), torch.rand(2, 3, 16, 16), torch.tensor([0, 2]), masks=20, cells=4)
    expected = random_masks(20, (16, 16), 4, rng()).mean(0)[0] / 4 / 0.5
    torch.testing.assert_close(found, expected.expand(2, -1, -1))


def test_what_is_hidden_is_zero_after_normalisation():
    """A network that sees the normalised picture's size cannot tell masks from their absence."""
    net = backbones.build("smallvgg").eval()
    seen = []
    hook = net.normalise.register_forward_hook(lambda m, a, out: seen.append(out))
    mean = net.normalise.mean.expand(1, -1, 64, 64)
    rise(net, mean.clone(), torch.tensor([0]), masks=4, cells=4)
    hook.remove()
    assert torch.cat(seen).abs().max() < 1e-5


def test_one_seed_gives_one_map_and_more_masks_less_chance():
    x, y = torch.rand(1, 3, 24, 24), torch.tensor([1])

    def spread(masks):
        maps = [rise(Corner(), x, y, masks, 6, rng(seed)) for seed in range(4)]
        # What all pixels share says nothing of the map.
        return torch.stack([heat - heat.mean() for heat in maps]).std(0).mean()

    torch.testing.assert_close(
        rise(Corner(), x, y, 20, 6, rng(1)), rise(Corner(), x, y, 20, 6, rng(1))
    )
    assert spread(400) < 0.5 * spread(40)
