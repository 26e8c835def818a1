"""The long loops of chapter 4: recipes over classes and seeds, kept, and what judges say of them.

``climb`` and ``marks`` are jobs (see ``cache``): plain values in, plain arrays out. Pictures are
kept as 8-bit values and judged as such, so a score is that of the file a reader can look at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from provenance import cache

from ..data import images, pictures
from ..networks import backbones, smallvgg
from ..networks.backbones import Backbone
from ..networks.gradients import input_gradient
from ..networks.parts import Found, joined
from . import ascent, scores
from .ascent import Recipe
from .objectives import Score
from .rectifiers import unrectified
from .together import Together

CONTROLS = {"judge": "small VGG, second seed", "another": "small VGG, third seed"}
"""The judges of the sample profile, by name."""
NAMED = ("wombat", "bee eater", "snail", "hay")
"""Classes that the questions ask about; the others are drawn at random."""


@dataclass(frozen=True)
class Cases:
    """Every class with every seed, seed by seed, on pictures of ``side`` pixels."""

    labels: tuple[int, ...]
    seeds: tuple[int, ...]
    side: int

    @property
    def y(self) -> torch.Tensor:
        """Return the class of every picture, (classes × seeds,)."""
        return torch.tensor(self.labels * len(self.seeds))

    def numbers(self, seed: int) -> tuple[int, ...]:
        """Return the seed of every class's picture: no two pictures start from the same noise."""
        return tuple(10_000 * seed + label for label in self.labels)


@dataclass(frozen=True)
class Sources:
    """One real picture per class: float pixels (n, 3, side, side), classes (n,), their names."""

    x: torch.Tensor
    y: torch.Tensor
    names: tuple[str, ...]

    @property
    def labels(self) -> tuple[int, ...]:
        """Return the classes as plain numbers."""
        return tuple(self.y.tolist())


def draw(real: bool, count: int, side: int, seed: int) -> Sources:
    """Return ``count`` classes with a picture each: those of ``NAMED`` first, then random ones.

    The real ones are ImageNet samples; the others are held-out patches of photographs. No class
    comes twice, so fewer come back where there are fewer.
    """
    if real:
        found = pictures.imagenet_samples()
        wanted = [found.classes.index(name) for name in NAMED]
    else:
        found, wanted = pictures.held_out_patches(1, seed=3), []
    first = [i for label in wanted for i in np.flatnonzero(found.y == label)[:1]]
    others = np.random.default_rng(seed).permutation(len(found))
    chosen = [*first, *(i for i in others if found.y[i] not in wanted)][:count]
    kept = found.subset(np.array(chosen))
    ready = torch.stack([images.preprocess(source, side) for source in kept.images])
    names = tuple(found.classes[label] for label in kept.y)
    return Sources(ready, torch.from_numpy(kept.y).long(), names)


