"""RISE: masks that cancel, and a network whose answer is known."""

import pytest
import torch
from torch import nn

from practicals.saliency.rise import random_masks, rise


class Corner(nn.Module):
    """Class 1 is likely in proportion to the brightness of the upper left 8 × 8 pixels."""

    def forward(self, x):
        """Return logits (n, 2)."""
        bright = x[:, :, :8, :8].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(bright), 8 * bright - 4], 1)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_masks_come_in_pairs_that_add_up_to_one():
    masks = random_masks(10, (20, 30), 5, rng())
    assert masks.shape == (10, 1, 20, 30)
    assert masks.min() >= 0 and masks.max() <= 1
    torch.testing.assert_close(masks[::2] + masks[1::2], torch.ones(5, 1, 20, 30))
    assert masks[::2].flatten(1).std(0).min() > 0, (
        "every pixel is shown by some and hidden by others"
    )


@pytest.mark.parametrize("count", [0, 1, 7])
def test_an_odd_number_of_masks_is_refused(count):
    with pytest.raises(ValueError, match="even number"):
        random_masks(count, (8, 8), 4, rng())


def test_the_decisive_corner_is_found():
    x = torch.ones(1, 3, 24, 24)
    heat = rise(Corner(), x, torch.tensor([1]), masks=400, cells=6, generator=rng())[0]
    inside, outside = heat[:8, :8].mean(), heat[12:, 12:].mean()
    assert inside > 0.1 and abs(outside) < 0.03
    against = rise(Corner(), x, torch.tensor([0]), masks=400, cells=6, generator=rng())[0]
    torch.testing.assert_close(against, -heat, rtol=0, atol=1e-5)


def test_pixels_that_do_not_matter_get_nothing():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 3)

    found = rise(Constant(), torch.rand(2, 3, 16, 16), torch.tensor([0, 2]), masks=20, cells=4)
    assert found.abs().max() < 1e-6


def test_one_seed_gives_one_map_and_more_masks_less_chance():
    x, y = torch.rand(1, 3, 24, 24), torch.tensor([1])

    def spread(masks):
        maps = [rise(Corner(), x, y, masks, 6, rng(seed)) for seed in range(4)]
        return torch.stack(maps).std(0).mean()

    torch.testing.assert_close(
        rise(Corner(), x, y, 20, 6, rng(1)), rise(Corner(), x, y, 20, 6, rng(1))
    )
    assert spread(400) < 0.5 * spread(40)
