"""One training loop for every classifier of the project: SGD, one cosine cycle, a history."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data gave; accuracies are fractions."""

    loss: float
    train_accuracy: float
    validation_accuracy: float | None


def he_initialise(net: Net) -> Net:
    """Draw every convolution and linear layer by He et al. (ICCV 2015), biases zero.

    Without it a 16-layer network with neither batch norm nor pretraining does not start to learn.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def as_float(x: torch.Tensor) -> torch.Tensor:
    """Return pixels in [0, 1] for a uint8 tensor, float32 for anything else."""
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def flip_and_shift(x: torch.Tensor, rng: torch.Generator, shift: int = 4) -> torch.Tensor:
    """Mirror each picture with probability ½ and shift the batch by up to ``shift`` pixels."""
    mirrored = torch.rand(len(x), 1, 1, 1, generator=rng) < 0.5
    x = torch.where(mirrored, x.flip(-1), x)
    down, right = (int(torch.randint(0, 2 * shift + 1, (), generator=rng)) for _ in range(2))
    padded = F.pad(as_float(x), (shift,) * 4, mode="reflect")
    return padded[..., down : down + x.shape[-2], right : right + x.shape[-1]]


@torch.inference_mode()
def scores(net: nn.Module, x: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Return the network's outputs for all of ``x`` in evaluation mode, shape (n, classes)."""
    was_training = net.training
    net.eval()
    where = next(net.parameters()).device
    try:
        return torch.cat([net(as_float(batch).to(where)).cpu() for batch in x.split(batch_size)])
    finally:
        net.train(was_training)


def accuracy(net: nn.Module, x: torch.Tensor, y: torch.Tensor, batch_size: int = 256) -> float:
    """Return the fraction of ``x`` whose highest output is the label ``y``."""
    return (scores(net, x, batch_size).argmax(1) == y).float().mean().item()


def fit(  # noqa: PLR0913 (one loop for every classifier)
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epochs: int,
    lr: float,
    batch_size: int,
    seed: int,
    weight_decay: float = 5e-4,
    augment: Augment | None = None,
    validation: tuple[torch.Tensor, torch.Tensor] | None = None,
    label: str = "training",
) -> list[Epoch]:
    """Train ``net`` in place on (x, y) with SGD (momentum 0.9) and one warm-up/cosine cycle.

    ``x`` holds uint8 pixels or float maps, ``lr`` is the highest step size. Only parameters that
    require a gradient move. Batches are drawn by ``seed``. Return one Epoch per pass.
    """
    rng = torch.Generator().manual_seed(seed)
    where = next(net.parameters()).device
    moving = [p for p in net.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(moving, lr, momentum=0.9, nesterov=True, weight_decay=weight_decay)
    steps = epochs * -(-len(x) // batch_size)
    cycle = torch.optim.lr_scheduler.OneCycleLR(sgd, lr, total_steps=steps, pct_start=0.2)
    history = []
    bar = tqdm(range(epochs), desc=label, leave=False)
    for _ in bar:
        net.train()
        order = torch.randperm(len(x), generator=rng)
        loss_sum, right = 0.0, 0
        for index in order.split(batch_size):
            batch = augment(x[index], rng) if augment else x[index]
            truth = y[index].to(where)
            output = net(as_float(batch).to(where))
            loss = F.cross_entropy(output, truth)
            sgd.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(moving, 5.0)
            sgd.step()
            cycle.step()
            loss_sum += loss.item() * len(index)
            right += (output.argmax(1) == truth).sum().item()
        checked = accuracy(net, *validation) if validation else None
        history.append(Epoch(loss_sum / len(x), right / len(x), checked))
        bar.set_postfix(loss=f"{history[-1].loss:.3f}")
    net.eval()
    return history
