"""Torchvision's networks as ordered steps under the names the literature uses for their layers."""

from collections import OrderedDict
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision import models

Steps = OrderedDict[str, nn.Module]

STAGES = {
    "vgg16": ("pool1", "pool2", "pool3", "pool4", "pool5", "relu6", "relu7", "fc8"),
    "squeezenet1_0": ("pool1", *(f"fire{i}" for i in range(2, 10)), "pool10"),
    "mobilenet_v2": ("conv0", *(f"block{i}" for i in range(1, 18)), "pool", "classifier"),
    "smallvgg": ("pool1", "pool2", "pool3", "pool4", "relu6", "relu7", "fc8"),
}
"""The end of every stage, in order: where features are read to see what depth brings."""


def without_inplace(module: nn.Module) -> nn.Module:
    """Let no ReLU overwrite the output of the layer before it, which may have been asked for."""
    for child in module.modules():
        if hasattr(child, "inplace"):
            child.inplace = False
    return module


def vgg16_steps(net: models.VGG) -> Steps:
    """Return VGG16 as conv1_1, relu1_1, … pool5, flatten, fc6, relu6, … fc8."""
    steps, block, conv = OrderedDict(), 1, 1
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
    steps = OrderedDict(zip(names, net.features, strict=True))
    steps |= zip(("drop9", "conv10", "relu10"), net.classifier[:3], strict=True)
    steps["pool10"] = nn.Sequential(net.classifier[3], nn.Flatten())
    return steps


def mobilenet_steps(net: models.MobileNetV2) -> Steps:
    """Return MobileNetV2 as conv0, block1 to block17, conv18, pool, classifier."""
    names = ["conv0", *(f"block{i}" for i in range(1, 18)), "conv18"]
    steps = OrderedDict(zip(names, net.features, strict=True))
    steps["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    steps["classifier"] = net.classifier
    return steps


def fuse_batch_norms(net: nn.Module) -> None:
    """Fold every batch norm that directly follows a convolution into it (evaluation mode)."""
    for parent in list(net.modules()):
        children = list(parent.named_children())
        for (first, conv), (second, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(conv, norm))
                setattr(parent, second, nn.Identity())
