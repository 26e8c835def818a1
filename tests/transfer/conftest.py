"""A small random network and random pictures."""

import numpy as np
import pytest
import torch

from practicals.data import images
from practicals.networks import backbones


@pytest.fixture(scope="session")
def net():
    torch.manual_seed(0)
    return backbones.build("smallvgg").eval().requires_grad_(False)


@pytest.fixture(scope="session")
def photos():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (70, 80, 3)).astype(np.uint8) for _ in range(7)]


@pytest.fixture(scope="session")
def crop():
    return lambda image: images.centre_crop(image, 64)
