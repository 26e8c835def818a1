"""Chapter 2's maps beside Captum's and pytorch-grad-cam's: the same network, pictures and samples.

    python benchmarks/saliency.py [--images 64] [--few 4] [--samples 50] [--repeats 2]

The peers get torchvision's model as it is usually loaded: contiguous weights that require
gradients, rectifiers in place. Captum runs with its default batching and with the batches of this
project, and its faster run counts; it runs once more on the project's own prepared network, which
shows what is owed to the memory layout and the folded normalisation. Ratios above 1 mean that the
project is faster. Noise comes from the same seed. The fast precision is bfloat16, timed only where
the processor has units for it.
"""

import argparse
import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from captum import attr
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from practicals import runtime
from practicals.data import images
from practicals.data import pictures as photographs
from practicals.networks import backbones
from practicals.networks.gradients import outputs
from practicals.saliency import maps as saliency
from turns import best

LAYER = "fire9"
NAME = "squeezenet1_0"
Call = Callable[[], torch.Tensor]


def pictures(count: int) -> torch.Tensor:
    """Return ImageNet samples, else patches of shipped photographs: (n, 3, 224, 224) from 0 to 1.

    Every picture is stretched to the whole range: Captum's noise has one deviation for all.
    """
    try:
        sources = photographs.imagenet_samples().images[:count]
    except RuntimeError:
        sources = list(photographs.patches(photographs.COLOUR, 1 + count // 10, 1, side=256)[0][0])[
            :count
        ]
    x = torch.stack([images.preprocess(source) for source in sources])
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low)


def networks() -> tuple[nn.Module, backbones.Backbone, backbones.Backbone]:
    """Return the peers' network, the prepared one, and the prepared one in the fast precision."""
    ours = backbones.load(NAME)
    theirs = copy.deepcopy(ours).requires_grad_(True)
    for module in theirs.modules():
        # In place as torchvision has it, but behind a layer that Grad-CAM watches.
        if isinstance(module, nn.ReLU):
            module.inplace = True
    fast = backbones.prepare(copy.deepcopy(ours), torch.bfloat16)
    return theirs, backbones.prepare(ours, torch.float32), fast


