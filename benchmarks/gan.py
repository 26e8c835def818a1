"""One training step of DCGAN here beside the step of PyTorch's own DCGAN example.

The example is github.com/pytorch/examples, dcgan/main.py, less its last doubling, since pictures
are 32 × 32. Both sides train the same architecture on the same digits at the same batch and step
size, on the same number of threads. ``--epochs`` adds the Fréchet distance after as many epochs.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from practicals import runtime
from practicals.gan import judge, scores, training
from practicals.gan.networks import Design
from practicals.gan.training import Gan, Recipe

Z, LR = 100, 2e-4


def example_networks(width: int) -> tuple[nn.Module, nn.Module]:
    """Return the example's generator and discriminator at 32 × 32, with its initial weights."""
    w = width
    netG = nn.Sequential(
        nn.ConvTranspose2d(Z, 4 * w, 4, 1, 0, bias=False), nn.BatchNorm2d(4 * w), nn.ReLU(True),
        nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * w), nn.ReLU(True),
        nn.ConvTranspose2d(2 * w, w, 4, 2, 1, bias=False), nn.BatchNorm2d(w), nn.ReLU(True),
        nn.ConvTranspose2d(w, 1, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    netD = nn.Sequential(
        nn.Conv2d(1, w, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(w, 2 * w, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * w),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * w, 4 * w, 4, 2, 1, bias=False), nn.BatchNorm2d(4 * w),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(4 * w, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
    )  # fmt: skip
    for net in (netG, netD):
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
    return netG, netD


class Example:
    """The example's loop body, line for line, with the figures that it prints."""

    def __init__(self, width: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.netG, self.netD = example_networks(width)
        self.criterion = nn.BCELoss()
        self.optimizerD = torch.optim.Adam(self.netD.parameters(), lr=LR, betas=(0.5, 0.999))
        self.optimizerG = torch.optim.Adam(self.netG.parameters(), lr=LR, betas=(0.5, 0.999))

    def step(self, real: torch.Tensor) -> None:
        """Update D with real, then with drawn pictures, then G."""
        self.netD.zero_grad()
        label = torch.full((len(real),), 1.0)
        output = self.netD(real).view(-1, 1).squeeze(1)
        errD_real = self.criterion(output, label)
        errD_real.backward()
        D_x = output.mean().item()
        fake = self.netG(torch.randn(len(real), Z, 1, 1))
        label.fill_(0.0)
        output = self.netD(fake.detach()).view(-1, 1).squeeze(1)
        errD_fake = self.criterion(output, label)
        errD_fake.backward()
        D_G_z1 = output.mean().item()
        errD = errD_real + errD_fake
        self.optimizerD.step()
        self.netG.zero_grad()
        label.fill_(1.0)
        output = self.netD(fake).view(-1, 1).squeeze(1)
        errG = self.criterion(output, label)
        errG.backward()
        D_G_z2 = output.mean().item()
        self.optimizerG.step()
        self.printed = errD.item(), errG.item(), D_x, D_G_z1, D_G_z2

    @torch.inference_mode()
    def digits(self, n: int) -> torch.Tensor:
        """Return ``n`` drawn digits, uint8, in evaluation mode."""
        self.netG.eval()
        z = torch.randn(n, Z, 1, 1, generator=torch.Generator().manual_seed(1))
        x = torch.cat([self.netG(part) for part in z.split(500)])
        self.netG.train()
        return ((x + 1) * 127.5).round().clamp(0, 255).byte()


class Ours:
    """The project's step with the same settings: no mean of weights, no cooling."""

    def __init__(self, width: int, batch: int, seed: int, exact: bool) -> None:
        recipe = Recipe(Design(width, width, Z), batch_size=batch, lr_g=LR, lr_d=LR)
        self.gan = Gan(replace(recipe, average=0.0, cooling=0.0, exact=exact), seed)

    def step(self, real: torch.Tensor) -> None:
        """Take one step."""
        training.step(self.gan, real, torch.zeros(len(real), dtype=torch.long))

    def digits(self, n: int) -> torch.Tensor:
        """Return ``n`` drawn digits, uint8, in evaluation mode."""
        z = torch.randn(n, Z, generator=torch.Generator().manual_seed(1))
        return training.sample(self.gan.G, z)


Side = Example | Ours


def sides(width: int, batch: int, seed: int) -> dict[str, Callable[[], Side]]:
    """Return how each side is made; the fast precision only where there are units for it."""
    found: dict[str, Callable[[], Side]] = {
        "example": lambda: Example(width, seed),
        "ours, float32": lambda: Ours(width, batch, seed, exact=True),
    }
    if runtime.fastest_dtype() == torch.bfloat16:
        found["ours, bfloat16"] = lambda: Ours(width, batch, seed, exact=False)
    return found


def speed(width: int, batch: int, steps: int, clock: Callable[[], float]) -> dict[str, float]:
    """Return pictures per second of every side; sides take turns, and the median step counts."""
    x = training.as_input(judge.pixels(False).x)
    made = {name: make() for name, make in sides(width, batch, 0).items()}
    seconds: dict[str, list[float]] = {name: [] for name in made}
    for number in range(steps + 3):
        real = x[torch.arange(number * batch, (number + 1) * batch) % len(x)].clone()
        for name, side in made.items():
            start = clock()
            side.step(real)
            if number >= 3:  # the first steps choose kernels and fill caches
                seconds[name].append(clock() - start)
    return {name: batch / float(np.median(found)) for name, found in seconds.items()}


def quality(width: int, batch: int, epochs: int, seeds: range) -> dict[str, list[float]]:
    """Return each side's Fréchet distance on MNIST after ``epochs``, one value per seed."""
    scene = judge.Scene(True, 3, 10000, 1000)
    data, lenet, real = judge.pixels(True), judge.judge(scene)[0], judge.reference(scene)[0]
    found: dict[str, list[float]] = {}
    for seed in seeds:
        for name, make in sides(width, batch, seed).items():
            side = make()
            for number in range(epochs * (len(data.x) // batch)):
                index = training.batch_of(len(data.x), batch, number, seed)
                side.step(training.as_input(data.x[index]))
            features, _ = judge.read(lenet, side.digits(10000))
            found.setdefault(name, []).append(scores.frechet(real, features))
    return found


def main() -> None:
    """Run the comparison, print it and write build/benchmarks/gan.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=0, help="for the Fréchet distance (MNIST)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--cpu-time", action="store_true", help="of this process, for a machine with other work"
    )
    options = parser.parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter
    report: dict[str, object] = {"machine": runtime.describe(), "batch": options.batch}
    for width in options.widths:
        found = speed(width, options.batch, options.steps, clock)
        ratios = {name: rate / found["example"] for name, rate in found.items()}
        report[f"width {width}"] = {"pictures_per_second": found, "ratio": ratios}
    if options.epochs:
        seeds = range(options.seeds)
        distances = quality(options.widths[0], options.batch, options.epochs, seeds)
        report["frechet"] = {"epochs": options.epochs, "width": options.widths[0], **distances}
    text = json.dumps(report, indent=1)
    out = Path(__file__).resolve().parents[1] / "build" / "benchmarks" / "gan.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
