"""Class pictures beside lucent's renderer: the same network, recipe, size and number of steps.

    pip install --no-deps --target build/benchmarks/lucent torch-lucent kornia kornia-rs decorator
    PYTHONPATH=build/benchmarks/lucent python benchmarks/classvis.py [--steps 500] [--batch 8]

lucent's pins are old, so it stands in a folder of its own, without its dependencies beside a
current kornia; two functions that kornia has moved since are put back where lucent looks for them.
The peer gets torchvision's kind of network as it is usually loaded: contiguous weights that require
gradients, rectifiers in place; it runs once more on the project's own prepared network. Where
lucent cannot be imported, the plain published loop, written below, takes its place. Runs are in
single precision; where the processor has units for bfloat16, the project runs once more in that.
Ratios above 1 mean that the project is faster. The held-out probability is that of two other
networks, in single precision. ``--cpu`` counts processor time, for a machine that does other work.
"""

import argparse
import copy
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from practicals import runtime
from practicals.classvis import ascent, scores
from practicals.classvis.objectives import Score
from practicals.data.images import CLASS_NAMES, IMAGENET_MEAN, IMAGENET_STD
from practicals.networks import backbones

NAME, JUDGES = "squeezenet1_0", ("googlenet", "mobilenet_v2")
LAST = "steps_pool10"
"""What lucent calls the network's last layer."""
CLASSES = ("wombat", "bee eater", "snail", "goldfish", "volcano", "strawberry", "bulbul", "stupa")
Call = Callable[[], torch.Tensor]


def lucent() -> tuple[object, object, object] | None:
    """Return lucent's render, param and objectives; None where it cannot be imported."""
    try:
        import kornia
        from kornia.geometry import transform

        for name in ("get_rotation_matrix2d", "warp_affine"):
            if not hasattr(kornia, name):
                setattr(kornia, name, getattr(transform, name))
        from lucent.optvis import objectives, param, render
    except ImportError as error:
        print(f"lucent is not here ({error}): the plain published loop takes its place")
        return None
    return render, param, objectives


def as_usual(net: backbones.Backbone) -> nn.Module:
    """Return a copy of a network as it is usually loaded."""
    usual = copy.deepcopy(net).to(memory_format=torch.contiguous_format).requires_grad_(True)
    for module in usual.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    return usual


def rendered(
    parts: tuple[object, object, object], net: nn.Module, labels: tuple[int, ...], options: object
) -> torch.Tensor:
    """Return lucent's pictures (n, 3, side, side), one label each, all in one batch."""
    render, param, objectives = parts
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    goal = sum(objectives.channel(LAST, label, batch=i) for i, label in enumerate(labels))
    found = render.render_vis(
        net,
        goal,
        lambda: param.image(options.side, batch=len(labels)),
        thresholds=(options.steps,),
        preprocess=False,  # the network normalises
        progress=False,
        show_image=False,
    )
    return torch.from_numpy(found[-1]).movedim(-1, 1).float().clamp(0, 1)


def plain_loop(net: nn.Module, labels: tuple[int, ...], options: object) -> torch.Tensor:
    """Return pictures of the published loop, one class after another, as its notebook has it."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    found = []
    for label in labels:
        torch.manual_seed(label)
        z = torch.randn(1, 3, options.side, options.side).requires_grad_()
        for step in range(options.steps):
            shift = [random.randint(0, 16) for _ in range(2)]
            z.data = z.data.roll(shift, (-2, -1))
            (net(z * std + mean)[0, label] - 1e-3 * z.norm() ** 2).backward()
            with torch.no_grad():
                z += 5 * z.grad / z.grad.norm()
                z.data = z.data.roll([-s for s in shift], (-2, -1))
                z.data = torch.minimum(torch.maximum(z, -mean / std), (1 - mean) / std)
                if step % 10 == 0:
                    z.data = ascent.blur(z, 0.5)
            z.grad.zero_()
        found.append((z * std + mean).detach())
    return torch.cat(found).clamp(0, 1)


def ours(net: nn.Module, labels: tuple[int, ...], recipe: ascent.Recipe, side: int) -> torch.Tensor:
    """Return this project's pictures, one label each, all in one batch."""
    return ascent.run(net, Score(labels), recipe, labels, side).pictures


