"""RISE (Petsiuk, Das & Saenko, BMVC 2018): hide random parts, weigh each part by what is left.

No gradient is taken: the network may be a black box.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..networks.gradients import probability


def random_masks(
    count: int, shape: tuple[int, int], cells: int, generator: torch.Generator
) -> torch.Tensor:
    """Return ``count`` soft masks (count, 1, H, W) in [0, 1], every second the reverse of the last.

    A grid of ``cells`` × ``cells`` zeros and ones, each with even odds, is enlarged bilinearly and
    shifted by a random part of a cell. A mask and its reverse together show every pixel once, so
    the noise that comes from the mean probability cancels.
    """
    if count < 2 or count % 2:
        raise ValueError(f"expected an even number of masks, at least 2, got {count}")
    height, width = shape
    step = (-(-height // cells), -(-width // cells))
    grid = torch.rand(count // 2, 1, cells + 1, cells + 1, generator=generator) < 0.5
    size = ((cells + 1) * step[0], (cells + 1) * step[1])
    large = F.interpolate(grid.float(), size, mode="bilinear", align_corners=False)
    masks = torch.empty(count // 2, 1, height, width)
    for mask, whole in zip(masks, large, strict=True):
        top, left = (int(torch.randint(side, (), generator=generator)) for side in step)
        mask.copy_(whole[:, top : top + height, left : left + width])
    return torch.stack([masks, 1 - masks], 1).flatten(0, 1)


def rise(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    masks: int = 400,
    cells: int = 7,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return maps (n, H, W): the mean over masks of mask × probability of the class.

    ``x`` holds pixels (n, c, H, W) in [0, 1]; what a mask hides becomes black. The same masks serve
    all pictures of a call. The mean over masks of the probability is taken off first, which changes
    a map by a constant only (and so no order of pixels). The paper takes 4,000 masks for VGG16 and
    8,000 for ResNet-50.
    """
    generator = generator or torch.Generator().manual_seed(0)
    drawn = random_masks(masks, (x.shape[-2], x.shape[-1]), cells, generator).to(x.device)
    found = torch.zeros(len(x), *x.shape[-2:])
    for i, (picture, label) in enumerate(zip(x, y, strict=True)):
        p = probability(net, picture * drawn, label.repeat(masks))
        weights = (p - p.mean()).to(drawn.device)
        found[i] = (weights[:, None, None] * drawn[:, 0]).mean(0).cpu()
    # Each pixel is shown by half of the masks: dividing by that share gives the mean when shown.
    return found.to(x.device) / 0.5
