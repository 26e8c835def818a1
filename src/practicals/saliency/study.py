"""The studies of chapter 2: tidy frames, one row per case, kept by the cache part by part."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from provenance import cache
from provenance.cache import cached

from ..data import images, pictures
from ..networks import backbones, heads
from ..networks.backbones import Backbone
from ..networks.gradients import outputs, probability
from ..networks.zoo import NETWORKS
from . import maps, shortcut
from .faithfulness import blurred, curves, grey, leading, rank_correlation, shuffled
from .localisation import box_iou, boxed, by_threshold, inside, mosaics, pointing
from .methods import CONTROLS, METHODS, Config, centre_map, run_all
from .settings import Settings

Nets = Mapping[str, Backbone]
TEST_SCENES = 2985
"""Pictures of the official test split, on which kept heads were judged."""
POINTING = ("gradient", "SmoothGrad", "guided backprop", "Grad-CAM", "guided Grad-CAM", *CONTROLS)
"""Methods that are asked about mosaics: those whose maps look most unlike each other."""
WITHOUT_CHANCE = tuple(title for title in METHODS if title not in ("SmoothGrad", "RISE"))


def load(settings: Settings) -> dict[str, Backbone]:
    """Return the networks of 1,000 classes whose weights are at hand, in single precision."""
    here = [name for name in settings.networks if backbones.is_complete(name)]
    return {name: backbones.prepare(backbones.load(name), torch.float32) for name in here}


def load_scenes(settings: Settings) -> dict[str, Backbone]:
    """Return the classifiers of scenes, in single precision; two in the sample profile."""
    found = {name: shortcut.classifier(name) for name in settings.scenes}
    if not settings.real:
        found["smallvgg, trained on"] = _known_network("smallvgg", 0, False, settings)
        found["smallvgg, trained on"].title += ", trained on"
    return {name: backbones.prepare(net, torch.float32) for name, net in found.items()}


def draw_scenes(settings: Settings) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
    """Return random test scenes (n, 3, side, side) in [0, 1], their classes, and all names."""
    _, _, x, y = shortcut.scenes(settings.real, settings.side)
    index = np.random.default_rng(0).permutation(len(x))[: settings.scene_pictures]
    named = (pictures.scene15() if settings.real else pictures.sample_scenes())[1].classes
    return x[index] / 255, y[index], named


def draw(real: bool, count: int, seed: int = 0) -> pictures.ImageSet:
    """Return ``count`` pictures in random order: ImageNet samples, or held-out sample patches.

    The course's own pictures come first, where they are at hand.
    """
    if real:
        found = pictures.imagenet_samples()
    else:
        found = pictures.held_out_patches(-(-count // len(pictures.COLOUR)), seed=0)
    found = found.subset(np.random.default_rng(seed).permutation(len(found))[:count])
    return pictures.with_course_pictures(found) if real else found


def pixels_of(found: pictures.ImageSet, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a set's pictures (n, 3, side, side) in [0, 1] and classes (n,)."""
    x = torch.stack([images.preprocess(source, side) for source in found.images])
    return x, torch.from_numpy(found.y).long()


def over_networks(
    job: Callable[..., pd.DataFrame],
    nets: Nets,
    x: torch.Tensor,
    y: torch.Tensor,
    size: int,
    **others: Any,
) -> pd.DataFrame:
    """Return the rows of ``job`` for every network and every ``size`` pictures, side by side.

    ``y`` holds classes (n,), or one column for each network. ``first`` tells a part which picture
    of all is its first; it may seed the part's chance.
    """
    of_net = y[:, None].expand(-1, len(nets)) if y.ndim == 1 else y
    parts = [
        {"net": net, "x": x[i : i + size], "y": asked[i : i + size].clone(), "first": i, **others}
        for net, asked in zip(nets.values(), of_net.T, strict=True)
        for i in range(0, len(x), size)
    ]
    return pd.concat(cache.run(job, parts, label=job.__name__), ignore_index=True)


def named(nets: Nets, x: torch.Tensor) -> torch.Tensor:
    """Return the class that each network predicts, one column a network, (n, networks)."""
    return torch.stack([_named(net, x) for net in nets.values()], 1)


@cached
def _named(net: Backbone, x: torch.Tensor) -> torch.Tensor:
    return outputs(net, x).argmax(1)


def predicted_and_true(nets: Nets, x: torch.Tensor, y: torch.Tensor) -> pd.DataFrame:
    """Return, for every wrong prediction, how alike its gradient map is to the true class's.

    ``true`` and ``other`` are the rank correlations with the maps of the true class and of a class
    drawn at random, which is neither.
    """
    return over_networks(_predicted_and_true, nets, x, y, 50)


