"""Chapter 3's attacks beside torchattacks': the same network, pictures, radius and steps.

    python benchmarks/attacks.py [--images 32] [--few 4] [--repeats 3]

The peer gets the network as it is usually loaded: contiguous weights that require gradients,
rectifiers in place. Success is judged for both in single precision on the pictures rounded to 8
bits. The fast precision attacks in bfloat16, which counts only where the processor has units for
it, and is judged in single precision as well. One-pixel attacks are compared by queries per second,
which a wrapper around either network counts. Ratios above 1 mean that the project is faster.
"""

import argparse
import copy
import json
import time

import torch
import torchattacks
from torch import nn

from practicals import runtime
from practicals.adversarial import attacks, one_pixel, sets
from practicals.networks import backbones
from turns import best

NAME = "squeezenet1_0"
EPS, STEPS, SIDE = 2 / 255, 10, 224


class Counting(nn.Module):
    """Counts the pictures that a network is asked."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.asked = net, 0
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the network's logits."""
        self.asked += len(x)
        return self.net(x)


def networks() -> tuple[nn.Module, backbones.Backbone, backbones.Backbone]:
    """Return the peer's network, the prepared one, and the prepared one in bfloat16."""
    ours = backbones.load(NAME)
    theirs = copy.deepcopy(ours).requires_grad_(True)
    for module in theirs.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    fast = backbones.prepare(copy.deepcopy(ours), torch.bfloat16)
    return theirs, backbones.prepare(ours, torch.float32), fast


def pgd(x: torch.Tensor, y: torch.Tensor, repeats: int) -> dict[str, dict[str, float]]:
    """Time PGD in L∞ and judge what it made."""
    theirs, net, fast = networks()
    peer = torchattacks.PGD(theirs, EPS, 1 / 255, STEPS, random_start=False)
    plan = attacks.pgd(EPS, STEPS)
    calls = {
        "torchattacks": lambda: peer(x, y),
        "here": lambda: attacks.run(net, x, y, plan).adversarial,
        "here, all steps": lambda: (
            attacks.run(net, x, y, attacks.pgd(EPS, STEPS, stop_early=False)).adversarial
        ),
    }
    if runtime.fastest_dtype() == torch.bfloat16:
        calls["here, bfloat16"] = lambda: attacks.run(fast, x, y, plan).adversarial
    rows = {}
    for name, (seconds, made) in best(calls, repeats).items():
        fooled = attacks.judged(net, attacks.rounded(made.float()), y)
        rows[name] = {"seconds": seconds, "success": fooled.float().mean().item()}
    for row in rows.values():
        row["ratio"] = rows["torchattacks"]["seconds"] / row["seconds"]
    return rows


def pixels(x: torch.Tensor, y: torch.Tensor, repeats: int) -> dict[str, dict[str, float]]:
    """Count queries per second of the one-pixel attack with populations of 100."""
    theirs, net, fast = networks()
    rows: dict[str, dict[str, float]] = {}
    nets = {"torchattacks": theirs, "here": net}
    if runtime.fastest_dtype() == torch.bfloat16:
        nets["here, bfloat16"] = fast
    for _ in range(repeats):
        for name, network in nets.items():
            counting, began = Counting(network), time.perf_counter()
            if name == "torchattacks":
                torchattacks.OnePixel(counting, pixels=1, steps=3, popsize=20)(x, y)
            else:
                one_pixel.run(counting, x, y, one_pixel.Search(1, 100, 4))
            rate = counting.asked / (time.perf_counter() - began)
            if rate > rows.get(name, {"queries_per_second": 0})["queries_per_second"]:
                rows[name] = {"queries_per_second": rate, "queries": counting.asked}
    for row in rows.values():
        row["ratio"] = row["queries_per_second"] / rows["torchattacks"]["queries_per_second"]
    return rows


def main() -> None:
    """Run both comparisons and print them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--few", type=int, default=4, help="pictures of the one-pixel attack")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    _, net, _ = networks()
    found = sets.find(net, sets.drawn(True, 0, 0), SIDE, options.images, 0)
    few = found.first(options.few)
    report = {
        "machine": runtime.describe(),
        "images": len(found),
        f"PGD-{STEPS}, L∞ {EPS * 255:g}/255": pgd(found.x, found.y, options.repeats),
        "one pixel": pixels(few.x, few.y, options.repeats),
    }
    print(json.dumps(report, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
