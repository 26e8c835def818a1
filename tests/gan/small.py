"""Tiny networks and digits for the tests of chapter 6."""

import torch

from practicals.gan.networks import Design
from practicals.gan.training import Recipe

TINY = Design(2, 2, 5)


def recipe(**knobs):
    design = {"generator_width": 2, "discriminator_width": 2, "z": 5} | knobs.pop("design", {})
    return Recipe(
        Design(**design), **{"steps": 4, "batch_size": 8, "exact": True, "cooling": 0.0} | knobs
    )


def digits(n=40, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (n, 1, 32, 32), generator=rng, dtype=torch.uint8)
    return x, torch.arange(n) % 10
