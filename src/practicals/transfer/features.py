"""Features of many pictures: stream, decode beside the network, pool every layer in one pass."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from ..data.images import Source, stream
from ..networks.backbones import Backbone, as_input

Pool = Callable[[torch.Tensor], torch.Tensor]


def average(maps: torch.Tensor) -> torch.Tensor:
    """Average maps (n, c, h, w) over their positions to (n, c); vectors pass unchanged."""
    return maps.mean((2, 3)) if maps.ndim == 4 else maps


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
