"""The long loops of chapter 1, for ``cache``: plain arrays out, all that they depend on in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC
from torch import nn

from ..data import digits
from ..data.images import squash
from ..data.pictures import ImageSet
from ..networks import backbones
from ..networks.backbones import Backbone
from ..networks.zoo import NETWORKS
from . import classifiers, finetune
from .classifiers import Kernel, Result, Search, Task

HEADS = ("svm", "softmax")


def evaluate_layer(task: Task, search: Search, X: np.ndarray, norm: str) -> Result:
    """Return the least-squares classifier's result on features ``X`` (n, d) of one layer."""
    return classifiers.evaluate(classifiers.kernel(X, norm, task.train), task, search)


@dataclass(frozen=True)
class Choice:
    """What a split chose by cross-validation on its own training samples, and how right it was."""

    setting: str
    cv_accuracy: float
    accuracy: float


def choose_on_split(
    kernels: Mapping[str, Kernel], widths: Sequence[float], search: Search, task: Task
) -> Choice:
    """Choose kernel, Gaussian width (or none) and C on one split's training samples alone.

    ``kernels`` are of all samples against all.
    """
    best = Choice("", -1.0, 0.0)
    for name, K in kernels.items():
        for width in (None, *widths):
            curved = K if width is None else K.gaussian(width, task.train)
            found = classifiers.evaluate(curved, task, search)
            if found.cv_accuracy > best.cv_accuracy:
                setting = name if width is None else f"{name}, Gaussian {width:g}"
                best = Choice(setting, found.cv_accuracy, found.accuracy)
    return best


def subset_accuracy(K: Kernel, task: Task, search: Search, per_class: int, seed: int) -> Result:
    """Return the result of training on ``per_class`` of each class's training samples only."""
    places = classifiers.draw(task.y[task.train], per_class, seed)
    folds = min(search.folds, per_class)
    fewer = Search(search.C_grid, folds, search.repeats, search.seed)
    return classifiers.evaluate(K, Task(task.y, task.train[places], task.test), fewer)


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

    The pictures are shown whole, squeezed to a square of ``size`` pixels.
    """

    def whole(image: Image.Image) -> Image.Image:
        return squash(image, size)

    # One pass, since the rounding of a picture's maps may depend on its neighbours in the batch.
    maps = finetune.maps_at(net, [*train.images, *test.images], whole, NETWORKS[net.name].cut)
    of_train, of_test = maps.split([len(train), len(test)])
    labels, classes = torch.from_numpy(train.y), len(train.classes)
    held = classifiers.folds_of(train.y, 5, plan.seed)[0]
    lr, tries = finetune.choose_lr(net, of_train, labels, held, plan.lrs, plan.epochs, plan.seed)
    scores = []
    for seed in plan.seeds:
        head = finetune.fit_tail(net, of_train, labels, classes, plan.epochs, lr, seed)
        scores.append(finetune.tail_scores(head, of_test).numpy())
    return Tuned(np.stack(scores), lr, tuple(tries))


def multiply_adds(name: str, side: int) -> int:
    """Return the multiplications of one picture of ``side`` pixels through a whole network.

    Convolutions and linear layers are counted, as in the literature; nothing is computed.
    """
    total = 0

    def count(module: nn.Conv2d | nn.Linear, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    net = backbones.build(name, "meta").eval()
    for module in net.steps.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    net.steps(torch.empty(1, 3, side, side, device="meta"))
    return total


def digit_sets(real: bool, per_class: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """Return handwritten digits, ``per_class`` of each for training and twice as many for the test.

    MNIST, or scikit-learn's small digits in the sample profile.
    """
    x, y, x_test, y_test = digits.mnist() if real else digits.small_digits()
    names = tuple(map(str, range(10)))
    sets = []
    for pixels, labels, count in ((x, y, per_class), (x_test, y_test, 2 * per_class)):
        index = classifiers.draw(labels, count, seed)
        sets.append(ImageSet(list(pixels[index]), labels[index].astype(np.int64), names))
    return sets[0], sets[1]
