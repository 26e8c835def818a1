"""From a map to the object: a threshold, seeds grown along the picture's colours, a box, IoU."""

import numpy as np
from scipy import ndimage
from skimage.filters import gaussian
from skimage.segmentation import random_walker

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are outside."""


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