@cached
def _predicted_and_true(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, first: int
) -> pd.DataFrame:
    logits = outputs(net, x)
    guess, wrong = logits.argmax(1), (logits.argmax(1) != y).nonzero()[:, 0]
    rng, classes = np.random.default_rng(first), logits.shape[1]
    rows = []
    for i in wrong.tolist():
        other = int(rng.choice(sorted(set(range(classes)) - {int(y[i]), int(guess[i])})))
        asked = torch.tensor([int(guess[i]), int(y[i]), other])
        found = maps.gradient(net, x[[i, i, i]], asked)
        likeness = rank_correlation(found[[0, 0]], found[1:])
        rows.append((net.title, first + i, *likeness))
    return pd.DataFrame(rows, columns=["network", "picture", "true", "other"])


def cases(
    nets: Nets, x: torch.Tensor, y: torch.Tensor, largest: float, share: float = 0.2
) -> pd.DataFrame:
    """Return how well the strongest ``share`` of the gradient map carries each right prediction.

    ``kept`` is the probability with only these pixels of the picture on the published blur, as a
    part of the whole picture's. Pictures that the blur alone leaves recognisable (more than
    ``largest`` of the probability) are left out: they would reward the blur and not the map.
    """
    return over_networks(_cases, nets, x, y, 50, largest=largest, share=share)


@cached
def _cases(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, first: int, largest: float, share: float
) -> pd.DataFrame:
    blank = blurred(net, x)
    whole, empty = probability(net, x, y), probability(net, blank, y)
    right = outputs(net, x).argmax(1) == y
    index = (right & (empty <= largest * whole)).nonzero()[:, 0]
    if not len(index):
        return pd.DataFrame(columns=["network", "picture", "kept"])
    heat = maps.gradient(net, x[index], y[index])
    marked = torch.where(leading(heat, np.array([share]))[0], x[index], blank[index])
    kept = (probability(net, marked, y[index]) / whole[index]).numpy()
    return pd.DataFrame({"network": net.title, "picture": first + index.numpy(), "kept": kept})


def smoothing(
    nets: Nets, x: torch.Tensor, y: torch.Tensor, counts: tuple[int, ...] = (1, 5, 25, 50)
) -> pd.DataFrame:
    """Return how alike SmoothGrad's maps with two seeds are, by the number of noisy copies."""
    return over_networks(_smoothing, nets, x, y, 8, counts=counts)


@cached
def _smoothing(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, first: int, counts: tuple[int, ...]
) -> pd.DataFrame:
    rows = []
    for count in counts:
        rngs = [torch.Generator().manual_seed(first + 1000 * k) for k in range(2)]
        a, b = (maps.smoothgrad(net, x, y, count, generator=rng) for rng in rngs)
        rows += [(net.title, first + i, count, r) for i, r in enumerate(rank_correlation(a, b))]
    return pd.DataFrame(rows, columns=["network", "picture", "copies", "correlation"])


def noise(nets: Nets, x: torch.Tensor, y: torch.Tensor, config: Config) -> pd.DataFrame:
    """Return each method's rank correlation of maps before and after noise of one per cent.

    Methods with chance draw anew for the second map.
    """
    return over_networks(_noise, nets, x, y, 8, config=config)


@cached
def _noise(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, first: int, config: Config
) -> pd.DataFrame:
    titles = ("gradient", "SmoothGrad", "Integrated Gradients", "guided backprop", "Grad-CAM")
    rng = torch.Generator().manual_seed(first)
    changed = maps.noisy(x, 0.01, rng).clamp(0, 1)
    before = run_all(net, x, y, replace(config, seed=first), titles)
    after = run_all(net, changed, y, replace(config, seed=first + 1), titles)
    return pd.concat([
        pd.DataFrame({
            "network": net.title, "method": title, "picture": first + np.arange(len(x)),
            "correlation": rank_correlation(before[title].abs(), after[title].abs()),
        })
        for title in titles
    ])  # fmt: skip


def faithfulness(
    nets: Nets, x: torch.Tensor, y: torch.Tensor, config: Config, points: int
) -> pd.DataFrame:
    """Return the curves of insertion (from the blur) and deletion (to grey) of every method.

    One row per network, picture, method, score and fraction, with the probability of the class.
    """
    return over_networks(_faithfulness, nets, x, y, 6, config=config, points=points)


@cached
def _faithfulness(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, first: int, config: Config, points: int
) -> pd.DataFrame:
    found = run_all(net, x, y, replace(config, seed=config.seed + first))
    parts = []
    for score, blank in (("insertion", blurred(net, x)), ("deletion", grey(net, x))):
        measured = curves(net, x, y, found, blank, points, insert=score == "insertion")
        for title, values in measured.items():
            rows = pd.DataFrame(values, columns=(np.arange(points) + 0.5) / points)
            rows = rows.assign(picture=first + np.arange(len(x))).melt(
                "picture", var_name="fraction", value_name="probability"
            )
            parts.append(rows.assign(network=net.title, method=title, score=score))
    return pd.concat(parts).astype({"fraction": float})


