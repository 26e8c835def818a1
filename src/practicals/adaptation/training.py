"""Training on a labelled source and an unlabelled target: one loop for every method.

Ganin et al., Domain-adversarial training of neural networks, JMLR 17 (2016). The methods differ
only in the factor λ of the gradient that flows from the domain classifier into the features.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..networks.training import as_float
from ..runtime import mixed_precision
from . import scores
from .networks import AdaptationNet
from .recipes import Recipe, augmented, ganin_decay, lambda_at, one_cycle

HELD_OUT = 2000
"""Pictures at the end of each training set that no step sees, at most; see ``held_out``."""
State = dict[str, torch.Tensor]


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
    source_accuracy: float
    """On held-out source pictures."""
    validators: dict[str, float]
    oracle: float


@dataclass(frozen=True)
class Trained:
    """The network of the best check by the validator, as a state, and all checks."""

    recipe: Recipe
    seed: int
    state: State
    checks: tuple[Check, ...]
    chosen: int

    def net(self) -> AdaptationNet:
        """Return the chosen network in evaluation mode."""
        net = AdaptationNet(self.recipe.design)
        net.load_state_dict(self.state)
        return net.eval()


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
        self.sgd = torch.optim.SGD(
            self.net.parameters(), recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay
        )
        self.losses = (math.nan, math.nan, math.nan)

    def draw(self, n: int) -> torch.Tensor:
        """Return the indices of a batch among the ``n`` pictures that are not held out."""
        usable = n - held_out(n)
        return torch.randint(usable, (self.recipe.batch_size,), generator=self.rng).to(self.device)

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return augmented source pictures, then target ones if they take part, and labels."""
        index = self.draw(len(self.source))
        x = augmented(as_float(self.source[index]), self.recipe.augment, self.rng)
        if self.recipe.adversarial:
            x = torch.cat([x, as_float(self.target[self.draw(len(self.target))])])
        return x, self.y[index]

    def step(self, progress: float) -> None:
        """Take one step: both domains in one forward pass, both losses in one backward pass."""
        recipe = self.recipe
        factor = {"cycle": one_cycle, "ganin": ganin_decay}[recipe.schedule](progress)
        self.sgd.param_groups[0]["lr"] = recipe.lr * factor
        x, y = self.batch()
        with mixed_precision(self.device):
            features = self.net.features(x)
            loss = label_loss = F.cross_entropy(self.net.label_head(features[: len(y)]).float(), y)
            found = (math.nan, math.nan)
            if recipe.adversarial:
                domain_loss, right = self.domain_loss(features, progress)
                loss, found = label_loss + domain_loss, (domain_loss.item(), right)
        self.losses = (label_loss.item(), *found)
        self.sgd.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.sgd.step()

    def domain_loss(self, features: torch.Tensor, progress: float) -> tuple[torch.Tensor, float]:
        """Return the domain classifier's loss and its accuracy; source is 0, target is 1."""
        sign = -1 if self.recipe.method == "no_reversal" else 1
        logits = self.net.domains(features, lambda_at(progress, sign * self.recipe.lam)).float()
        is_target = (torch.arange(len(logits), device=logits.device) >= len(logits) // 2).float()
        right = ((logits > 0) == is_target.bool()).float().mean().item()
        return F.binary_cross_entropy_with_logits(logits, is_target), right

    def check(self, step: int, watch: Callable[[AdaptationNet], float] | None) -> Check:
        """Score the network on held-out pictures; ``watch`` may see target labels, we do not."""
        n = held_out(len(self.source))
        with self.net.reading("source"):
            p_source = scores.probabilities(self.net, self.source[-n:])
        p_target = scores.probabilities(self.net, self.target[-n:])
        found = {name: score(p_target) for name, score in scores.VALIDATORS.items()}
        right = (p_source.argmax(1) == self.y[-n:]).float().mean().item()
        oracle = watch(self.net) if watch else math.nan
        lam = lambda_at(step / self.recipe.steps, self.recipe.lam)
        return Check(step, lam, *self.losses, right, found, oracle)


@dataclass
class _Progress:
    """The checks so far, and the network of the best one."""

    checks: list[Check] = field(default_factory=list)
    best: State = field(default_factory=dict)
    chosen: int = -1


def fit(
    trainer: Trainer,
    watch: Callable[[AdaptationNet], float] | None = None,
    bar: bool = False,
) -> Trained:
    """Train to the end of the recipe, or until the validator has not risen for ``patience`` checks.

    Return the network of the best check.
    """
    recipe, progress = trainer.recipe, _Progress()
    marks = {round(recipe.steps * (i + 1) / recipe.checks) for i in range(recipe.checks)}
    trainer.net.train()
    steps = range(recipe.steps)
    for step in tqdm(steps, desc=recipe.method, leave=False, disable=not bar):
        if _exhausted(progress, recipe):
            break
        trainer.step(step / recipe.steps)
        if step + 1 in marks:
            _look(trainer, progress, step + 1, watch)
    return Trained(recipe, trainer.seed, progress.best, tuple(progress.checks), progress.chosen)


def _look(
    trainer: Trainer,
    progress: _Progress,
    step: int,
    watch: Callable[[AdaptationNet], float] | None,
) -> None:
    """Add a check, and keep the network if the validator has never been higher."""
    progress.checks.append(trainer.check(step, watch))
    found = [check.validators[trainer.recipe.validator] for check in progress.checks]
    if found[-1] == max(found):
        progress.chosen = len(found) - 1
        state = trainer.net.state_dict()
        progress.best = {name: value.detach().cpu().clone() for name, value in state.items()}


def _exhausted(progress: _Progress, recipe: Recipe) -> bool:
    return len(progress.checks) - 1 - progress.chosen > recipe.patience
