"""The long runs of chapter 6: training with looks on the way, scoring, and the controls of scores.

Most functions are jobs (see ``cache``). A run is a chain of parts, each kept as soon as it is
there, so that a stopped run goes on at its last part.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from provenance import cache

from .. import runtime
from . import scores, style
from .judge import Scene, drawn, judge, pixels, read, reference, train_on_synthetic
from .networks import CLASSES, Discriminator, Generator, build
from .training import Gan, Recipe, as_input, sample, train

SHOWN = 100
"""Fixed z that are drawn at every look, ten for each class where there is one."""
WATCHED = 2000
"""Digits of the Fréchet distance at a look; fewer than in the tables, so only looks compare."""
Found = dict[str, np.ndarray]
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Run:
    """A trained pair, what it did on the way, and its scores."""

    recipe: Recipe
    seed: int
    records: np.ndarray
    """(steps, 6), see ``training.RECORDS``."""
    shown: np.ndarray
    """The digits of the fixed z at each look, uint8 (looks, 100, 32, 32)."""
    curve: np.ndarray
    """The Fréchet distance at each look, of ``WATCHED`` digits, (looks,)."""
    scores: dict[str, float]
    share: np.ndarray
    """The share of each digit, as the judge reads it, (10,)."""
    per_class: np.ndarray
    """How often the judge reads the digit that was asked for, (10,); without a class, nothing."""
    state_g: State
    state_d: State

    def generator(self) -> Generator:
        """Return the trained generator in evaluation mode."""
        net = build(self.recipe.design, self.seed)[0]
        net.load_state_dict(self.state_g)
        return net.eval()

    def discriminator(self) -> Discriminator:
        """Return the trained discriminator in evaluation mode."""
        net = build(self.recipe.design, self.seed)[1]
        net.load_state_dict(self.state_d)
        return net.eval()


def fixed_z(n: int, z: int, seed: int) -> torch.Tensor:
    """Return ``n`` z from N(0, 1) on the CPU: the same on every device."""
    return torch.randn(n, z, generator=torch.Generator().manual_seed(10_000 + seed))


def classes_of(n: int) -> torch.Tensor:
    """Return ``n`` classes, 0 to 9 in turn."""
    return torch.arange(n) % CLASSES


def part(recipe: Recipe, scene: Scene, seed: int, looks: int, number: int) -> dict[str, Any]:
    """Train from look ``number`` − 1 to look ``number``, counted from 1, and look.

    Return the whole ``state``, and ``records``, ``shown`` and ``curve`` from the start.
    """
    gan, data = Gan(recipe, seed, runtime.device()), pixels(scene.real)
    marks = [round(recipe.steps * i / looks) for i in range(looks + 1)]
    old: dict[str, Any] = {}
    if number > 1:
        old = cache.once(part, recipe, scene, seed, looks, number - 1)
        gan.load(old["state"])
    records = train(gan, data.x, data.y, range(marks[number - 1], marks[number]), seed)
    digits = sample(gan.mean, fixed_z(WATCHED, recipe.design.z, seed), classes_of(WATCHED))
    features, _ = read(judge(scene)[0], digits)
    look = scores.frechet(features, reference(scene)[0][:WATCHED])
    new = {"records": records, "shown": digits[None, :SHOWN, 0].numpy(), "curve": np.array([look])}
    joined = {key: np.concatenate([old[key], new[key]]) if old else new[key] for key in new}
    return joined | {"state": gan.state()}


def run(recipe: Recipe, scene: Scene, seed: int, looks: int = 2) -> Run:
    """Train by a recipe from one seed, look by look, and score the generator."""
    for number in range(1, looks + 1):
        last = cache.once(part, recipe, scene, seed, looks, number)
    gan = Gan(recipe, seed).load(last["state"])
    asked = classes_of(scene.scored)
    digits = sample(gan.mean, fixed_z(scene.scored, recipe.design.z, 1 + seed), asked)
    features, predicted = read(judge(scene)[0], digits)
    found = scores.assess(reference(scene)[0], features, predicted, scene.compared)
    per_class = np.zeros(0)
    if recipe.design.condition != "none":
        right = predicted == asked.numpy()
        per_class = np.array([right[asked.numpy() == c].mean() for c in range(CLASSES)])
        found["class_accuracy"] = scores.class_accuracy(predicted, asked.numpy())
    share, told = scores.histogram(predicted), (last["records"], last["shown"], last["curve"])
    return Run(recipe, seed, *told, found, share, per_class, _copy(gan.mean), _copy(gan.D))


def _copy(net: torch.nn.Module) -> State:
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def table(
    recipes: dict[str, Recipe], scene: Scene, seeds: dict[str, tuple[int, ...]], looks: int = 2
) -> dict[str, list[Run]]:
    """Return the runs of each recipe for its seeds, all of them side by side on all cores."""
    judge(scene)  # once, before the processes would each train it
    settings = [
        {"recipe": recipe, "scene": scene, "seed": seed, "looks": looks}
        for name, recipe in recipes.items()
        for seed in seeds[name]
    ]
    done = iter(cache.run(run, settings, label="runs"))
    return {name: [next(done) for _ in seeds[name]] for name in recipes}


def floor(scene: Scene, seeds: tuple[int, ...]) -> Found:
    """Return every score of real training digits, as many as are generated, one value per seed."""
    net, found = judge(scene)[0], []
    for seed in seeds:
        features, predicted = read(net, drawn(scene, scene.scored, seed))
        found.append(scores.assess(reference(scene)[0], features, predicted, scene.compared))
    return {key: np.array([values[key] for values in found]) for key in found[0]}


def against_n(scene: Scene, sizes: tuple[int, ...], seeds: tuple[int, ...]) -> np.ndarray:
    """Return the Fréchet distance of two sets of n real training digits, (seeds, sizes)."""
    net, rows = judge(scene)[0], []
    for seed in seeds:
        features, _ = read(net, drawn(scene, 2 * max(sizes), seed, 1))
        half = len(features) // 2
        pairs = [(features[: min(n, half)], features[half : half + min(n, half)]) for n in sizes]
        rows.append([scores.frechet(a, b) for a, b in pairs])
    return np.array(rows)


def corrupted(x: torch.Tensor, kind: str, level: float, seed: int = 0) -> torch.Tensor:
    """Return uint8 digits (n, 1, 32, 32) damaged by ``level``, 0 (not at all) to 1.

    ``noise`` adds Gaussian noise of deviation level/2 of the range, ``blur`` convolves with a
    Gaussian of 2·level pixels, ``swap`` puts uniform noise in place of that fraction of digits.
    """
    rng = np.random.default_rng(seed)
    pixel: np.ndarray = x.numpy().astype(np.float32)
    if kind == "noise":
        pixel = pixel + rng.normal(0, 127 * level, pixel.shape)
    elif kind == "blur":
        pixel = ndimage.gaussian_filter(pixel, (0, 0, 2 * level, 2 * level))
    elif kind == "swap":
        count = round(level * len(pixel))
        pixel[:count] = rng.uniform(0, 255, (count, *pixel.shape[1:]))
    else:
        raise ValueError(f"damage {kind!r}: expected noise, blur or swap")
    return torch.from_numpy(pixel.round().clip(0, 255).astype(np.uint8))


def ladder(scene: Scene, kinds: tuple[str, ...], levels: tuple[float, ...]) -> Found:
    """Return the Fréchet distance of real training digits at each level of each damage."""
    net, x = judge(scene)[0], drawn(scene, scene.scored, 0)
    real, _ = reference(scene)
    rows = {
        kind: [scores.frechet(real, read(net, corrupted(x, kind, level))[0]) for level in levels]
        for kind in kinds
    }
    return {kind: np.array(row) for kind, row in rows.items()}


def dropped(scene: Scene) -> Found:
    """Return the scores of real digits from which one class is missing, (10,) of each.

    They say whether a score notices a generator that never draws a 4.
    """
    data, net, found = pixels(scene.real), judge(scene)[0], []
    for digit in range(CLASSES):
        kept = data.x[data.y != digit]
        order = np.random.default_rng(digit).permutation(len(kept))[: scene.scored]
        features, predicted = read(net, kept[torch.from_numpy(order)])
        found.append(scores.assess(reference(scene)[0], features, predicted, scene.compared))
    return {key: np.array([values[key] for values in found]) for key in found[0]}


def memory(state_g: State, recipe: Recipe, scene: Scene, n: int, seed: int) -> Found:
    """Return the distance to the nearest training digit of ``n`` generated and ``n`` real digits.

    ``generated`` and ``held_out`` are (n,); ``pictures`` and ``neighbours`` hold the ten generated
    digits that lie nearest to a training digit, and these digits.
    """
    net, data = build(recipe.design, seed)[0], pixels(scene.real)
    net.load_state_dict(state_g)
    digits = sample(net, fixed_z(n, recipe.design.z, 2 + seed), classes_of(n)).numpy()
    known = data.x.numpy()
    generated, index = scores.nearest(digits, known)
    order = np.random.default_rng(seed).permutation(len(data.x_test))[:n]
    held_out, _ = scores.nearest(data.x_test.numpy()[order], known)
    least = generated.argsort()[:10]
    pairs = {"pictures": digits[least, 0], "neighbours": known[index[least], 0]}
    return {"generated": generated, "held_out": held_out} | pairs


def synthetic(
    state_g: State, recipe: Recipe, scene: Scene, n: int, epochs: int, seed: int
) -> dict[str, float]:
    """Return the accuracy on real held-out digits of a LeNet that learnt ``n`` generated digits.

    ``real`` is the control: as many real training digits, the same steps, the same seed.
    """
    net, data = build(recipe.design, seed)[0], pixels(scene.real)
    net.load_state_dict(state_g)
    asked = classes_of(n)
    digits = sample(net, fixed_z(n, recipe.design.z, 3 + seed), asked)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(data.x))[:n])
    n_real = data.x[order], data.y[order]
    return {
        "synthetic": train_on_synthetic(digits, asked, scene, epochs, seed),
        "real": train_on_synthetic(*n_real, scene, epochs, seed),
    }


def styles(state_g: State, recipe: Recipe, n: int, seed: int) -> Found:
    """Return slant and thickness of each class for the same ``n`` z, both (n, 10), standardised.

    ``slant/shuffled`` and ``thickness/shuffled`` are the control, other z in every class.
    ``slant/moved`` (10,) is the change of slant, in pixels a pixel, where the direction of slant
    that even digits of half of the z gave is added to the other half, and taken away.
    """
    net, rng = build(recipe.design, seed)[0], np.random.default_rng(seed)
    net.load_state_dict(state_g)
    z = fixed_z(n, recipe.design.z, 4 + seed)
    digits = every_class(net, z)
    found = {}
    for measure in style.MEASURES:
        values = style.by_class(digits, measure)
        found[measure] = values
        columns = [values[rng.permutation(n), c] for c in range(CLASSES)]
        found[f"{measure}/shuffled"] = np.stack(columns, 1)
    first, rest = z[: n // 2], z[n // 2 :]
    lean = style.direction(first, style.halves(found["slant"][: n // 2])[0])
    leans = [every_class(net, rest + sign * lean) for sign in (-1, 1)]
    before, after = (style.slant(d.reshape(-1, *d.shape[2:])).reshape(-1, CLASSES) for d in leans)
    return found | {"slant/moved": np.nanmean(after - before, 0), "direction": lean.numpy()}


def every_class(net: Generator, z: torch.Tensor) -> np.ndarray:
    """Return the digits of every z (n, z) in every class, uint8 (n, 10, 32, 32)."""
    many, classes = z.repeat_interleave(CLASSES, 0), classes_of(CLASSES * len(z))
    return sample(net, many, classes)[:, 0].view(len(z), CLASSES, 32, 32).numpy()


def believed(found: Run, scene: Scene, n: int) -> Found:
    """Return D's probability of real for ``n`` held-out and ``n`` generated digits, (n,) each.

    Where D sees the class, ``wrong`` is its answer to held-out digits with the next digit's class.
    """
    D, data = found.discriminator(), pixels(scene.real)
    x, y = data.x_test[:n], data.y_test[:n]
    fake = sample(found.generator(), fixed_z(len(x), found.recipe.design.z, 5), y)
    asks = {"held_out": (x, y), "generated": (fake, y), "wrong": (x, (y + 1) % CLASSES)}
    with torch.inference_mode():
        return {name: D(as_input(a), c).sigmoid().numpy() for name, (a, c) in asks.items()}
