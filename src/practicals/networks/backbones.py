"""Networks by name: layers by readable name, normalisation inside, input in [0, 1]."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..data import fetch
from ..runtime import device, fastest_dtype
from . import googlenet, inception, packed, smallvgg
from .zoo import NETWORKS, Network, Steps, nearest

State = dict[str, torch.Tensor]


FIRST_BLOCKS = ("vgg16-397923af.pth", "vgg16-oxford-blocks123.pth")
"""What chapters 1 and 4 read VGG16 from: their published numbers are of its first three blocks,
until they are written anew for its whole trunk."""
SAME_PADDED = "mobilenet_v2-coral.pth"
"""Weights from TensorFlow, whose strided convolutions pad on the right and below only."""


class MissingWeights(RuntimeError):
    """Raised when a layer is asked for that the weights at hand do not cover."""


class Normalise(nn.Module):
    """Map pixels in [0, 1] to zero mean and unit variance per channel."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pixels (n, 3, H, W) normalised."""
        return (x - self.mean) / self.std


class Backbone(nn.Module):
    """A network as a sequence of named steps on pixels in [0, 1] of shape (n, 3, H, W).

    ``covered`` holds the leading layers that have weights; asking for a later one raises
    MissingWeights.
    """

    def __init__(self, name: str, steps: Steps) -> None:
        super().__init__()
        known = NETWORKS[name]
        self.name, self.title, self.size = name, known.title, known.size
        self.normalise = Normalise(known.mean, known.std)
        self.steps = nn.Sequential(steps)
        self.source = "random weights"

    @property
    def layers(self) -> tuple[str, ...]:
        """Return the layers' names in order."""
        return tuple(self.steps._modules)

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the last layer of every stage that has weights, in order."""
        return tuple(layer for layer in NETWORKS[self.name].stages if layer in self.covered)

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
        """Return the outputs of the named layers, computing nothing beyond the deepest one.

        Pixels may lie on another device than the network: the outputs come back to theirs.
        """
        wanted, home = set(layers), x.device
        self._check(wanted, x)
        found: State = {}
        x = self.normalise(x.to(self.normalise.mean.device))
        for layer, step in self.steps.named_children():
            if len(found) == len(wanted):
                break
            x = step(x)
            if layer in wanted:
                found[layer] = x.to(home)
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
            end = f"ends at {self.covered[-1]}" if self.covered else "has none of its layers"
            raise MissingWeights(
                f"{self.name}'s {beyond[0]} has no weights here: {self.source} {end}. "
                f"{what_is_missing(self.name)}"
            )


def _record(name: str) -> Network:
    """Return what is known of a network; raise UnknownName."""
    if name not in NETWORKS:
        raise nearest("network", name, NETWORKS)
    return NETWORKS[name]


def build(name: str, device: str = "cpu") -> Backbone:
    """Return a network with random weights (device ``meta``: shapes only, no memory)."""
    known = _record(name)
    with torch.device(device):
        net = known.make()
    return Backbone(name, known.split(without_inplace(net)))


def what_is_missing(name: str) -> str:
    """Return the phrase that says which file a network's complete weights are in."""
    file = NETWORKS[name].weights[0]
    return f"needs {file}, {fetch.megabytes(file)}: `make data NETS={name}`"


def is_complete(name: str) -> bool:
    """Return whether all layers of a network can be had without asking for a large download."""
    known = NETWORKS[name]
    return not known.on_request or fetch.available(known.weights[0])


def _state(name: str, files: Sequence[str] = ()) -> tuple[State, str]:
    """Return the state dict for a network's class, and the name of the file it came from."""
    files = files or NETWORKS[name].weights
    if not files:
        return smallvgg.trained_state(), "trained here on photographs"
    path = fetch.locate_first(files)
    file = path.name
    if file == packed.PACKED:
        return packed.load(path), packed.DECODED
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {key: value.float() for key, value in state.items()}
    return googlenet.from_caffe(state) if name == "googlenet" else state, file


def load(name: str, files: Sequence[str] = ()) -> Backbone:
    """Return a pretrained network of ``NETWORKS`` in evaluation mode with frozen parameters.

    ``files`` are tried in order, by default those of the network's record.

    Files come from the data folder, the mirror or a download. Weights that cover only the leading
    layers are accepted; a deeper layer then raises MissingWeights when it is asked for.
    """
    _record(name)
    return from_state(name, *_state(name, files))


def from_state(name: str, state: State, source: str = "the caller's weights") -> Backbone:
    """Return a network with given weights, frozen and in evaluation mode; raise ValueError.

    ``state`` is a state dict of the network's class; leading layers alone are accepted.
    """
    known = _record(name)
    with torch.device("meta"):
        net = known.make()
    if source == SAME_PADDED:
        pad_like_tensorflow(net)
    if not known.classifies:
        state = {k: v for k, v in state.items() if not k.startswith(inception.BEYOND)}
    unexpected = net.load_state_dict(state, strict=False, assign=True).unexpected_keys
    if unexpected:
        raise ValueError(f"{source} is not a state dict of {name}: unexpected {unexpected[:3]}")
    net.eval().requires_grad_(False)
    fuse_batch_norms(net)
    backbone = Backbone(name, known.split(without_inplace(net)))
    backbone.source = source
    return backbone.eval().requires_grad_(False)


class SameConv2d(nn.Conv2d):
    """A 3 × 3 convolution of stride 2 padded as TensorFlow's SAME does.

    Even sides get 0 before and 1 after, odd sides 1 and 1.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps of half the size, rounded up."""
        before_y, before_x = (side % 2 for side in x.shape[-2:])
        x = F.pad(x, (before_x, 1, before_y, 1))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def pad_like_tensorflow(net: nn.Module) -> None:
    """Let every strided 3 × 3 convolution of ``net`` pad on the right and below, in place."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2) and module.padding == (1, 1):
            module.__class__ = SameConv2d


def without_inplace(module: nn.Module) -> nn.Module:
    """Let no ReLU overwrite the output of the layer before it, which may have been asked for."""
    for child in module.modules():
        if hasattr(child, "inplace"):
            child.inplace = False  # type: ignore[assignment]
    return module


def fuse_batch_norms(net: nn.Module) -> None:
    """Fold every batch norm that directly follows a convolution into it (evaluation mode)."""
    for parent in list(net.modules()):
        children = list(parent.named_children())
        for (first, conv), (second, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(conv, norm))
                setattr(parent, second, nn.Identity())


def prepare(
    net: Backbone, dtype: torch.dtype | None = None, where: torch.device | None = None
) -> Backbone:
    """Move a network to the fastest device, channels last, in its fastest safe precision.

    ``dtype`` and ``where`` override the choice.
    """
    where = where or device()
    dtype = dtype or fastest_dtype(where)
    return net.to(where, dtype).to(memory_format=torch.channels_last)


def as_input(net: Backbone, pixels: torch.Tensor) -> torch.Tensor:
    """Return pixels (n, 3, H, W), uint8 or float in [0, 1], as the network takes them."""
    mean = net.normalise.mean
    x = pixels.to(mean.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    return x.to(mean.dtype) / 255 if pixels.dtype == torch.uint8 else x.to(mean.dtype)