def many(real: bool, count: int, side: int, seed: int) -> torch.Tensor:
    """Return ``count`` real pictures (n, 3, side, side) in random order, of whatever class."""
    if real:
        found = pictures.imagenet_samples()
    else:
        found = pictures.held_out_patches(-(-count // len(pictures.COLOUR)), seed=4)
    order = np.random.default_rng(seed).permutation(len(found))[:count]
    return torch.stack([images.preprocess(found.images[i], side) for i in order])


def as_bytes(x: torch.Tensor) -> np.ndarray:
    """Return pictures (n, 3, H, W) in [0, 1] as uint8 of the same shape."""
    return (x.clamp(0, 1) * 255).round().byte().cpu().numpy()


def as_pictures(values: np.ndarray) -> torch.Tensor:
    """Return uint8 pictures as float in [0, 1]."""
    return torch.from_numpy(values).float() / 255


def climb(
    net: Backbone | Together,
    recipe: Recipe,
    labels: tuple[int, ...],
    numbers: tuple[int, ...],
    side: int,
    keep: tuple[int, ...] = (),
    start: torch.Tensor | None = None,
) -> Found:
    """Return ``pictures`` and ``start`` (n, 3, side, side) uint8 and ``values`` (steps, n).

    ``frames`` (steps kept, n, 3, side, side) holds the pictures at the steps ``keep``, and
    ``outward`` (n,) is ``outward_share`` at the end. Scores are those of ``unrectified``.
    """
    frames, bare = ascent.Frames(keep), unrectified(net)
    found = ascent.run(bare, Score(labels), recipe, numbers, side, start, frames)
    y = torch.tensor(labels)
    kept = [as_bytes(frames.kept[step]) for step in keep if step in frames.kept]
    return {
        "pictures": as_bytes(found.pictures),
        "start": as_bytes(found.start),
        "values": found.values.numpy(),
        "frames": np.stack(kept) if kept else np.zeros((0, len(labels), 3, side, side), np.uint8),
        "outward": outward_share(found, input_gradient(bare, found.pictures, y)),
    }


def outward_share(found: ascent.Result, slopes: torch.Tensor) -> np.ndarray:
    """Return the share of values clipped on the way whose gradient points further out, (n,).

    1 says that only black and white stop them, ½ that it is chance. Values that were clipped in the
    start do not count; NaN where none is left.
    """
    x, first = found.pictures, found.start
    inside = (first > scores.EDGE) & (first < 1 - scores.EDGE)
    black, white = (x <= scores.EDGE) & inside, (x >= 1 - scores.EDGE) & inside
    out = (black & (slopes < 0)) | (white & (slopes > 0))
    return (out.flatten(1).sum(1) / (black | white).flatten(1).sum(1)).cpu().numpy()


AXIS = {"values": 1, "frames": 1}
"""Along which axis the pictures of a kept array lie; 0 for the others."""


def climbed(
    net: Backbone | Together,
    recipes: Mapping[str, Recipe],
    cases: Cases,
    keep: tuple[int, ...] = (),
    start: torch.Tensor | None = None,
    label: str = "",
) -> dict[str, Found]:
    """Run every recipe on all cases, a batch of all classes per seed; return recipe → ``climb``.

    ``start`` (classes, 3, side, side) takes the place of noise. A recipe that is there under two
    names runs once. Batches run side by side, one per core.
    """
    unique: list[Recipe] = []
    for recipe in recipes.values():
        if recipe not in unique:
            unique.append(recipe)
    common = {"labels": cases.labels, "side": cases.side, "keep": keep, "start": start}
    settings = [
        {"recipe": recipe, "numbers": cases.numbers(seed), **common}
        for recipe in unique
        for seed in cases.seeds
    ]
    found = cache.run(climb, settings, (net,), label=label or net.title)
    each = len(cases.seeds)
    batches = [joined(found[i : i + each], AXIS) for i in range(0, len(found), each)]
    return {name: batches[unique.index(recipe)] for name, recipe in recipes.items()}


def marks(net: Backbone, values: np.ndarray, labels: Sequence[int]) -> Found:
    """Return what one network says of uint8 pictures: ``scores.judged`` at their own size."""
    return scores.judged(net, as_pictures(values), torch.tensor(labels))


def judge(
    nets: Mapping[str, Backbone],
    climbed_on: str | tuple[str, ...],
    values: np.ndarray,
    labels: Sequence[int],
    start: np.ndarray,
) -> Found:
    """Return all scores of uint8 pictures that climbed on one or some of ``nets``, (n,) each.

    ``probability`` and ``hit`` are means over the other networks, ``own`` the probability on the
    climbed ones, ``name/probability`` that on one network; the others are ``scores.measured``.
    Raises ValueError where there is no other network.
    """
    climbed_on = (climbed_on,) if isinstance(climbed_on, str) else climbed_on
    if not (judges := without(nets, *climbed_on)):
        raise ValueError("expected at least one network that the ascent did not use")
    labels = tuple(int(label) for label in labels)
    said = {name: cache.once(marks, net, values, labels) for name, net in nets.items()}
    found = {key: np.mean([said[n][key] for n in judges], 0) for key in ("probability", "hit")}
    found |= {f"{name}/probability": one["probability"] for name, one in said.items()}
    found["own"] = np.mean([said[name]["probability"] for name in climbed_on], 0)
    return found | scores.measured(as_pictures(values), as_pictures(start))


def judged(
    nets: Mapping[str, Backbone],
    climbed_on: str | tuple[str, ...],
    found: Mapping[str, Found],
    cases: Cases,
) -> dict[str, Found]:
    """Return recipe → ``judge`` of its pictures, with the share that points ``outward``."""
    y = cases.y.tolist()
    return {
        name: judge(nets, climbed_on, one["pictures"], y, one["start"])
        | {"outward": one["outward"]}
        for name, one in found.items()
    }


def judged_frames(
    nets: Mapping[str, Backbone],
    climbed_on: str,
    found: Found,
    steps: Sequence[int],
    cases: Cases,
) -> dict[int, Found]:
    """Return step → ``judge`` of the frames, which were kept at ``steps`` or as many as ran."""
    y = cases.y.tolist()
    frames = zip(steps, found["frames"], strict=False)
    return {step: judge(nets, climbed_on, one, y, found["start"]) for step, one in frames}


def frame_steps(steps: int, count: int) -> tuple[int, ...]:
    """Return 0 and about ``count`` - 1 steps up to ``steps``, closer together at the beginning."""
    later = np.geomspace(1, steps, max(count - 1, 1)).round().astype(int)
    return tuple(int(step) for step in np.unique([0, *later]))


def networks(names: Sequence[str], real: bool) -> dict[str, Backbone]:
    """Return the networks that classify and are at hand, in single precision, the climbed first.

    In the sample profile the others are small networks of another seed, named in ``CONTROLS``.
    """
    found = {name: backbones.load(name) for name in names if backbones.is_complete(name)}
    for seed, (name, title) in enumerate(() if real else CONTROLS.items(), start=1):
        state = cache.once(smallvgg.train, smallvgg.PER_PHOTO, smallvgg.EPOCHS, seed)
        found[name] = backbones.from_state("smallvgg", state, "trained here, another seed")
        found[name].title = title
    return {name: backbones.prepare(net, torch.float32) for name, net in found.items()}


def without(nets: Mapping[str, Backbone], *names: str) -> dict[str, Backbone]:
    """Return the judges of pictures that climbed on ``names``: all other networks."""
    return {other: net for other, net in nets.items() if other not in names}
