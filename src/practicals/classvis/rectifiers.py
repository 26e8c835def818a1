"""What stands before a ReLU: where a ReLU is off, its output has no gradient and nothing climbs.

SqueezeNet's class score is a mean over a ReLU's output, and so are the channels of most layers.
Ascents therefore climb the mean of what goes into that ReLU. Networks are views: weights are
shared and nothing of the caller's network changes.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn

from ..networks.backbones import Backbone
from ..networks.googlenet import Inception
from ..networks.zoo import nearest
from .objectives import Objective, Outputs, channel_of

BRANCHES = ("c1x1", "c3x3", "c5x5", "cpool_proj")
"""The last convolutions of GoogLeNet's modules, in the order in which their maps are joined."""


def _view(net: Backbone, steps: "OrderedDict[str, nn.Module]") -> Backbone:
    """Return a network of the given steps with everything else of ``net``."""
    view = Backbone(net.name, steps)
    view.normalise, view.title, view.source = net.normalise, net.title, net.source
    view.training = view.steps.training = net.training
    return view


def unrectified(net: nn.Module) -> nn.Module:
    """Return the network without a ReLU between its last weights and its class scores.

    That is SqueezeNet, whose score becomes the mean of conv10's map; others come back as they are.
    """
    if not isinstance(net, Backbone) or len(net.layers) < 2:
        return net
    steps = OrderedDict(net.steps.named_children())
    before, last = net.layers[-2:]
    if list(steps[last].parameters()) or not isinstance(steps[before], nn.ReLU):
        return net
    steps[before] = nn.Identity()
    return _view(net, steps)


def up_to(net: Backbone, layer: str) -> Backbone:
    """Return the network's steps up to ``layer``; raise UnknownName for one that is not there."""
    if layer not in net.layers:
        raise nearest(f"layer of {net.name}", layer, net.layers)
    kept = net.layers[: net.layers.index(layer) + 1]
    return _view(net, OrderedDict((name, net.steps.get_submodule(name)) for name in kept))


def before_relu(net: Backbone, layer: str) -> tuple[str, ...]:
    """Return the layers whose outputs, joined by channel, the ReLU of ``layer`` receives.

    A ReLU's are those of the step before it, a GoogLeNet module's the last convolutions of its four
    branches; any other layer stands for itself.
    """
    step, place = net.steps.get_submodule(layer), net.layers.index(layer)
    if isinstance(step, Inception):
        return tuple(f"{layer}.{branch}" for branch in BRANCHES)
    return (net.layers[place - 1],) if isinstance(step, nn.ReLU) and place else (layer,)


@dataclass(frozen=True)
class Joined(Objective):
    """The mean over positions of channel ``channels[i]`` of ``parts`` joined, for picture i."""

    parts: tuple[str, ...]
    channels: tuple[int, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """Return the layers that are joined by channel."""
        return self.parts

    def __call__(self, outputs: Outputs) -> torch.Tensor:
        """Return the means (n,)."""
        maps = torch.cat([outputs[layer] for layer in self.parts], 1)
        return channel_of(maps, " + ".join(self.parts), self.channels).mean(1)