def areas(curves_: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return the area under each picture's curve: columns network, picture, method, ``score``."""
    chosen = curves_[curves_["score"] == score]
    by = ["network", "picture", "method"]
    found = chosen.groupby(by, sort=False)["probability"].mean()
    return found.rename(score).reset_index()


def side_by_side(
    frame: pd.DataFrame, value: str, unit: str, a: str, b: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return two methods' values by ``unit``, each the mean over networks (and repeats)."""
    table = frame.pivot_table(value, unit, "method", observed=True)
    return table[a].to_numpy(), table[b].to_numpy()


def shuffling(nets: Nets, x: torch.Tensor, y: torch.Tensor, config: Config) -> pd.DataFrame:
    """Return how alike each method's absolute maps are before and after the last layer's shuffle.

    Every four pictures meet one shuffle (column ``shuffle``). SmoothGrad and RISE are left out:
    their own chance moves them as much.
    """
    return over_networks(_shuffling, nets, x, y, 4, config=config)


@cached
def _shuffling(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, first: int, config: Config
) -> pd.DataFrame:
    before = run_all(net, x, y, config, WITHOUT_CHANCE)
    after = run_all(shuffled(net, first), x, y, config, WITHOUT_CHANCE)
    return pd.concat([
        pd.DataFrame({
            "network": net.title, "method": title, "shuffle": first // 4,
            "picture": first + np.arange(len(x)),
            "correlation": rank_correlation(before[title].abs(), after[title].abs()),
        })
        for title in WITHOUT_CHANCE
    ])  # fmt: skip


def several_objects(
    nets: Nets, x: torch.Tensor, y: torch.Tensor, settings: Settings
) -> pd.DataFrame:
    """Return how much of each method's map lies in the cell that is asked for, on mosaics.

    One row per network, mosaic and method: the mean over the mosaic's four questions of the share
    ``inside``, and of ``pointing``, whether the highest value lies there. Mosaics have the side
    ``mosaic_side``.
    """
    count, side = 4 * settings.mosaics, settings.mosaic_side
    small = F.interpolate(x[:count], (side, side), mode="bilinear", antialias=True).clamp(0, 1)
    return over_networks(_several_objects, nets, small, y[:count], 8, config=settings.config)


@cached
def _several_objects(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, first: int, config: Config
) -> pd.DataFrame:
    whole, classes, cells = mosaics(x, y)
    found = run_all(net, whole, classes, replace(config, seed=config.seed + first), POINTING)
    rows = []
    for title, heat in found.items():
        share, points = inside(heat, cells), pointing(heat, cells)
        for k in range(len(whole) // 4):
            part = slice(4 * k, 4 * k + 4)
            rows.append((net.title, first // 4 + k, title, share[part].mean(), points[part].mean()))
    return pd.DataFrame(rows, columns=["network", "mosaic", "method", "inside", "pointing"])


def boxes(nets: Nets, real: bool, side: int, x: torch.Tensor, y: torch.Tensor) -> pd.DataFrame:
    """Return the overlap of boxes found from maps with boxes drawn by hand.

    One row per network, picture and method, ``overlap`` being intersection over union. ``centre``
    is a control that knows no picture.
    """
    parts = [_boxes(net, real, side, x[:8], y[:8, 0]) for net in nets.values()]
    return pd.concat(parts, ignore_index=True)


@cached
def _boxes(net: Backbone, real: bool, side: int, x: torch.Tensor, y: torch.Tensor) -> pd.DataFrame:
    pixels, classes, truth = boxed(real, side, x, y)
    found = run_all(
        net, pixels, classes, Config(samples=15), ("gradient", "SmoothGrad", "Grad-CAM")
    )
    found |= {"centre": centre_map(pixels)}
    return pd.DataFrame(
        [
            (net.title, i, title, box_iou(by_threshold(heat.numpy()), box))
            for title, heats in found.items()
            for i, (heat, box) in enumerate(zip(heats, truth, strict=True))
        ],
        columns=["network", "picture", "method", "overlap"],
    )


def scene_accuracies(nets: Nets, settings: Settings) -> pd.DataFrame:
    """Return what is known of the classifiers of scenes: accuracies in [0, 1], size of last maps.

    Accuracies are those of the kept heads, by cross-validation and on the official test split;
    those of the sample profile's network are counted here.
    """
    rows = []
    for name, net in nets.items():
        if settings.real:
            kept = heads.facts(name)
            found = [kept["cross_validation"], kept["test"]]
        else:
            x, y, x_test, y_test = shortcut.scenes(False, settings.side)
            pairs = ((x, y), (x_test, y_test))
            found = [float((outputs(net, a / 255).argmax(1) == b).float().mean()) for a, b in pairs]
        layer = NETWORKS[net.name].grad_cam
        last = net.features(torch.zeros(1, 3, settings.side, settings.side), [layer])[layer]
        rows.append((net.title, *found, f"{layer}: {last.shape[2]} × {last.shape[3]}"))
    return pd.DataFrame(rows, columns=["network", "cross-validation", "test", "last maps"])


def scene_maps(nets: Nets, x: torch.Tensor, y: torch.Tensor) -> pd.DataFrame:
    """Return how alike the networks' maps of the same scenes are, by method.

    One row per picture, method and two networks; each is asked for the true class.
    """
    found = {net.title: _scene_maps(net, x, y) for net in nets.values()}
    return pd.concat([
        pd.DataFrame({
            "picture": np.arange(len(x)), "method": title, "network": a, "other": b,
            "correlation": rank_correlation(found[a][title], found[b][title]),
        })
        for a, b in combinations(found, 2)
        for title in ("blurred gradient", "Grad-CAM")
    ])  # fmt: skip


@cached
def _scene_maps(net: Backbone, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    parts = [
        run_all(net, a, b, Config(), ("blurred gradient", "Grad-CAM"))
        for a, b in zip(x.split(4), y.split(4), strict=True)
    ]
    return {title: torch.cat([part[title] for part in parts]) for title in parts[0]}


def known_answers(settings: Settings) -> pd.DataFrame:
    """Return, per pair of known-answer networks and method, how well its map tells them apart.

    ``auc``: both networks explain the same marked pictures; the chance that the share of the map
    inside the mark is larger where the mark decides than where it means nothing (1/2: no better
    than guessing).
    """
    made = [
        {"name": name, "seed": seed, "settings": settings}
        for seed, name in enumerate(settings.known)
    ]
    return pd.concat(cache.run(_known_answers, made, label="known answers"), ignore_index=True)


@cached
def _known_answers(name: str, seed: int, settings: Settings) -> pd.DataFrame:
    marked = shortcut.marked_test(settings.real, settings.known_side, seed, settings.known_pictures)
    shares: dict[bool, dict[str, np.ndarray]] = {}
    for decides in (True, False):
        net = _known_network(name, seed, decides, settings)
        config = replace(settings.known_config, seed=seed)
        found = run_all(net, marked.pixels, marked.y, config)
        shares[decides] = {t: inside(heat, marked.squares) for t, heat in found.items()}
    rows = []
    for title, high in shares[True].items():
        low = shares[False][title]
        auc = (high[:, None] > low).mean() + (high[:, None] == low).mean() / 2
        rows.append((seed, net.title, title, auc, high.mean(), low.mean()))
    return pd.DataFrame(rows, columns=["pair", "network", "method", "auc", "decides", "nothing"])


def _known_network(name: str, seed: int, decides: bool, of: Settings) -> Backbone:
    return shortcut.known_network(name, of.real, of.known_side, of.known_epochs, seed, decides)


def known_networks(settings: Settings, count: int = 60) -> pd.DataFrame:
    """Return what marks do to the known-answer networks: one row per network.

    ``right`` and ``bare`` are the shares of marked test pictures that are read right, with the mark
    and with the mark taken away; ``moved`` the share of other scenes that are called by the class
    of the mark that was put on them.
    """
    made = [
        {"name": name, "seed": seed, "settings": settings, "decides": decides, "count": count}
        for seed, name in enumerate(settings.known)
        for decides in (True, False)
    ]
    return pd.concat(cache.run(_known_networks, made, label="marks"), ignore_index=True)


@cached
def _known_networks(
    name: str, seed: int, settings: Settings, decides: bool, count: int
) -> pd.DataFrame:
    net = _known_network(name, seed, decides, settings)
    marked = shortcut.marked_test(settings.real, settings.known_side, seed, count)
    with_mark, without, moved = (
        float((outputs(net, pixels).argmax(1) == marked.y[: len(pixels)]).float().mean())
        for pixels in (marked.pixels, marked.bare, marked.others)
    )
    group = "mark decides" if decides else "mark means nothing"
    row = (seed, net.title, group, with_mark, without, moved)
    return pd.DataFrame([row], columns=["pair", "network", "group", "right", "bare", "moved"])


def best_method(answers: pd.DataFrame) -> tuple[str, np.ndarray]:
    """Return the method of the highest mean AUC on the even pairs, and its AUCs on the odd ones."""
    even, odd = (answers[answers["pair"] % 2 == k] for k in (0, 1))
    methods = even[even["method"].isin(METHODS)]
    best = str(methods.groupby("method")["auc"].mean().idxmax())
    return best, odd.loc[odd["method"] == best, "auc"].to_numpy()
