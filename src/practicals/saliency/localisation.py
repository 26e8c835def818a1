"""From a map to the object: an outline, a box, their overlap; mosaics whose truth is known."""

from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import gaussian
from torch.nn import functional as F

from ..data import images, pictures

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are outside."""
HAND_BOXES: dict[str, Box] = {
    "n01440764_tench": (0, 71, 224, 184),
    "n01601694_water_ouzel": (13, 32, 185, 213),
    "n01828970_bee_eater": (29, 0, 163, 223),
    "n01980166_fiddler_crab": (35, 48, 214, 204),
    "n02422699_impala": (119, 62, 193, 171),
    "n02486410_baboon": (58, 32, 173, 205),
    "n02643566_lionfish": (33, 58, 182, 169),
    "n02777292_balance_beam": (0, 151, 158, 203),
    "n03109150_corkscrew": (58, 0, 152, 224),
    "n03240683_drilling_platform": (0, 41, 224, 113),
    "n03627232_knot": (0, 36, 177, 207),
    "n03709823_mailbag": (22, 1, 190, 197),
    "n03782006_monitor": (10, 91, 102, 161),
    "n03891332_parking_meter": (4, 3, 138, 224),
    "n07614500_ice_cream": (0, 13, 118, 163),
    "n07753275_pineapple": (112, 0, 213, 224),
    "n07836838_chocolate_sauce": (54, 78, 180, 174),
}
"""Boxes around the labelled object, drawn for this project by eye on the central 224 × 224 pixels.

Of fifty ImageNet sample pictures, these are the ones with one clear object, or one tight group,
that covers less than two thirds of the frame. They are good to a few pixels.
"""


HAND_SIDE = 224


def largest_part(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part of a boolean mask (H, W)."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())[1:]
    return labels == 1 + int(sizes.argmax())


def by_threshold(heat: np.ndarray, keep: float = 0.25, smooth: float = 0.02) -> np.ndarray:
    """Return the largest connected part of the ``keep`` highest values of a map (H, W).

    The map is first blurred by ``smooth`` of its side, which joins the grains of gradient maps.
    """
    heat = gaussian(np.abs(heat), smooth * min(heat.shape))
    return largest_part(heat > np.quantile(heat, 1 - keep))


def box_of(mask: np.ndarray) -> Box:
    """Return the smallest box around a mask (H, W); all zeros for an empty one."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return (0, 0, 0, 0)
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def box_mask(box: Box, shape: tuple[int, int]) -> np.ndarray:
    """Return a box as a boolean mask of ``shape`` (H, W)."""
    left, top, right, bottom = box
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union of two masks; 0 where both are empty."""
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 0.0


def box_iou(mask: np.ndarray, box: Box) -> float:
    """Return intersection over union of the box around a mask and a given box."""
    return iou(box_mask(box_of(mask), mask.shape), box_mask(box, mask.shape))


def mosaics(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Join every four pictures to one of 2 × 2 cells (Böhle et al., 2021), with known places.

    Returns the mosaics repeated for each of their classes (n, 3, 2⌊H/2⌋, 2⌊W/2⌋), the classes (n,)
    and the cell of each class, boolean. n is a multiple of four; the rest of ``x`` is dropped.
    """
    n, (height, width) = len(x) // 4 * 4, (side // 2 for side in x.shape[-2:])
    if not n or not height or not width:
        raise ValueError(
            f"expected four pictures of two pixels a side or more, got {tuple(x.shape)}"
        )
    small = F.interpolate(x[:n], (height, width), mode="area").view(
        -1, 4, x.shape[1], height, width
    )
    rows = [torch.cat([small[:, i], small[:, i + 1]], -1) for i in (0, 2)]
    whole = torch.cat(rows, -2).repeat_interleave(4, 0)
    cells = torch.zeros(4, 2 * height, 2 * width, dtype=torch.bool)
    for i in range(4):
        top, left = (i // 2) * height, (i % 2) * width
        cells[i, top : top + height, left : left + width] = True
    return whole, y[:n], cells.repeat(n // 4, 1, 1)


def pointing(maps: torch.Tensor, masks: torch.Tensor) -> np.ndarray:
    """Return the chance that the highest value lies in the mask (Zhang et al., 2016), shape (n,).

    1 or 0 where one place is the highest; where several tie, the share of them that lies inside,
    which is what drawing one of them at random gives on average. A map that is not finite points
    nowhere: ValueError.
    """
    flat = maps.flatten(1)
    if not flat.isfinite().all():
        raise ValueError("expected finite maps, got NaN or infinity")
    best = (flat == flat.amax(1, keepdim=True)).double()
    return ((best * masks.flatten(1)).sum(1) / best.sum(1)).numpy()


def inside(maps: torch.Tensor, masks: torch.Tensor) -> np.ndarray:
    """Return the share of a map's positive values that lies in the mask, in [0, 1], shape (n,)."""
    positive = maps.clamp(min=0).double()
    share = (positive * masks).sum((1, 2)) / positive.sum((1, 2)).clamp(min=1e-30)
    return share.numpy()


def boxed(
    real: bool, side: int, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, list[Box]]:
    """Return pictures, classes and boxes around the object: drawn by hand, or cells of mosaics.

    ``x`` and ``y`` are what mosaics are made of where the pictures are not the ``real`` ones.
    """
    if not real:
        whole, labels, cells = mosaics(x, y)
        return whole, labels, [box_of(cell.numpy()) for cell in cells]
    every = pictures.imagenet_samples()
    index = [i for i, path in enumerate(every.images) if Path(str(path)).stem in HAND_BOXES]
    pixels = torch.stack([images.preprocess(every.images[i], side) for i in index])
    scale = side / HAND_SIDE
    boxes = [
        (round(left * scale), round(top * scale), round(right * scale), round(bottom * scale))
        for left, top, right, bottom in (HAND_BOXES[Path(str(every.images[i])).stem] for i in index)
    ]
    return pixels, torch.from_numpy(every.y[index]).long(), boxes
