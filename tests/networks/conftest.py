"""ImageNet sample pictures, and how often a network recognises them."""

import pytest
import torch

from practicals.data import fetch, images, pictures
from practicals.networks.backbones import Backbone, as_input, build

PICTURES, SEED = 100, 0


@pytest.fixture(scope="session")
def sizes():
    """Return the size of every layer's output for one square picture; nothing is computed."""

    def measure(name: str, side: int) -> dict[str, tuple[int, ...]]:
        x, found = torch.empty(1, 3, side, side, device="meta"), {}
        for layer, step in build(name, "meta").steps.named_children():
            x = step(x)
            found[layer] = tuple(x.shape[1:])
        return found

    return measure


@pytest.fixture(scope="session")
def samples():
    """A random 100 of the sample pictures: pixels (100, 3, 224, 224) and classes (100,)."""
    if not fetch.available("imagenet-samples"):
        pytest.skip("needs the ImageNet samples: make data, or DATA_MIRROR")
    every = pictures.imagenet_samples()
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(SEED))
    chosen = every.subset(order[:PICTURES].sort().values.numpy())
    batches = images.stream(chosen.images, lambda image: images.centre_crop(image, 224), PICTURES)
    return next(batches), torch.from_numpy(chosen.y)


@pytest.fixture
def recognised(samples):
    """Return how many of the sample pictures a network names right, in its own precision."""

    def count(net: Backbone) -> int:
        pixels, y = samples
        net = net.to(memory_format=torch.channels_last)
        with torch.inference_mode():
            logits = torch.cat([net(as_input(net, part)) for part in pixels.split(20)])
        return int((logits.argmax(1) == y).sum())

    return count
