"""Pseudo-labels: a network's certain predictions on the target become its training labels.

Lee, Pseudo-label (ICML workshop 2013), in rounds of self-training; the strong augmentation of the
student's pictures and its confidence threshold follow Sohn et al., FixMatch (NeurIPS 2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..networks.training import as_float
from ..runtime import mixed_precision
from . import scores
from .networks import CLASSES, AdaptationNet
from .recipes import augmented, one_cycle
from .training import held_out


@dataclass(frozen=True)
class PseudoRecipe:
    """How a trained network teaches itself; frozen, so that it can name a job of a sweep."""

    threshold: float = 0.8
    """A prediction below this probability is no label yet."""
    rounds: int = 4
    steps: int = 250
    """Steps in a round."""
    batch_size: int = 128
    """Pictures of each domain in a step."""
    lr: float = 0.05
    pool: int = 20000
    """Unlabelled target pictures, drawn anew in each round."""
    weight_decay: float = 5e-4
    shift: int = 2
    """Largest shift of a student's picture, in pixels."""
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
    """The network of the best round by the label-free validator, as a state, and all rounds."""

    recipe: PseudoRecipe
    seed: int
    state: dict[str, torch.Tensor]
    rounds: tuple[Round, ...]
    chosen: int
    """Index of the round that was kept; −1 is the network as it was."""


def select(p: torch.Tensor, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices and the labels of predictions ``p`` (n, 10) at least that certain."""
    top, predicted = p.max(1)
    index = torch.nonzero(top >= threshold).squeeze(1)
    return index, predicted[index]


def draw(y: torch.Tensor, count: int, balanced: bool, rng: torch.Generator) -> torch.Tensor:
    """Return ``count`` positions in ``y``, drawn with return; ``balanced`` weighs digits alike."""
    if not balanced:
        return torch.randint(len(y), (count,), generator=rng)
    counts = torch.bincount(y.cpu(), minlength=CLASSES).clamp(min=1)
    return torch.multinomial(1.0 / counts[y.cpu()], count, replacement=True, generator=rng)


def shifted(x: torch.Tensor, most: int, rng: torch.Generator) -> torch.Tensor:
    """Shift each picture by up to ``most`` pixels down and across; edges are repeated."""
    padded = F.pad(x, (most,) * 4, mode="replicate")
    n, side = len(x), x.shape[-1]
    down, across = torch.randint(2 * most + 1, (2, n, 1, 1, 1), generator=rng).to(x.device)
    place = torch.arange(side, device=x.device)
    rows = (place.view(1, 1, -1, 1) + down).expand(n, 3, side, padded.shape[-1])
    columns = (place + across).expand(n, 3, side, side)
    return padded.gather(2, rows).gather(3, columns)


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
        self.sgd = torch.optim.SGD(
            net.parameters(), recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay
        )
        net.set_norms(halves=True)

    def pool(self) -> torch.Tensor:
        """Return the indices of this round's unlabelled pictures."""
        usable = len(self.target) - held_out(len(self.target))
        order = torch.randperm(usable, generator=self.rng)
        return order[: self.recipe.pool].to(self.target.device)

    def batch(self, index: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one half of labelled source pictures, one half of pseudo-labelled target ones.

        All are shifted: a pseudo-label given to the plain picture must also hold for its moved
        copy. Source pictures are inverted at random as before; the target's need not be, since
        they hold dark and bright ink already. Here the source's held-out pictures take part: no
        score of a round reads them.
        """
        size = self.recipe.batch_size
        x, y = self.source
        own = torch.randint(len(x), (size,), generator=self.rng).to(x.device)
        chosen = draw(labels, size, self.recipe.balanced, self.rng).to(x.device)
        source = augmented(as_float(x[own]), "invert", self.rng)
        both = torch.cat([source, as_float(self.target[index[chosen]])])
        return shifted(both, self.recipe.shift, self.rng), torch.cat([y[own], labels[chosen]])

    def learn(self, index: torch.Tensor, labels: torch.Tensor) -> None:
        """Train for one round on the source and on these pseudo-labels."""
        self.net.train()
        for step in range(self.recipe.steps):
            factor = one_cycle(step / self.recipe.steps)
            self.sgd.param_groups[0]["lr"] = self.recipe.lr * factor
            x, y = self.batch(index, labels)
            with mixed_precision(x.device):
                logits = self.net(x)
            loss = F.cross_entropy(logits.float(), y)
            self.sgd.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.sgd.step()
        self.net.eval()


def refine(
    student: Student,
    watch: Callable[[AdaptationNet], float],
    report: Callable[[torch.Tensor, torch.Tensor], Sequence[scores.Confidence]],
    bar: bool = False,
) -> Refined:
    """Label the target with a network, train it in place on what is certain, and repeat.

    ``watch(net)`` and ``report(index, probabilities)`` may see target labels; nothing is decided
    by them.
    """
    net, recipe, target = student.net, student.recipe, student.target
    unseen = target[-held_out(len(target)) :]
    best, chosen, rounds = _copy(net), -1, []
    highest = scores.information(scores.probabilities(net, unseen))
    for number in tqdm(range(recipe.rounds), desc="pseudo-labels", leave=False, disable=not bar):
        pool = student.pool()
        p = scores.probabilities(net, target[pool])
        index, labels = select(p, recipe.threshold)
        if len(index) > 0:
            student.learn(pool[index], labels)
        found = scores.information(scores.probabilities(net, unseen))
        rounds.append(Round(len(index) / len(pool), found, tuple(report(pool, p)), watch(net)))
        if found > highest:
            best, chosen, highest = _copy(net), number, found
    return Refined(recipe, student.seed, best, tuple(rounds), chosen)


def _copy(net: AdaptationNet) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}
