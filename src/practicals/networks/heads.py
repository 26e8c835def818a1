"""Scene classifiers: frozen networks with a small head for the 15 scenes, trained here and kept.

A head is one linear layer on the average over positions of a network's last maps, so that any
chapter has five classifiers of the same classes: ``load("vgg16")``. ``practicals.transfer.heads``
trains them.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..paths import atomic_path, root
from . import backbones
from .backbones import Backbone
from .zoo import NETWORKS, nearest

KEPT = ("vgg16", "squeezenet1_0", "googlenet", "mobilenet_v2", "inception_v3")
"""Networks with a head."""
SIDE = 224
"""Side of the squeezed pictures that the heads were trained on, in pixels."""


class MissingHead(RuntimeError):
    """Raised for a head that is not at hand, or is none of this network's."""


def path_of(name: str) -> Path:
    """Return where a network's head is kept; raise UnknownName for a network without one."""
    if name not in KEPT:
        raise nearest("network with a head for scenes", name, KEPT)
    return root() / "data" / "models" / f"scenes-{name}.pt"


def facts(name: str) -> dict[str, Any]:
    """Return what a head's file holds: ``weight`` (15, c), ``bias`` (15,), ``classes``, ``C``,
    and the accuracies ``cross_validation`` and ``test``, in [0, 1]."""
    path = path_of(name)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise MissingHead(f"{path.name} is not in data/models: `make models` trains it") from None
    except Exception as error:  # torch has half a dozen for a file that is cut or altered
        reason = str(error).partition("\n")[0]
        raise MissingHead(f"{path.name} is damaged ({reason}): `make models` trains it") from None
    if not isinstance(found, dict) or not {"weight", "bias", "classes"} <= set(found):
        raise MissingHead(f"{path.name} holds no head for scenes: `make models` trains it again")
    return found


def keep(name: str, head: Mapping[str, Any]) -> None:
    """Write a head's file, completely or not at all."""
    with atomic_path(path_of(name)) as part:
        torch.save(dict(head), part)


def trunk(name: str) -> Backbone:
    """Return a network up to its last maps, which are then averaged: (n, 3, H, W) to (n, c)."""
    whole = backbones.load(name)
    last = NETWORKS[name].grad_cam
    steps = OrderedDict(list(whole.steps.named_children())[: whole.layers.index(last) + 1])
    steps["average"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = Backbone(name, steps)
    net.source = whole.source
    return net.eval().requires_grad_(False)


def load(name: str) -> Backbone:
    """Return a classifier of the 15 scenes: pixels (n, 3, H, W) in [0, 1] to scores (n, 15).

    Its layers are the network's up to the last maps, then ``average`` and ``scenes``. Raises
    MissingHead where the head is not at hand.
    """
    kept, net = facts(name), trunk(name)
    with torch.no_grad():
        channels = net(torch.zeros(1, 3, SIDE // 2, SIDE // 2)).shape[1]
    classes = len(kept["classes"])
    wanted, shapes = [(classes, channels), (classes,)], [kept["weight"].shape, kept["bias"].shape]
    if shapes != wanted:
        found = " and ".join(str(tuple(shape)) for shape in shapes)
        raise MissingHead(
            f"scenes-{name}.pt holds {found}, but {classes} classes of this network take "
            f"{wanted[0]} and {wanted[1]}: `make models` trains it again"
        )
    head = nn.Linear(channels, classes)
    head.load_state_dict({"weight": kept["weight"], "bias": kept["bias"]})
    steps = OrderedDict([*net.steps.named_children(), ("scenes", head)])
    whole = Backbone(name, steps)
    whole.source = net.source
    return whole.eval().requires_grad_(False)
