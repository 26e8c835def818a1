"""Features of many pictures: stream, decode beside the network, pool every layer in one pass."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from tqdm.auto import tqdm

from .backbones import Backbone
from .images import Source, stream
from .runtime import device, fastest_dtype

Pool = Callable[[torch.Tensor], torch.Tensor]


def average(maps: torch.Tensor) -> torch.Tensor:
    """Average maps (n, c, h, w) over their positions to (n, c); vectors pass unchanged."""
    return maps.mean((2, 3)) if maps.ndim == 4 else maps


def pyramid(maps: torch.Tensor) -> torch.Tensor:
    """Average maps over the whole and over 2 × 2 cells (Lazebnik 2006): (n, c, h, w) to (n, 5c)."""
    if maps.ndim != 4:
        return maps
    cells = F.adaptive_avg_pool2d(maps, 2).flatten(1)
    return torch.cat([average(maps), cells], 1)


def prepare(
    net: Backbone, dtype: torch.dtype | None = None, where: torch.device | None = None
) -> Backbone:
    """Move a network to the fastest device, channels last, in its fastest safe precision.

    ``dtype`` and ``where`` override the choice.
    """
    where = where or device()
    dtype = dtype or fastest_dtype(where)
    return net.to(device=where, dtype=dtype, memory_format=torch.channels_last)


def as_input(net: Backbone, pixels: torch.Tensor) -> torch.Tensor:
    """Return pixels (n, 3, H, W), uint8 or float in [0, 1], as the network takes them."""
    mean = net.normalise.mean
    x = pixels.to(mean.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    return x.to(mean.dtype) / 255 if pixels.dtype == torch.uint8 else x.to(mean.dtype)


@torch.inference_mode()
def extract(
    net: Backbone,
    images: Sequence[Source],
    transform: Callable[[Image.Image], Image.Image],
    layers: Iterable[str],
    pool: Pool = average,
    batch_size: int | None = None,
    label: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the pooled features of every picture at every named layer, float32 (n, d).

    ``transform`` turns a picture into one of the common size. Layers beyond the deepest named one
    are not run.
    """
    layers = list(layers)
    # Eight pictures' maps stay in a processor's cache; a GPU wants more at once.
    batch_size = batch_size or (8 if net.normalise.mean.device.type == "cpu" else 64)
    found: dict[str, list[torch.Tensor]] = {layer: [] for layer in layers}
    bar = tqdm(total=len(images), desc=label or net.title, unit="img", leave=False)
    for pixels in stream(images, transform, batch_size):
        for layer, output in net.features(as_input(net, pixels), layers).items():
            found[layer].append(pool(output.float()).cpu())
        bar.update(len(pixels))
    bar.close()
    return {layer: torch.cat(parts).numpy() for layer, parts in found.items()}
