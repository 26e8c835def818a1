"""From a map to the object: an outline, a box, their overlap; mosaics whose truth is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import gaussian
from skimage.segmentation import random_walker
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
    heat = gaussian(np.abs(heat), smooth * heat.shape[0])
    return largest_part(heat > np.quantile(heat, 1 - keep))


def by_colour(
    picture: np.ndarray, heat: np.ndarray, top: float = 0.05, bottom: float = 0.3
) -> np.ndarray:
    """Grow the object from a map's seeds along the colours of the picture (H, W, 3), uint8.

    As Simonyan et al. (2014, §3.2) seed a graph cut: the ``top`` share of the values is object, the
    ``bottom`` share background. Random walks (Grady, 2006) decide the pixels between.
    """
    heat = gaussian(np.abs(heat), 0.02 * heat.shape[0])
    seeds = np.zeros(heat.shape, int)
    seeds[heat <= np.quantile(heat, bottom)] = 2
    seeds[heat >= np.quantile(heat, 1 - top)] = 1
    # Half the resolution: the walks cost less and the outline moves by a pixel at most.
    small = gaussian(picture.astype(float) / 255, (1, 1, 0))[::2, ::2]
    labels = random_walker(small, seeds[::2, ::2], beta=300, mode="cg_j", channel_axis=-1)
    grown = np.repeat(np.repeat(labels == 1, 2, 0), 2, 1)[: heat.shape[0], : heat.shape[1]]
    return largest_part(grown)


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

    Returns the mosaics repeated for each of their classes (n, 3, H, W), the classes (n,) and the
    cell of each class, boolean (n, H, W). n is a multiple of four; the rest of ``x`` is dropped.
    """
    n, side = len(x) // 4 * 4, x.shape[-1] // 2
    small = F.interpolate(x[:n], (side, side), mode="area").view(-1, 4, 3, side, side)
    rows = [torch.cat([small[:, i], small[:, i + 1]], -1) for i in (0, 2)]
    whole = torch.cat(rows, -2).repeat_interleave(4, 0)
    cells = torch.zeros(4, 2 * side, 2 * side, dtype=torch.bool)
    for i in range(4):
        top, left = (i // 2) * side, (i % 2) * side
        cells[i, top : top + side, left : left + side] = True
    return whole, y[:n], cells.repeat(n // 4, 1, 1)


def pointing(maps: torch.Tensor, masks: torch.Tensor) -> np.ndarray:
    """Return whether the highest value lies in the mask (Zhang et al., 2016), 0 or 1 (n,)."""
    best = maps.flatten(1).argmax(1, keepdim=True)
    return masks.flatten(1).gather(1, best)[:, 0].double().numpy()


def inside(maps: torch.Tensor, masks: torch.Tensor) -> np.ndarray:
    """Return the share of a map's positive values that lies in the mask, in [0, 1], shape (n,)."""
    positive = maps.clamp(min=0).double()
    share = (positive * masks).sum((1, 2)) / positive.sum((1, 2)).clamp(min=1e-30)
    return share.numpy()


def overlaps(
    heats: dict[str, torch.Tensor],
    pixels: np.ndarray,
    boxes: Sequence[Box],
    coloured: Sequence[str],
) -> dict[str, np.ndarray]:
    """Return ``method/threshold`` and, for ``coloured``, ``method/colour``: IoU with boxes (n,)."""
    found: dict[str, np.ndarray] = {}
    for name, maps in heats.items():
        rows = list(zip(maps.numpy(), pixels, boxes, strict=True))
        found[f"{name}/threshold"] = np.array([box_iou(by_threshold(h), box) for h, _, box in rows])
        if name in coloured:
            found[f"{name}/colour"] = np.array([box_iou(by_colour(p, h), b) for h, p, b in rows])
    return found


def boxed(
    real: bool, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, list[Box]]:
    """Return pictures, classes and boxes around the object: drawn by hand, or cells of mosaics.

    ``x`` and ``y`` are what mosaics are made of where the pictures are not the ``real`` ones.
    """
    if not real:
        whole, labels, cells = mosaics(x, y)
        return whole, labels, [box_of(cell.numpy()) for cell in cells]
    every = pictures.imagenet_samples()
    index = [i for i, path in enumerate(every.images) if Path(str(path)).stem in HAND_BOXES]
    pixels = torch.stack([images.preprocess(every.images[i], 224) for i in index])
    boxes = [HAND_BOXES[Path(str(every.images[i])).stem] for i in index]
    return pixels, torch.from_numpy(every.y[index]).long(), boxes
