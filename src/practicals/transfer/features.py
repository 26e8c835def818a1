"""Features of many pictures: stream, decode beside the network, pool every layer in one pass."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..data.images import Source, stream
from ..networks.backbones import Backbone, as_input

Pool = Callable[[torch.Tensor], torch.Tensor]
WEIGHTED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)


def average(maps: torch.Tensor) -> torch.Tensor:
    """Average maps (n, c, h, w) over their positions to (n, c); vectors pass unchanged."""
    return maps.mean((2, 3)) if maps.ndim == 4 else maps


def parts(maps: torch.Tensor) -> torch.Tensor:
    """Pool maps (n, c, h, w) to (n, 6, c): average, deviation, and the averages of four quarters.

    Quarters come in reading order; where a side is odd they share the middle line.
    """
    whole = torch.stack([maps.mean((2, 3)), maps.flatten(2).std(2, unbiased=False)], 1)
    quarters = F.adaptive_avg_pool2d(maps, 2).flatten(2).transpose(1, 2)
    return torch.cat([whole, quarters], 1)


@contextmanager
def overwriting(net: Backbone, layers: Iterable[str]) -> Iterator[None]:
    """Let activations overwrite the outputs that nobody asked for while the body runs.

    These are activations right behind a layer with weights. The results are the same bits; memory
    that is not written anew saves a quarter to a half of the time. The network is given back as it
    was.
    """
    wanted = set(layers)
    leaves = [
        (step, module)
        for step, top in net.steps.named_children()
        for module in top.modules()
        if not (isinstance(module, nn.Identity) or any(True for _ in module.children()))
    ]
    behind = [
        module
        for (earlier, before), (step, module) in pairwise(leaves)
        if isinstance(before, WEIGHTED) and not (earlier != step and earlier in wanted)
    ]
    changed = [m for m in behind if getattr(m, "inplace", None) is False]
    for module in changed:
        module.inplace = True  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in changed:
            module.inplace = False  # type: ignore[assignment]


@torch.inference_mode()
def extract(
    net: Backbone,
    images: Sequence[Source],
    transform: Callable[[Image.Image], Image.Image],
    layers: Mapping[str, Pool] | Iterable[str],
    batch_size: int | None = None,
    label: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the pooled features of every picture at every named layer, float32 (n, …).

    ``transform`` turns a picture into one of the common size. ``layers`` may name a pool for each
    layer; the default averages. Layers beyond the deepest named one are not run.
    """
    pools = dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, average)
    # Sixteen pictures' maps stay in a processor's cache; a GPU wants more at once.
    batch_size = batch_size or (16 if net.normalise.mean.device.type == "cpu" else 64)
    found: dict[str, np.ndarray] = {}
    done = 0
    bar = tqdm(total=len(images), desc=label or net.title, unit="img", leave=False)
    with bar, overwriting(net, pools):
        for pixels in stream(images, transform, batch_size):
            for layer, output in net.features(as_input(net, pixels), pools).items():
                pooled = pools[layer](output.float()).cpu().numpy()
                # One block for all pictures: small results kept one by one would pin the large
                # buffers between them, and memory would grow with every picture.
                if layer not in found:
                    found[layer] = np.empty((len(images), *pooled.shape[1:]), pooled.dtype)
                found[layer][done : done + len(pixels)] = pooled
            done += len(pixels)
            bar.update(len(pixels))
    return {layer: found[layer] for layer in pools}