def relative_error(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the relative distance of two results."""
    return ((a - b).norm() / b.norm()).item()


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the mean cosine similarity of two sets of maps."""
    return torch.cosine_similarity(a.flatten(1), b.flatten(1)).mean().item()


def one_by_one(method: Callable, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Apply a method picture by picture, so that the noise has the same order everywhere."""
    torch.manual_seed(0)
    return torch.cat([method(x[i : i + 1], y[i : i + 1]).detach() for i in range(len(x))])


def summary(found: dict[str, tuple[float, torch.Tensor]], peers: list[str]) -> dict[str, object]:
    """Return seconds of all, the ratio to the fastest peer, and agreement with it."""
    quickest = min(peers, key=lambda name: found[name][0])
    ours = found["ours"]
    result = {
        "seconds": {name: round(seconds, 3) for name, (seconds, _) in found.items()},
        "ratio": found[quickest][0] / ours[0],
        "relative_error": relative_error(ours[1], found[quickest][1]),
    }
    if "captum, prepared" in found:
        # Another memory layout rounds otherwise, and a rectifier near its kink then switches.
        same = found["captum, prepared"][1]
        result["relative_error_same_layout"] = relative_error(ours[1], same)
    return result


def compare_smoothgrad(x: torch.Tensor, y: torch.Tensor, samples: int, repeats: int) -> dict:
    """Compare SmoothGrad, picture by picture, with the same noise."""
    theirs, ours, fast = networks()
    units = runtime.fastest_dtype() == torch.bfloat16

    def captum(net: nn.Module, size: int | None) -> Call:
        tunnel = attr.NoiseTunnel(attr.Saliency(net))
        options = {"nt_samples": samples, "nt_samples_batch_size": size, "stdevs": 0.15}
        return lambda: one_by_one(
            lambda p, c: tunnel.attribute(p.clone(), target=c, abs=False, **options), x, y
        )

    def mine(net: nn.Module) -> Call:
        keep = {"samples": samples, "reduce": saliency.every_channel}
        return lambda: one_by_one(lambda p, c: saliency.smoothgrad(net, p, c, **keep), x, y)

    calls = {"captum": captum(theirs, None), "captum, batches": captum(theirs, 16)}
    calls |= {"captum, prepared": captum(ours, 16), "ours": mine(ours)}
    found = best(calls | ({"ours, fast": mine(fast)} if units else {}), repeats)
    result = summary(found, ["captum", "captum, batches"])
    if units:
        result["fast_ratio"] = result["ratio"] * found["ours"][0] / found["ours, fast"][0]
        result["fast_cosine"] = cosine(found["ours, fast"][1], found["ours"][1])
    else:
        result["fast_ratio"] = "not measured: this processor has no bfloat16 units"
        torch.manual_seed(0)
        slow = saliency.smoothgrad(fast, x[:1], y[:1], samples, reduce=saliency.every_channel)
        result["fast_cosine"] = cosine(slow, found["ours"][1][:1])
    return result


def compare_integral(x: torch.Tensor, y: torch.Tensor, steps: int, repeats: int) -> dict:
    """Compare integrated gradients from black with the same quadrature."""
    theirs, ours, _ = networks()

    def captum(net: nn.Module, size: int | None) -> Call:
        method = attr.IntegratedGradients(net)
        options = {"n_steps": steps, "internal_batch_size": size}
        return lambda: one_by_one(lambda p, c: method.attribute(p, target=c, **options), x, y)

    keep = {"steps": steps, "reduce": saliency.every_channel}
    mine = lambda p, c: saliency.integrated_gradients(ours, p, c, **keep)  # noqa: E731
    calls = {"captum": captum(theirs, None), "captum, batches": captum(theirs, 16)}
    calls |= {"captum, prepared": captum(ours, 16), "ours": lambda: one_by_one(mine, x, y)}
    return summary(best(calls, repeats), ["captum", "captum, batches"])


def compare_grad_cam(x: torch.Tensor, y: torch.Tensor, repeats: int) -> dict:
    """Compare Grad-CAM over all pictures, in batches of 16."""
    theirs, ours, _ = networks()
    batches = list(zip(x.split(16), y.split(16), strict=True))
    layer = theirs.steps.get_submodule(LAYER)
    watched = attr.LayerGradCam(theirs, layer)

    def peer() -> torch.Tensor:
        found = []
        with GradCAM(model=theirs, target_layers=[layer]) as cam:
            for p, c in batches:
                targets = [ClassifierOutputTarget(label) for label in c.tolist()]
                found.append(torch.from_numpy(cam(input_tensor=p, targets=targets)))
        return torch.cat(found)

    def captum() -> torch.Tensor:
        maps = [watched.attribute(p, target=c, relu_attributions=True) for p, c in batches]
        maps = torch.cat(maps).detach()
        return attr.LayerAttribution.interpolate(maps, x.shape[-2:], "bilinear")[:, 0]

    def mine() -> torch.Tensor:
        return torch.cat([saliency.grad_cam(ours, p, c, LAYER) for p, c in batches])

    found = best({"pytorch-grad-cam": peer, "captum": captum, "ours": mine}, repeats)
    result = summary({name: found[name] for name in ("captum", "ours")}, ["captum"])
    result["ratio_to_captum"] = result.pop("ratio")
    result["seconds"]["pytorch-grad-cam"] = round(found["pytorch-grad-cam"][0], 3)
    result["ratio"] = found["pytorch-grad-cam"][0] / found["ours"][0]
    # pytorch-grad-cam returns maps stretched to [0, 1], so only their direction is compared.
    result["cosine_to_pytorch_grad_cam"] = cosine(found["ours"][1], found["pytorch-grad-cam"][1])
    return result


def main() -> None:
    """Run the three comparisons, print them and write build/benchmarks/saliency.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64, help="pictures for Grad-CAM")
    parser.add_argument("--few", type=int, default=4, help="pictures for the other two")
    parser.add_argument("--samples", type=int, default=50, help="samples and steps")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    x = pictures(options.images)
    y = outputs(backbones.load(NAME), x).argmax(1)
    few = x[: options.few], y[: options.few]
    report = {
        "machine": runtime.describe(),
        "network": NAME,
        "pictures": {"grad_cam": len(x), "smoothgrad and integrated_gradients": options.few},
        "grad_cam": compare_grad_cam(x, y, options.repeats),
        "smoothgrad": compare_smoothgrad(*few, options.samples, options.repeats),
        "integrated_gradients": compare_integral(*few, options.samples, options.repeats),
    }
    text = json.dumps(report, indent=1)
    out = Path(__file__).resolve().parents[1] / "build" / "benchmarks" / "saliency.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
