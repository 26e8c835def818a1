"""Fine-tune the last block of a pretrained network on cached maps of the frozen block before it."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import nn

from ..data.images import Source, stream
from ..networks.backbones import Backbone, as_input
from ..networks.training import fit, scores
from ..networks.zoo import NETWORKS, nearest
from .features import overwriting


@torch.inference_mode()
def maps_at(
    net: Backbone,
    images: Sequence[Source],
    transform: Callable[[Image.Image], Image.Image],
    layer: str,
    batch_size: int = 16,
) -> torch.Tensor:
    """Return a layer's maps of every picture, (n, c, h, w) in float16.

    Half precision halves the memory; the tail sees them as float32 again.
    """
    found, done = torch.empty(0), 0
    with overwriting(net, [layer]):
        for pixels in stream(images, transform, batch_size):
            maps = net.features(as_input(net, pixels), [layer])[layer].half().cpu()
            if not done:  # one block, so that nothing is held twice
                found = torch.empty(len(images), *maps.shape[1:], dtype=torch.float16)
            found[done : done + len(pixels)] = maps
            done += len(pixels)
    return found


def tail(net: Backbone, after: str, classes: int) -> nn.Sequential:
    """Return a trainable copy of the steps behind ``after``, its last layer new for ``classes``.

    The new layer starts at zero, so that training starts from equal probabilities. Raises
    ValueError for a network without classifier, which has no last layer to replace.
    """
    if not NETWORKS[net.name].classifies:
        raise ValueError(f"{net.name} has no classifier to fine-tune: use its features instead")
    if after not in net.layers:
        raise nearest(f"layer of {net.name}", after, net.layers)
    steps = list(net.steps.named_children())[net.layers.index(after) + 1 :]
    copy = nn.Sequential(*(deepcopy(step) for _, step in steps)).requires_grad_(True).float()
    parent, name, old = _last_weighted(copy)
    new = _resized(old, classes).to(old.weight.device)
    for parameter in new.parameters():
        nn.init.zeros_(parameter)
    setattr(parent, name, new)
    _drop_relu_behind(parent, name)
    return copy


def _last_weighted(net: nn.Module) -> tuple[nn.Module, str, nn.Conv2d | nn.Linear]:
    """Return the last convolution or linear layer with its parent and its name there."""
    found = [
        (parent, name, child)
        for parent in net.modules()
        for name, child in parent.named_children()
        if isinstance(child, (nn.Conv2d, nn.Linear))
    ]
    order = {id(module): i for i, module in enumerate(net.modules())}
    return max(found, key=lambda entry: order[id(entry[2])])


def _drop_relu_behind(parent: nn.Module, name: str) -> None:
    """Remove a ReLU right behind the new layer (SqueezeNet's): it would cut the gradient at zero.

    Every other ReLU stays.
    """
    for (before, _), (after, child) in pairwise(list(parent.named_children())):
        if before == name and isinstance(child, nn.ReLU):
            setattr(parent, after, nn.Identity())


def fit_tail(
    net: Backbone,
    maps: torch.Tensor,
    y: torch.Tensor,
    classes: int,
    epochs: int,
    lr: float,
    seed: int,
) -> nn.Sequential:
    """Return a fresh tail trained on maps (n, c, h, w)."""
    torch.manual_seed(seed)
    head = tail(net, NETWORKS[net.name].cut, classes)
    fit(head, maps, y, epochs, lr, 50, seed, label=f"{net.title}'s last block")
    return head


def tail_scores(head: nn.Module, maps: torch.Tensor) -> torch.Tensor:
    """Return the log-probabilities (n, classes)."""
    return scores(head, maps).log_softmax(1)


def choose_lr(
    net: Backbone,
    maps: torch.Tensor,
    y: torch.Tensor,
    held_out: np.ndarray,
    lrs: Sequence[float],
    epochs: int,
    seed: int,
) -> tuple[float, list[float]]:
    """Return the step size whose tail is most accurate on held-out training pictures, and all
    accuracies."""
    rest = np.setdiff1d(np.arange(len(y)), held_out)
    classes, accuracies = int(y.max()) + 1, []
    for lr in lrs:
        head = fit_tail(net, maps[rest], y[rest], classes, epochs, lr, seed)
        right = tail_scores(head, maps[held_out]).argmax(1) == y[held_out]
        accuracies.append(right.float().mean().item())
    return lrs[int(np.argmax(accuracies))], accuracies


def _resized(old: nn.Conv2d | nn.Linear, classes: int) -> nn.Conv2d | nn.Linear:
    """Return a new last layer like ``old`` with ``classes`` outputs."""
    if isinstance(old, nn.Conv2d):
        height, width = old.kernel_size
        return nn.Conv2d(old.in_channels, classes, (height, width))
    return nn.Linear(old.in_features, classes)
