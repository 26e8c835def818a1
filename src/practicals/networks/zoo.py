"""All facts of a network in one record, and torchvision's networks as steps with readable names.

A step is a layer or a stage under the name that the literature uses for it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torchvision import models

from ..data.images import IMAGENET_MEAN, IMAGENET_STD
from ..paths import did_you_mean
from . import googlenet, inception, packed, smallvgg

Steps = OrderedDict[str, nn.Module]


class UnknownName(KeyError):
    """Raised for a network or layer that does not exist; suggests the nearest name."""

    def __str__(self) -> str:
        return str(self.args[0])


def nearest(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Return the error for an unknown name, with the nearest known one."""
    known = list(known)
    hint = did_you_mean(name, known, cutoff=0.4)
    return UnknownName(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def vgg16_steps(net: models.VGG) -> Steps:
    """Return VGG16 as conv1_1, relu1_1, … pool5, flatten, fc6, relu6, … fc8."""
    steps: Steps = OrderedDict()
    block, conv = 1, 1
    for module in net.features:
        if isinstance(module, nn.Conv2d):
            steps[f"conv{block}_{conv}"] = module
        elif isinstance(module, nn.ReLU):
            steps[f"relu{block}_{conv}"] = module
            conv += 1
        else:
            steps[f"pool{block}"] = module
            block, conv = block + 1, 1
    steps["flatten"] = nn.Sequential(net.avgpool, nn.Flatten())
    names = ("fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8")
    return OrderedDict([*steps.items(), *zip(names, net.classifier, strict=True)])


def squeezenet_steps(net: models.SqueezeNet) -> Steps:
    """Return SqueezeNet 1.0 as conv1, … fire2 to fire9, conv10, relu10, pool10."""
    names = "conv1 relu1 pool1 fire2 fire3 fire4 pool4 fire5 fire6 fire7 fire8 pool8 fire9".split()
    steps: Steps = OrderedDict(zip(names, net.features, strict=True))
    steps |= zip(("drop9", "conv10", "relu10"), net.classifier[:3], strict=True)
    steps["pool10"] = nn.Sequential(net.classifier[3], nn.Flatten())
    return steps


def mobilenet_steps(net: models.MobileNetV2) -> Steps:
    """Return MobileNetV2 as conv0, block1 to block17, conv18, pool, classifier."""
    names = ["conv0", *(f"block{i}" for i in range(1, 18)), "conv18"]
    steps: Steps = OrderedDict(zip(names, net.features, strict=True))
    steps["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    steps["classifier"] = net.classifier
    return steps


@dataclass(frozen=True)
class Network:
    """What the project knows of a network; layers are named as in its steps."""

    title: str
    make: Callable[[], nn.Module]
    split: Callable[[Any], Steps]
    """Returns the network's layers in order, under their names."""
    stages: tuple[str, ...]
    """The end of every stage, in order: where features are read to see what depth brings."""
    cut: str
    """Fine-tuning trains what comes behind this layer."""
    grad_cam: str
    """The last layer that still has positions."""
    classifies: bool = True
    """Whether the network ends in the scores of ImageNet's 1,000 classes; else: features only."""
    weights: tuple[str, ...] = ()
    """Files that hold the weights; the first is complete and torchvision's own."""
    size: int = 224
    """Side of the usual square input, in pixels."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    on_request: bool = False
    """Whether the complete weights are only downloaded when somebody asks for them."""


NETWORKS: dict[str, Network] = {
    "vgg16": Network(
        title="VGG16",
        make=models.vgg16,
        split=vgg16_steps,
        stages=("pool1", "pool2", "pool3", "pool4", "pool5", "relu6", "relu7", "fc8"),
        cut="pool4",
        grad_cam="relu5_3",
        weights=("vgg16-397923af.pth", "vgg16-oxford-trunk.pth"),
        on_request=True,
    ),
    "squeezenet1_0": Network(
        title="SqueezeNet 1.0",
        make=models.squeezenet1_0,
        split=squeezenet_steps,
        stages=("pool1", *(f"fire{i}" for i in range(2, 10)), "pool10"),
        cut="pool8",
        grad_cam="fire9",
        weights=("squeezenet1_0-b66bff10.pth", packed.DECODED, packed.PACKED),
    ),
    "mobilenet_v2": Network(
        title="MobileNetV2",
        make=models.mobilenet_v2,
        split=mobilenet_steps,
        stages=("conv0", *(f"block{i}" for i in range(1, 18)), "pool", "classifier"),
        cut="block15",
        grad_cam="conv18",
        weights=("mobilenet_v2-b0353104.pth", "mobilenet_v2-coral.pth"),
    ),
    "googlenet": Network(
        title="GoogLeNet",
        make=googlenet.GoogLeNet,
        split=googlenet.steps,
        stages=("pool1", "pool2", *googlenet.WIDTHS, "pool", "fc"),
        cut="pool4",
        grad_cam="i5b",
        weights=("googlenet-bvlc.pth",),
        mean=(123 / 255, 117 / 255, 104 / 255),
        std=(1 / 255,) * 3,
    ),
    "inception_v3": Network(
        title="Inception v3 (trunk)",
        make=inception.Trunk,
        split=inception.steps,
        stages=("maxpool1", "maxpool2", *inception.LAYERS[7:]),
        cut="Mixed_6e",
        grad_cam="Mixed_7a",
        classifies=False,
        weights=("inception_v3-trunk.pth",),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    ),
    "smallvgg": Network(
        title="small VGG",
        make=smallvgg.SmallVGG,
        split=smallvgg.steps,
        stages=("pool1", "pool2", "pool3", "pool4", "relu6", "relu7", "fc8"),
        cut="pool3",
        grad_cam="relu4_2",
        size=smallvgg.SIZE,
    ),
}
