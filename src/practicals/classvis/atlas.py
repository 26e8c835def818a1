"""A small atlas of layers: what excites a channel most, made and found.

``explore`` is a job (see ``provenance.cache``).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from provenance import cache

from ..networks import backbones
from ..networks.backbones import Backbone
from ..networks.gradients import differentiating
from . import ascent
from .ascent import Recipe
from .objectives import outputs_of
from .rectifiers import Joined, before_relu, up_to
from .study import Found, as_bytes, as_pictures


def means(net: Backbone, x: torch.Tensor, layer: str, size: int = 25) -> torch.Tensor:
    """Return the mean over positions of every channel of a layer, (n, channels)."""
    with differentiating(net), torch.no_grad():
        where = net.normalise.mean
        parts = [outputs_of(net, part.to(where), (layer,))[layer] for part in x.split(size)]
        return torch.cat([part.flatten(2).mean(2).float().cpu() for part in parts])


def chosen(net: Backbone, layer: str, count: int, seed: int) -> tuple[int, ...]:
    """Return ``count`` random channels of a layer, drawn for each layer anew."""
    with differentiating(net), torch.no_grad():
        probe = torch.zeros(1, 3, 64, 64).to(net.normalise.mean)
        channels = outputs_of(net, probe, (layer,))[layer].shape[1]
    drawn = np.random.default_rng([seed, net.layers.index(layer)]).permutation(channels)[:count]
    return tuple(int(channel) for channel in drawn)


def ready(nets: Mapping[str, Backbone], names: Sequence[str]) -> dict[str, Backbone]:
    """Return the named networks, those of ``nets`` as they are.

    Of another one the leading layers suffice: it stays where it was loaded, since layers without
    weights cannot be moved.
    """
    files = {"vgg16": backbones.FIRST_BLOCKS}
    return {
        name: nets[name] if name in nets else backbones.load(name, files.get(name, ()))
        for name in names
    }


def explore(
    net: Backbone,
    layer: str,
    channels: tuple[int, ...],
    recipe: Recipe,
    x: torch.Tensor,
    side: int,
) -> Found:
    """Return, per channel, a picture made for it and the places of the best of ``x``.

    ``pictures`` (k, 3, side, side) uint8; ``best`` (k, 3) the pictures of ``x`` that excite it
    most, the strongest first; ``made`` (k,) and ``found`` (k, 3) the channel's means; ``real``
    (k, n) those of all of ``x``. ``x`` (n, 3, side, side) has the size of the pictures. What climbs
    is the channel's mean before its ReLU, and ``values`` (steps, k) are its; all others are means
    of what the layer passes on.
    """
    seeds, goal = tuple(range(len(channels))), Joined(before_relu(net, layer), channels)
    made = ascent.run(up_to(net, layer), goal, recipe, seeds, side)
    values = as_bytes(made.pictures)
    real = means(net, x, layer)[:, list(channels)].T
    own = means(net, as_pictures(values), layer)[range(len(channels)), list(channels)]
    best = real.topk(min(3, len(x)), 1)
    return {
        "pictures": values,
        "best": best.indices.numpy(),
        "found": best.values.numpy(),
        "made": own.numpy(),
        "real": real.numpy(),
        "values": made.values.numpy(),
    }


def atlas(
    nets: Mapping[str, Backbone],
    layers: Mapping[str, Sequence[str]],
    count: int,
    recipe: Recipe,
    x: torch.Tensor,
    seed: int,
) -> dict[tuple[str, str], Found]:
    """Return (network, layer) → ``explore`` of ``count`` random channels, with ``channels``."""
    found = {}
    for name, wanted in layers.items():
        net = nets[name]
        channels = {layer: chosen(net, layer, count, seed) for layer in wanted}
        settings = [{"layer": layer, "channels": channels[layer]} for layer in wanted]
        others = {"recipe": recipe, "x": x, "side": x.shape[-1]}
        parts = cache.run(explore, [s | others for s in settings], (net,), label=f"{net.title}")
        for layer, part in zip(wanted, parts, strict=True):
            found[name, layer] = part | {"channels": np.array(channels[layer])}
    return found
