"""The long loops of chapter 1, for ``jobs``: plain arrays out, all that they depend on in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC

from .. import runtime
from ..data.images import squash, stream, views
from ..data.pictures import ImageSet
from ..networks import training
from ..networks.backbones import Backbone
from ..networks.zoo import NETWORKS
from . import classifiers, features, finetune
from .classifiers import Result, Search

HEADS = ("svm", "softmax")


def bank(
    net: Backbone, pictures: ImageSet, view: str, size: int, large: int
) -> dict[str, np.ndarray]:
    """Return the averaged features (n, d) of every stage, with the pictures shown as ``view``.

    ``size`` and ``large`` are the sides of the input, see ``images.views``.
    """
    transform = views(size, large)[view]
    label = f"{net.title}, {view}"
    return features.extract(net, pictures.images, transform, net.stages, label=label)


def coarse(net: Backbone, pictures: ImageSet, layer: str, small: int, size: int) -> np.ndarray:
    """Return a layer's features (n, d) of pictures shrunk to ``small`` pixels and enlarged."""

    def blur(image: Image.Image) -> Image.Image:
        return squash(squash(image, small), size)

    return features.extract(net, pictures.images, blur, [layer])[layer]


def evaluate_layer(
    y: np.ndarray, train: np.ndarray, test: np.ndarray, search: Search, X: np.ndarray, norm: str
) -> Result:
    """Return the least-squares classifier's result on features ``X`` (n, d) of one layer."""
    K = classifiers.gram(classifiers.normalise(X, norm))
    return classifiers.evaluate(K, y, train, test, search)


def evaluate_kernel(
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    search: Search,
    K: np.ndarray,
    width: float | None = None,
    rank: int | None = None,
) -> Result:
    """Return the result on a Gram matrix ``K`` (n, n), or on the Gaussian kernel made of it.

    ``width`` is the Gaussian's; ``rank`` keeps the largest principal components only.
    """
    K = K if width is None else classifiers.rbf(K, width, train)
    return classifiers.evaluate(K, y, train, test, search, rank)


def split_accuracy(
    blocks: Sequence[np.ndarray],
    y: np.ndarray,
    norm: str,
    width: float | None,
    search: Search,
    train: np.ndarray,
    test: np.ndarray,
) -> float:
    """Return the accuracy of the joined ``blocks`` on one split, everything fitted anew on it."""
    K = classifiers.join(blocks, norm, train)
    return evaluate_kernel(y, train, test, search, K, width).accuracy


@dataclass(frozen=True)
class Head:
    """A linear classifier of scikit-learn: the C that cross-validation chose, and its guesses."""

    C: float
    predicted: np.ndarray


def fit_head(
    kind: str,
    X: np.ndarray,
    y: np.ndarray,
    X_test: np.ndarray,
    search: Search,
    iterations: int = 1000,
) -> Head:
    """Return a linear SVM (``svm``, squared hinge) or a ``softmax`` head, refitted with its best C.

    ``iterations`` limits the softmax head's.
    """
    if kind not in HEADS:
        raise ValueError(f"unknown head {kind!r}: expected one of {HEADS}")
    svm = LinearSVC(random_state=search.seed)
    model = svm if kind == "svm" else LogisticRegression(max_iter=iterations)
    grid = {"C": list(search.C_grid)}
    found = GridSearchCV(model, grid, cv=search.folds).fit(X, y)
    return Head(float(found.best_params_["C"]), found.predict(X_test))


@dataclass(frozen=True)
class Plan:
    """How the last block is fine-tuned: the step sizes to try, and the seeds of the runs."""

    epochs: int
    lrs: tuple[float, ...]
    seeds: tuple[int, ...]
    seed: int = 0
    """Of the choice among the step sizes."""


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned last block: scores (seeds, m, classes), the step size, what each one reached."""

    scores: np.ndarray
    lr: float
    tries: tuple[float, ...]


def fine_tune(net: Backbone, train: ImageSet, test: ImageSet, size: int, plan: Plan) -> Tuned:
    """Choose the step size on a fifth of the training pictures, then train on all, once per seed.

    The pictures are shown whole, squeezed to a square of ``size`` pixels, or mirrored.
    """

    def whole(image: Image.Image) -> Image.Image:
        return squash(image, size)

    # One pass, since the rounding of a picture's maps may depend on its neighbours in the batch.
    maps = finetune.maps_at(net, [*train.images, *test.images], whole, NETWORKS[net.name].cut)
    of_train, of_test = maps.split([len(train), len(test)], 1)
    labels, classes = torch.from_numpy(train.y), len(train.classes)
    held = classifiers.folds_of(train.y, 5, plan.seed)[0]
    lr, tries = finetune.choose_lr(net, of_train, labels, held, plan.lrs, plan.epochs, plan.seed)
    scores = []
    for seed in plan.seeds:
        head, _ = finetune.fit_tail(net, of_train, labels, classes, plan.epochs, lr, seed)
        scores.append(finetune.tail_scores(head, of_test).numpy())
    return Tuned(np.stack(scores), lr, tuple(tries))


@dataclass(frozen=True)
class Scratch:
    """A network trained from random weights: accuracies by epoch, and the last on all test data."""

    train: np.ndarray
    watched: np.ndarray
    """On every fifth test picture; shown, never used."""
    accuracy: float


def from_scratch(
    name: str, train: ImageSet, test: ImageSet, size: int, epochs: int, seed: int
) -> Scratch:
    """Train a network's architecture from He initialisation on small whole pictures."""
    runtime.seed_everything(seed)
    net = training.he_initialise(finetune.from_scratch(name, len(train.classes)))
    x, x_test = pixels(train, size), pixels(test, size)
    labels, labels_test = torch.from_numpy(train.y), torch.from_numpy(test.y)
    history = training.fit(
        net.to(runtime.device()),
        x,
        labels,
        epochs,
        0.01,
        50,
        seed,
        augment=training.flip_and_shift,
        label="from scratch",
        validation=(x_test[::5], labels_test[::5]),
    )
    return Scratch(
        np.array([epoch.train_accuracy for epoch in history]),
        np.array([epoch.validation_accuracy for epoch in history]),
        training.accuracy(net, x_test, labels_test),
    )


def pixels(pictures: ImageSet, size: int) -> torch.Tensor:
    """Return whole pictures squeezed to a square, uint8 of shape (n, 3, size, size)."""
    return torch.cat(list(stream(pictures.images, lambda image: squash(image, size), 256)))