def timed(call: Call, clock: Callable[[], float]) -> tuple[float, torch.Tensor]:
    """Return the seconds and the result of a call."""
    start = clock()
    found = call()
    return clock() - start, found


def heldout(x: torch.Tensor, labels: tuple[int, ...], side: int | None) -> float:
    """Return the mean probability of the class on the judges."""
    judges = [backbones.prepare(backbones.load(name), torch.float32) for name in JUDGES]
    said = [scores.judged(net, x, torch.tensor(labels), side)["probability"] for net in judges]
    return float(np.mean(said))


def compare(options: argparse.Namespace) -> dict[str, object]:
    """Run the peer and the project, one picture and one batch each, in turns."""
    prepared = backbones.prepare(backbones.load(NAME), torch.float32)
    usual, parts = as_usual(prepared), lucent()
    labels = tuple(CLASS_NAMES.index(name) for name in CLASSES[: options.batch])
    recipe = (ascent.OLAH if parts else ascent.PUBLISHED).but(steps=options.steps)

    def peer(net: nn.Module, wanted: tuple[int, ...]) -> Call:
        if parts:
            return lambda: rendered(parts, net, wanted, options)
        return lambda: plain_loop(net, wanted, options)

    calls = {
        "peer, one": (peer(usual, labels[:1]), 1),
        "peer, one, prepared network": (peer(prepared, labels[:1]), 1),
        "ours, one": (lambda: ours(prepared, labels[:1], recipe, options.side), 1),
        "peer, batch": (peer(usual, labels), len(labels)),
        "ours, batch": (lambda: ours(prepared, labels, recipe, options.side), len(labels)),
    }
    if runtime.fastest_dtype() == torch.bfloat16:
        fast = backbones.prepare(copy.deepcopy(prepared), torch.bfloat16)
        calls["ours, one, bfloat16"] = (lambda: ours(fast, labels[:1], recipe, options.side), 1)
        calls["ours, batch, bfloat16"] = (
            lambda: ours(fast, labels, recipe, options.side),
            len(labels),
        )
    clock = time.process_time if options.cpu else time.perf_counter
    seconds, made = {}, {}
    for name, (call, count) in calls.items():
        spent, made[name] = timed(call, clock)
        seconds[name] = spent / count
        print(f"{name}: {seconds[name]:.1f} s a picture", flush=True)
    judged = {name: heldout(x, labels[: len(x)], None) for name, x in made.items()}
    pairs = {
        "one": ("peer, one", "ours, one"),
        "one, same network": ("peer, one, prepared network", "ours, one"),
        "per picture of a batch": ("peer, batch", "ours, batch"),
        "peer alone to our batch": ("peer, one", "ours, batch"),
        "one, bfloat16": ("peer, one", "ours, one, bfloat16"),
        "per picture of a batch, bfloat16": ("peer, batch", "ours, batch, bfloat16"),
    }
    return {
        "peer": "lucent" if parts else "plain published loop",
        "recipe": recipe.title,
        "seconds per picture": {name: round(value, 2) for name, value in seconds.items()},
        "held-out probability": {name: round(value, 4) for name, value in judged.items()},
        "ratios": {
            name: round(seconds[theirs] / seconds[mine], 2)
            for name, (theirs, mine) in pairs.items()
            if mine in seconds
        },
    }


def main() -> None:
    """Run the comparison, print it and write build/benchmarks/classvis.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=8, choices=range(1, len(CLASSES) + 1))
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--cpu", action="store_true", help="count processor time")
    options = parser.parse_args()
    report = {"machine": runtime.describe(), "network": NAME, "settings": vars(options)}
    text = json.dumps(report | compare(options), indent=1)
    out = Path(__file__).resolve().parents[1] / "build" / "benchmarks" / "classvis.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
