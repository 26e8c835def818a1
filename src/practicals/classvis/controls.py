"""The sample profile's other small networks: judges, and what is climbed beside the first.

They stand alone, so that a change of the study does not train them again.
"""

import torch

from ..data import pictures
from ..data.images import IMAGENET_MEAN, IMAGENET_STD
from ..networks import smallvgg, training


def control(per_photo: int, epochs: int, seed: int) -> dict[str, torch.Tensor]:
    """Return the state of another small network: other start, other patches, other order.

    ``per_photo`` counts training patches per photograph; its
    photographs are the first network's, of which there are no others.
    """
    (x, y, _), _ = pictures.patches(pictures.COLOUR, n_train=per_photo, n_test=1, seed=seed)
    torch.manual_seed(seed)
    net = training.he_initialise(smallvgg.SmallVGG())
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    data = (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 - mean) / std
    training.fit(net, data, torch.from_numpy(y), epochs, 0.02, 32, seed, label="the judge")
    return net.state_dict()
