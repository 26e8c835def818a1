"""Chapter 5 beside the loop that most repositories use, in one run: speed and time to 75 %.

    python benchmarks/adaptation.py [--steps 60] [--limit 600] [--no-time-to-accuracy]

The plain loop follows the published recipe as it is usually written down: Ganin's network, a
DataLoader per domain that decodes and normalises one picture at a time, a forward pass for each
domain, float32, default memory layout. Ours is ``adaptation.training.Trainer``: uint8 pixels in
memory, one forward pass over both domains, channels last. Images per second count the pictures of
both domains. ``same network`` runs our loop on the plain loop's network, so that loop and network
can be told apart. Needs MNIST and BSDS500.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from practicals import profile
from practicals.adaptation import domains as digits
from practicals.adaptation import study
from practicals.adaptation.networks import PAPER, AdaptationNet
from practicals.adaptation.recipes import Recipe, ganin_decay, lambda_at
from practicals.adaptation.training import Trainer

TARGET = 0.75
LONG = 3000
"""Most steps of the loops on the published network, which learns more slowly."""
BATCH = 64
"""Pictures of each domain in a step, as in the paper (128 in all)."""


class Pictures(Dataset):
    """Digits as a course would serve them: an image object, then the usual transforms."""

    def __init__(self, part: digits.Digits) -> None:
        self.part = part
        usual = [transforms.ToPILImage(), transforms.ToTensor()]
        self.transform = transforms.Compose([*usual, transforms.Normalize((0.5,) * 3, (0.5,) * 3)])

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.part.x[i]), int(self.part.y[i])


def endless(part: digits.Digits) -> Iterator[list[torch.Tensor]]:
    """Yield shuffled batches for ever."""
    loader = DataLoader(Pictures(part), BATCH, shuffle=True, drop_last=True)
    return itertools.chain.from_iterable(itertools.repeat(loader))


class PlainLoop:
    """Two forward passes a step, one for each domain."""

    def __init__(self, domains: digits.Domains, steps: int, lr: float) -> None:
        torch.manual_seed(0)
        self.net, self.steps, self.lr = AdaptationNet(PAPER), steps, lr
        self.sgd = torch.optim.SGD(self.net.parameters(), lr, momentum=0.9)
        self.source, self.target = endless(domains.source), endless(domains.target)

    def step(self, progress: float) -> None:
        """Take one step of DANN."""
        lam, net = lambda_at(progress, 1.0), self.net
        self.sgd.param_groups[0]["lr"] = self.lr * ganin_decay(progress)
        self.sgd.zero_grad()
        x, y = next(self.source)
        features = net.body(x)
        loss = F.cross_entropy(net.label_head(features), y)
        loss = loss + domain_loss(net, features, lam, 0.0)
        x, _ = next(self.target)
        loss = loss + domain_loss(net, net.body(x), lam, 1.0)
        loss.backward()
        self.sgd.step()


def domain_loss(
    net: AdaptationNet, features: torch.Tensor, lam: float, truth: float
) -> torch.Tensor:
    """Return the domain classifier's loss on a batch of one domain."""
    logits = net.domains(features, lam)
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))


def images_per_second(loop: PlainLoop | Trainer, steps: int) -> float:
    """Return the pictures of both domains that a loop takes in a second, after a warm-up."""
    for step in range(5):
        loop.step(step / 1000)
    began = time.perf_counter()
    for step in range(steps):
        loop.step(0.1 + step / 1000)
    return steps * 2 * BATCH / (time.perf_counter() - began)


def seconds_to(
    loop: PlainLoop | Trainer, test: digits.Digits, steps: int, limit: float
) -> tuple[float | None, float]:
    """Return the training seconds until the target accuracy is 0.75, and the best one seen.

    None stands for a loop that did not get there in ``limit`` seconds or ``steps`` steps. The
    accuracy is read every 50 steps on target test pictures, with the clock stopped.
    """
    net: nn.Module = loop.net
    spent, best = 0.0, 0.0
    for step in range(steps):
        began = time.perf_counter()
        loop.step(step / steps)
        spent += time.perf_counter() - began
        if (step + 1) % 50 == 0:
            best = max(best, study.accuracy_on(test)(net))
            net.train()
            if best >= TARGET:
                return spent, best
        if spent > limit:
            break
    return None, best


def loops(domains: digits.Domains, plain_lr: float) -> dict[str, PlainLoop | Trainer]:
    """Return the plain loop, ours on the same network, and ours."""
    budget = profile.get("full").adaptation
    recipe = Recipe(steps=budget.steps, batch_size=BATCH)
    same = replace(recipe, design=PAPER, augment="none", schedule="ganin", lr=plain_lr)
    source = (domains.source.x, domains.source.y)
    return {
        "plain": PlainLoop(domains, LONG, plain_lr),
        "same network": Trainer(same, source, domains.target.x, 0),
        "ours": Trainer(recipe, source, domains.target.x, 0),
    }


def main() -> None:
    """Run the comparison and print it, last as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60, help="timed steps in each of 3 repeats")
    parser.add_argument("--limit", type=float, default=600, help="seconds to reach 75 %%")
    parser.add_argument("--plain-lr", type=float, default=0.01, help="the paper's rate")
    parser.add_argument("--no-time-to-accuracy", action="store_true")
    options = parser.parse_args()
    domains = digits.load(real=True)
    running = loops(domains, options.plain_lr)
    # Repeats alternate, so that a slow minute of the machine falls on all alike.
    rates = {name: [] for name in running}
    for _ in range(3):
        for name, loop in running.items():
            rates[name].append(images_per_second(loop, options.steps))
    rate = {name: float(np.median(values)) for name, values in rates.items()}
    found: dict[str, object] = {"threads": torch.get_num_threads(), "images per second": rate}
    found["ratio"] = rate["ours"] / rate["plain"]
    found["ratio, same network"] = rate["same network"] / rate["plain"]
    if not options.no_time_to_accuracy:
        full = profile.get("full").adaptation
        test = domains.target_test.first(2000)
        for name, loop in loops(domains, options.plain_lr).items():
            steps = full.steps if name == "ours" else LONG
            found[f"seconds to 0.75, {name}"] = seconds_to(loop, test, steps, options.limit)
    for name, value in found.items():
        print(f"{name}: {value}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
