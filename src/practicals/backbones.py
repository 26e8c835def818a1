"""Networks by name: layers by readable name, normalisation inside, input in [0, 1]."""

import difflib
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torchvision import models

from . import assets, deep_compression, named_layers, smallvgg
from .images import IMAGENET_MEAN, IMAGENET_STD
from .named_layers import Steps

State = dict[str, torch.Tensor]

WEIGHTS = {
    "vgg16": ("vgg16-397923af.pth", "vgg16-oxford-blocks12.pth"),
    "squeezenet1_0": ("squeezenet1_0-b66bff10.pth", "compressed_SqueezeNet.net"),
    "mobilenet_v2": ("mobilenet_v2-b0353104.pth", "mobilenet_v2-coral.pth"),
}
"""Files that hold a network's weights; the first is torchvision's own."""
TITLES = {
    "vgg16": "VGG16",
    "squeezenet1_0": "SqueezeNet 1.0",
    "mobilenet_v2": "MobileNetV2",
    "smallvgg": "small VGG",
}
SIZES = {"smallvgg": smallvgg.SIZE}
"""Side of the square input in pixels, where it is not 224."""


class UnknownName(KeyError):
    """Raised for a network or layer that does not exist; suggests the nearest name."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingWeights(RuntimeError):
    """Raised when a layer is asked for that the weights at hand do not cover."""


def nearest(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Return the error for an unknown name, with the nearest known one."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UnknownName(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


class Normalise(nn.Module):
    """Map pixels in [0, 1] to zero mean and unit variance per channel."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std


class Backbone(nn.Module):
    """A network as a sequence of named steps on pixels in [0, 1] of shape (n, 3, H, W).

    ``covered`` holds the leading layers that have weights; asking for a later one raises
    MissingWeights.
    """

    def __init__(self, name: str, steps: Steps) -> None:
        super().__init__()
        self.name, self.title, self.size = name, TITLES[name], SIZES.get(name, 224)
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.steps = nn.Sequential(steps)
        self.source = "random weights"

    @property
    def layers(self) -> tuple[str, ...]:
        """Return the layers' names in order."""
        return tuple(self.steps._modules)

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the last layer of every stage that has weights, in order."""
        return tuple(layer for layer in named_layers.STAGES[self.name] if layer in self.covered)

    @property
    def covered(self) -> tuple[str, ...]:
        """Return the leading layers that have weights."""
        covered = []
        for layer, step in self.steps.named_children():
            if any(parameter.is_meta for parameter in step.parameters()):
                break
            covered.append(layer)
        return tuple(covered)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits, shape (n, classes)."""
        return self.features(x, [self.layers[-1]])[self.layers[-1]]

    def features(self, x: torch.Tensor, layers: Iterable[str]) -> State:
        """Return the outputs of the named layers, computing nothing beyond the deepest one."""
        wanted = set(layers)
        self._check(wanted, x)
        found: State = {}
        x = self.normalise(x)
        for layer, step in self.steps.named_children():
            if len(found) == len(wanted):
                break
            x = step(x)
            if layer in wanted:
                found[layer] = x
        return found

    def _check(self, wanted: set[str], x: torch.Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point():
            raise ValueError(
                f"{self.name} takes float pixels in [0, 1] of shape (n, 3, H, W), "
                f"got {x.dtype} {tuple(x.shape)}"
            )
        for layer in wanted:
            if layer not in self.layers:
                raise nearest(f"layer of {self.name}", layer, self.layers)
        beyond = [layer for layer in self.layers if layer in wanted - set(self.covered)]
        if beyond:
            raise MissingWeights(
                f"{self.name}'s {beyond[0]} has no weights here: {self.source} ends at "
                f"{self.covered[-1]}. {what_is_missing(self.name)}"
            )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], Steps]]] = {
    "vgg16": (models.vgg16, named_layers.vgg16_steps),
    "squeezenet1_0": (models.squeezenet1_0, named_layers.squeezenet_steps),
    "mobilenet_v2": (models.mobilenet_v2, named_layers.mobilenet_steps),
    "smallvgg": (smallvgg.SmallVGG, smallvgg.steps),
}


def build(name: str, device: str = "cpu") -> Backbone:
    """Return a network with random weights (device ``meta``: shapes only, no memory)."""
    if name not in NETWORKS:
        raise nearest("network", name, NETWORKS)
    make, split = NETWORKS[name]
    with torch.device(device):
        net = make()
    return Backbone(name, split(named_layers.without_inplace(net)))


def what_is_missing(name: str) -> str:
    """Return the phrase that says which file a network's complete weights are in."""
    file = WEIGHTS[name][0]
    return f"needs {file}, {assets.megabytes(file)}: `make data NETS={name}`"


def is_complete(name: str) -> bool:
    """Return whether all layers of a network can be had without asking for a large download."""
    return name != "vgg16" or assets.available(WEIGHTS[name][0])


def _state(name: str) -> tuple[State, str]:
    """Return the state dict for torchvision's class, and the name of the file it came from."""
    if name == "smallvgg":
        return smallvgg.trained_state(), "trained here on photographs"
    file = next((f for f in WEIGHTS[name] if assets.available(f)), WEIGHTS[name][0])
    path = assets.locate(file)
    if file.endswith(".net"):
        return deep_compression.load(path), file
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {key: value.float() for key, value in state.items()}, file


def load(name: str) -> Backbone:
    """Return a pretrained network in evaluation mode with frozen parameters.

    ``vgg16``, ``squeezenet1_0``, ``mobilenet_v2`` (ImageNet) or ``smallvgg``. Files come from the
    data folder, the mirror or a download. Weights that cover only the leading layers are accepted;
    a deeper layer then raises MissingWeights when it is asked for.
    """
    if name not in NETWORKS:
        raise nearest("network", name, NETWORKS)
    state, source = _state(name)
    make, split = NETWORKS[name]
    with torch.device("meta"):
        net = make()
    unexpected = net.load_state_dict(state, strict=False, assign=True).unexpected_keys
    if unexpected:
        raise ValueError(f"{source} is not a state dict of {name}: unexpected {unexpected[:3]}")
    net.eval().requires_grad_(False)
    named_layers.fuse_batch_norms(net)
    backbone = Backbone(name, split(named_layers.without_inplace(net)))
    backbone.source = source
    return backbone.eval().requires_grad_(False)
