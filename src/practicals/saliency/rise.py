"""RISE (Petsiuk, Das & Saenko, BMVC 2018): hide random parts, weigh each part by what is left.

No gradient is taken: the network may be a black box.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..networks.gradients import checked, outputs
from .faithfulness import grey


def random_masks(
    count: int, shape: tuple[int, int], cells: int, generator: torch.Generator, share: float = 0.5
) -> torch.Tensor:
    """Return ``count`` soft masks (count, 1, H, W) in [0, 1], made as the authors make them.

    A grid of ``cells`` × ``cells`` zeros and ones, ``share`` of them ones, is enlarged bilinearly
    to one cell more than the picture, and cut out at a random place.
    """
    if count < 1 or cells < 2:
        raise ValueError(f"expected at least 1 mask and 2 cells, got {count} and {cells}")
    step = [-(-side // cells) for side in shape]
    grid = (torch.rand(count, 1, cells, cells, generator=generator) < share).float()
    size = [(cells + 1) * side for side in step]
    large = F.interpolate(grid, size, mode="bilinear", align_corners=False)
    masks = torch.empty(count, 1, *shape)
    for mask, whole in zip(masks, large, strict=True):
        top, left = (int(torch.randint(side, (), generator=generator)) for side in step)
        mask.copy_(whole[:, top : top + shape[0], left : left + shape[1]])
    return masks.clamp_(0, 1)  # interpolation overshoots by a rounding error


def rise(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    masks: int = 4000,
    cells: int = 7,
    generator: torch.Generator | None = None,
    fill: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return maps (n, H, W): the mean over masks of mask × probability of the class, over 0.5.

    What a mask hides becomes ``fill``, by default the network's mean colour, which is zero after
    normalisation. The same masks serve all pictures of a call. The paper takes 4,000 masks for
    VGG16 and 8,000 for ResNet-50.
    """
    checked(x, y)
    generator = generator or torch.Generator().manual_seed(0)
    drawn = random_masks(masks, (x.shape[-2], x.shape[-1]), cells, generator).to(x)
    fill = grey(net, x[:1]) if fill is None else fill
    found = torch.zeros(len(x), *x.shape[-2:])
    for i, (picture, label) in enumerate(zip(x, y, strict=True)):
        shown = fill + drawn * (picture - fill)
        p = outputs(net, shown.clamp(0, 1)).softmax(1)[:, int(label)].to(drawn)
        found[i] = (p[:, None, None] * drawn[:, 0]).mean(0).cpu()
    return found.to(x.device) / 0.5
