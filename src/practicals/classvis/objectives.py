"""What is to be large: the score of a class, a channel or a unit of any named layer, and sums.

An objective names the layers it looks at and turns their outputs into one value per picture;
objectives add, subtract and take weights: ``Channel("fire5", 3) - 0.5 * Score(labels)``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce

import torch
from torch import nn

from ..networks.backbones import Backbone
from ..networks.gradients import class_scores, find_layer

OUTPUT = "output"
"""The name of what the network returns."""
Outputs = Mapping[str, torch.Tensor]


class Objective:
    """One value per picture, from the outputs of ``layers``; sums and multiples are objectives."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Return the layers that are looked at."""
        raise NotImplementedError

    def __call__(self, outputs: Outputs) -> torch.Tensor:
        """Return the values (n,)."""
        raise NotImplementedError

    def __add__(self, other: "Objective") -> "Objective":
        return Sum((self, other), (1.0, 1.0))

    def __sub__(self, other: "Objective") -> "Objective":
        return Sum((self, other), (1.0, -1.0))

    def __neg__(self) -> "Objective":
        return Sum((self,), (-1.0,))

    def __mul__(self, weight: float) -> "Objective":
        return Sum((self,), (float(weight),))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Sum(Objective):
    """A weighted sum of objectives."""

    parts: tuple[Objective, ...]
    weights: tuple[float, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """Return all layers that the parts look at, each once."""
        return tuple(dict.fromkeys(layer for part in self.parts for layer in part.layers))

    def __call__(self, outputs: Outputs) -> torch.Tensor:
        """Return the values (n,)."""
        terms = [w * part(outputs) for w, part in zip(self.weights, self.parts, strict=True)]
        return reduce(torch.add, terms)


@dataclass(frozen=True)
class Score(Objective):
    """The score of class ``labels[i]``, before the softmax, for picture i (Simonyan, 2014)."""

    labels: tuple[int, ...]
    layers: tuple[str, ...] = (OUTPUT,)

    def __call__(self, outputs: Outputs) -> torch.Tensor:
        """Return the scores (n,)."""
        return class_scores(outputs[OUTPUT].flatten(1), torch.tensor(self.labels))


@dataclass(frozen=True)
class Probability(Score):
    """The logarithm of the probability of class ``labels[i]`` for picture i."""

    def __call__(self, outputs: Outputs) -> torch.Tensor:
        """Return the logarithms (n,)."""
        return super().__call__({OUTPUT: outputs[OUTPUT].flatten(1).log_softmax(1)})


def channel_of(maps: torch.Tensor, layer: str, wanted: Sequence[int]) -> torch.Tensor:
    """Return channel ``wanted[i]`` of picture i, flattened (n, positions); raise ValueError."""
    if len(wanted) != len(maps):
        raise ValueError(f"{len(wanted)} channels for {len(maps)} pictures")
    if not all(0 <= channel < maps.shape[1] for channel in wanted):
        raise ValueError(f"{layer} has channels 0 to {maps.shape[1] - 1}, got {list(wanted)}")
    picked = maps[torch.arange(len(maps)), torch.tensor(wanted, device=maps.device)]
    return picked.reshape(len(maps), -1)


@dataclass(frozen=True)
class Channel(Objective):
    """The mean over positions of channel ``channels[i]`` of a layer, for picture i."""

    layer: str
    channels: tuple[int, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """Return the layer."""
        return (self.layer,)

    def __call__(self, outputs: Outputs) -> torch.Tensor:
        """Return the means (n,)."""
        return channel_of(outputs[self.layer], self.layer, self.channels).mean(1)


@contextmanager
def _listening(net: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Borrow layers: the dict that is yielded receives their outputs; the hooks are given back."""
    found: dict[str, torch.Tensor] = {}
    hooks = []
    try:
        for layer in layers:

            def keep(
                _module: nn.Module, _args: tuple, output: torch.Tensor, name: str = layer
            ) -> torch.Tensor:
                found[name] = output
                # What goes on is a copy, which a rectifier in place may overwrite.
                return output.clone()

            hooks.append(find_layer(net, layer).register_forward_hook(keep))
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def outputs_of(net: nn.Module, x: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return the outputs of the named layers, ``output`` being the network's.

    A backbone computes nothing beyond the deepest of its own steps. Raises UnknownName for a layer
    that does not exist, and MissingWeights where a backbone's weights end before it.
    """
    if isinstance(net, Backbone):
        names = {layer: net.layers[-1] if layer == OUTPUT else layer for layer in layers}
        if set(names.values()) <= set(net.layers):
            found = net.features(x, names.values())
            return {layer: found[name] for layer, name in names.items()}
    inner = [layer for layer in layers if layer != OUTPUT]
    with _listening(net, inner) as found:
        output = net(x)
    return found | {OUTPUT: output}
