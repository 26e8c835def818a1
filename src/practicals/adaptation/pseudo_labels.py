"""Pseudo-labels: a network's certain predictions on the target become its training labels.

Lee, Pseudo-label (ICML workshop 2013), in rounds of self-training; that a label given to the plain
picture must hold for its changed copy follows Sohn et al., FixMatch (NeurIPS 2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..networks.training import as_float
from ..runtime import mixed_precision
from . import scores
from .networks import CLASSES, AdaptationNet
from .recipes import augmented, one_cycle, shifted
from .training import State, Watch, copy_of, descend, descent, domain_loss, held_out


@dataclass(frozen=True)
class PseudoRecipe:
    """How a trained network teaches itself; frozen, so that it can name a job of a sweep."""

    threshold: float = 0.8
    """A prediction below this probability is no label yet."""
    rounds: int = 2
    steps: int = 200
    """Steps in a round."""
    batch_size: int = 64
    """Pictures of each domain in a step."""
    lr: float = 0.05
    pool: int = 12000
    """Unlabelled target pictures, drawn anew in each round."""
    weight_decay: float = 5e-4
    lam: float = 0.0
    """λ of an adversary that goes on as before; 0 is none."""
    augment: str = "invert"
    """What happens to the source's pictures, as in ``recipes.augmented``."""
    shift: int = 1
    """Largest shift of a training batch, in pixels, as before."""
    balanced: bool = True
    """Whether a batch draws from every digit alike."""


@dataclass(frozen=True)
class Round:
    """What one round began and ended with; ``curve`` and ``oracle`` have seen target labels."""

    kept: float
    """Fraction of the pool above the threshold."""
    information: float
    """The label-free validator after the round, in nats."""
    curve: tuple[scores.Confidence, ...]
    oracle: float


@dataclass(frozen=True)
class Refined:
    """The network after the last round, as a state, and what each round did."""

    recipe: PseudoRecipe
    seed: int
    state: State
    rounds: tuple[Round, ...]


def select(p: torch.Tensor, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices and the labels of predictions ``p`` (n, 10) at least that certain."""
    top, predicted = p.max(1)
    index = torch.nonzero(top >= threshold).squeeze(1)
    return index, predicted[index]


def weights(y: torch.Tensor) -> torch.Tensor:
    """Return a weight for each label (n,), n ≥ 1: every digit that occurs has the same total."""
    each = 1.0 / torch.bincount(y, minlength=CLASSES)[y]
    return each / each.sum()


def draw(y: torch.Tensor, count: int, balanced: bool, rng: torch.Generator) -> torch.Tensor:
    """Return ``count`` positions in ``y``, drawn with return; ``balanced`` weighs digits alike."""
    if not balanced:
        return torch.randint(len(y), (count,), generator=rng)
    return torch.multinomial(weights(y.cpu()), count, replacement=True, generator=rng)


class Student:
    """One network, its source, and the target's pixels; target labels are not among its inputs."""

    def __init__(
        self,
        net: AdaptationNet,
        recipe: PseudoRecipe,
        source: tuple[torch.Tensor, torch.Tensor],
        target: torch.Tensor,
        seed: int,
    ) -> None:
        self.net, self.recipe, self.seed = net, recipe, seed
        self.source, self.target = source, target
        self.rng = torch.Generator().manual_seed(seed)
        self.sgd = descent(net, recipe.lr, recipe.weight_decay)
        net.set_norms(halves=True)

    def pool(self) -> torch.Tensor:
        """Return the indices of this round's unlabelled pictures."""
        usable = len(self.target) - held_out(len(self.target))
        order = torch.randperm(usable, generator=self.rng)
        return order[: self.recipe.pool].to(self.target.device)

    def batch(self, index: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one half of labelled source pictures, one half of pseudo-labelled target ones.

        Both are changed as in the training before; a pseudo-label was given to the plain picture.
        """
        recipe, (x, y) = self.recipe, self.source
        usable = len(x) - held_out(len(x))
        own = torch.randint(usable, (recipe.batch_size,), generator=self.rng).to(x.device)
        chosen = draw(labels, recipe.batch_size, recipe.balanced, self.rng).to(x.device)
        source = augmented(as_float(x[own]), recipe.augment, self.rng)
        halves = source, as_float(self.target[index[chosen]])
        both = torch.cat([shifted(half, recipe.shift, self.rng) for half in halves])
        return both, torch.cat([y[own], labels[chosen]])

    def learn(self, index: torch.Tensor, labels: torch.Tensor) -> None:
        """Train for one round on the source and on these pseudo-labels."""
        self.net.train()
        for step in range(self.recipe.steps):
            x, y = self.batch(index, labels)
            with mixed_precision(x.device):
                features = self.net.features(x)
                loss = F.cross_entropy(self.net.label_head(features).float(), y)
                if self.recipe.lam > 0:
                    loss = loss + domain_loss(self.net, features, self.recipe.lam)
            lr = self.recipe.lr * one_cycle(step / self.recipe.steps)
            descend(self.net, self.sgd, loss, lr)
        self.net.eval()


def refine(
    student: Student,
    watch: Watch,
    report: Callable[[torch.Tensor, torch.Tensor], Sequence[scores.Confidence]],
    bar: bool = False,
) -> Refined:
    """Label the target with a network, train it in place on what is certain, and repeat.

    ``watch(net)`` and ``report(index, probabilities)`` may see target labels; nothing is decided
    by them.
    """
    net, recipe, target = student.net, student.recipe, student.target
    unseen, rounds = target[-held_out(len(target)) :], []
    for _ in tqdm(range(recipe.rounds), desc="pseudo-labels", leave=False, disable=not bar):
        pool = student.pool()
        p = scores.probabilities(net, target[pool])
        index, labels = select(p, recipe.threshold)
        if len(index) > 0:
            student.learn(pool[index], labels.to(pool.device))
        found = scores.information(scores.probabilities(net, unseen))
        rounds.append(Round(len(index) / len(pool), found, tuple(report(pool, p)), watch(net)))
    return Refined(recipe, student.seed, copy_of(net), tuple(rounds))
