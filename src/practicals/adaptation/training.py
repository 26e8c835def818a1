"""Training on a labelled source and an unlabelled target: one loop for every method.

Ganin et al., Domain-adversarial training of neural networks, JMLR 17 (2016). The methods differ
only in the factor λ of the gradient that flows from the domain classifier into the features.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..networks.training import as_float
from ..runtime import mixed_precision
from . import scores
from .networks import AdaptationNet
from .recipes import DECAYS, Recipe, augmented, lambda_at, shifted

HELD_OUT = 1000
"""Pictures at the end of each training set that no step sees, at most; see ``held_out``."""
LARGEST_GRADIENT = 5.0
"""Norm to which a longer gradient of all weights is cut."""
State = dict[str, torch.Tensor]
Watch = Callable[[AdaptationNet], float]


def held_out(n: int) -> int:
    """Return how many of ``n`` pictures, the last ones, no step sees: the validators read them."""
    return min(HELD_OUT, n // 5)


@dataclass(frozen=True)
class Check:
    """What one look at a network under training gave; ``oracle`` alone has seen target labels."""

    step: int
    lam: float
    label_loss: float
    domain_loss: float
    """In nats; log 2 = 0.69 is a classifier that cannot tell. NaN without one."""
    domain_accuracy: float
    """On held-out pictures of both domains; NaN without a domain classifier."""
    source_accuracy: float
    """On held-out source pictures."""
    validators: dict[str, float]
    oracle: float


@dataclass(frozen=True)
class Trained:
    """The network after the last step, as a state, and all looks at it."""

    recipe: Recipe
    seed: int
    state: State
    checks: tuple[Check, ...]

    def net(self) -> AdaptationNet:
        """Return the network in evaluation mode."""
        net = AdaptationNet(self.recipe.design)
        net.load_state_dict(self.state)
        return net.eval()


def copy_of(net: AdaptationNet) -> State:
    """Return a copy of a network's weights and averages on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def domain_loss(net: AdaptationNet, features: torch.Tensor, lam: float) -> torch.Tensor:
    """Return the loss of telling domains by ``features``: first half source, 0, then target, 1."""
    logits = net.domains(features, lam).float()
    is_target = (torch.arange(len(logits), device=logits.device) >= len(logits) // 2).float()
    return F.binary_cross_entropy_with_logits(logits, is_target)


def descent(net: AdaptationNet, lr: float, weight_decay: float) -> torch.optim.SGD:
    """Return the optimiser of every training: SGD with Nesterov's momentum of 0.9."""
    return torch.optim.SGD(net.parameters(), lr, 0.9, weight_decay=weight_decay, nesterov=True)


def descend(net: AdaptationNet, sgd: torch.optim.SGD, loss: torch.Tensor, lr: float) -> None:
    """Take one step of step size ``lr`` down the gradient of ``loss``, cut where it is long."""
    sgd.param_groups[0]["lr"] = lr
    sgd.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), LARGEST_GRADIENT)
    sgd.step()


class Trainer:
    """Steps of one recipe on uint8 pixels held in memory; target labels are not among its inputs.

    For ``target_only`` the target's labelled pictures are passed as the source.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: tuple[torch.Tensor, torch.Tensor],
        target: torch.Tensor,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device = recipe, seed, device
        self.rng = torch.Generator().manual_seed(seed)
        self.source, self.y = (part.to(device) for part in source)
        self.target = target.to(device)
        net = AdaptationNet(recipe.design).to(device)
        self.net = net.to(memory_format=torch.channels_last)
        self.net.set_norms(halves=recipe.adversarial)
        self.sgd = descent(self.net, recipe.lr, recipe.weight_decay)
        self.losses = (math.nan, math.nan)

    def draw(self, n: int) -> torch.Tensor:
        """Return the indices of a batch among the ``n`` pictures that are not held out."""
        usable = n - held_out(n)
        return torch.randint(usable, (self.recipe.batch_size,), generator=self.rng).to(self.device)

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return augmented source pictures, then target ones if they take part, and labels."""
        recipe, index = self.recipe, self.draw(len(self.source))
        x = augmented(as_float(self.source[index]), recipe.augment, self.rng)
        x = shifted(x, recipe.shift, self.rng)
        if recipe.adversarial:
            other = as_float(self.target[self.draw(len(self.target))])
            x = torch.cat([x, shifted(other, recipe.shift, self.rng)])
        return x, self.y[index]

    def step(self, progress: float) -> None:
        """Take one step: both domains in one forward pass, both losses in one backward pass."""
        recipe = self.recipe
        x, y = self.batch()
        with mixed_precision(self.device):
            features = self.net.features(x)
            loss = label_loss = F.cross_entropy(self.net.label_head(features[: len(y)]).float(), y)
            told = torch.tensor(math.nan)
            if recipe.adversarial:
                told = self.domain_loss(features, progress)
                loss = label_loss + told
        self.losses = label_loss.item(), told.item()
        descend(self.net, self.sgd, loss, recipe.lr * DECAYS[recipe.schedule](progress))

    def domain_loss(self, features: torch.Tensor, progress: float) -> torch.Tensor:
        """Return the domain classifier's loss behind the λ of this moment.

        λ = 0 stops the domain's gradient at the features; a negative λ lets it help.
        """
        sign = -1 if self.recipe.method == "no_reversal" else 1
        return domain_loss(self.net, features, lambda_at(progress, sign * self.recipe.lam))

    @torch.inference_mode()
    def check(self, step: int, watch: Watch | None) -> Check:
        """Score the network on held-out pictures; ``watch`` may see target labels, we do not."""
        net, n = self.net, held_out(len(self.source))
        with net.reading("source"):
            source = scores.features(net, self.source[-n:])
        target = scores.features(net, self.target[-held_out(len(self.target)) :])
        p = net.label_head(target).softmax(1).cpu()
        told = [net.domain_head(source) < 0, net.domain_head(target) > 0]
        right = net.label_head(source).argmax(1) == self.y[-n:]
        return Check(
            step,
            lambda_at(step / self.recipe.steps, self.recipe.lam),
            *self.losses,
            torch.cat(told).float().mean().item() if self.recipe.adversarial else math.nan,
            right.float().mean().item(),
            {name: score(p) for name, score in scores.VALIDATORS.items()},
            watch(net) if watch else math.nan,
        )


def fit(trainer: Trainer, watch: Watch | None = None, bar: bool = False) -> Trained:
    """Train to the end of the recipe and return the network after the last step."""
    recipe, checks = trainer.recipe, []
    marks = {round(recipe.steps * (i + 1) / recipe.looks) for i in range(recipe.looks)}
    trainer.net.train()
    steps = range(recipe.steps)
    for step in tqdm(steps, desc=recipe.method, leave=False, disable=not bar):
        trainer.step(step / recipe.steps)
        if step + 1 in marks:
            checks.append(trainer.check(step + 1, watch))
    trainer.net.eval()
    return Trained(recipe, trainer.seed, copy_of(trainer.net), tuple(checks))
