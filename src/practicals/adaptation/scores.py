"""Scores of a domain adaptation: with labels, without them, and of the two domains' distance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.svm import LinearSVC
from torch.nn import functional as F

from ..networks.training import as_float, scores
from .networks import CLASSES, AdaptationNet


def probabilities(net: AdaptationNet, x: torch.Tensor) -> torch.Tensor:
    """Return the class probabilities of uint8 pixels ``x`` (n, 3, 28, 28), shape (n, 10)."""
    return scores(net, x, batch_size=512).softmax(1)


@torch.inference_mode()
def features(net: AdaptationNet, x: torch.Tensor) -> torch.Tensor:
    """Return the features that the domain classifier sees, in evaluation mode, (n, width)."""
    was_training = net.training
    net.eval()
    try:
        return torch.cat([net.features(as_float(batch)) for batch in x.split(512)])
    finally:
        net.train(was_training)


def per_class(predicted: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Return the accuracy on each of the ten digits, as fractions."""
    right = (predicted == y).double()
    return np.array([right[y == digit].mean().item() for digit in range(CLASSES)])


def entropy(p: torch.Tensor) -> torch.Tensor:
    """Return −Σ p log p over the last axis, in nats."""
    return -torch.special.xlogy(p, p).sum(-1)


def negative_entropy(p: torch.Tensor) -> float:
    """Return minus the mean entropy of predictions (n, 10): 0 where every one is certain."""
    return -entropy(p).mean().item()


def information(p: torch.Tensor) -> float:
    """Return the mutual information of picture and prediction, H(mean p) − mean H(p), in nats.

    It is high (at most log 10) where predictions are certain and all classes are used; a network
    that calls everything a 3 is certain, but scores 0. Bridle, Heading & MacKay (NIPS 1991); as a
    validator of domain adaptation: Musgrave, Belongie & Lim (2022).
    """
    return (entropy(p.mean(0)) - entropy(p).mean()).item()


def neighbourhood_density(p: torch.Tensor, temperature: float = 0.05) -> float:
    """Return the soft neighbourhood density of predictions (n, 10) (Saito et al., ICCV 2021).

    Each picture's similarities to all others become a distribution; its mean entropy is high where
    neighbours lie close together.
    """
    p = F.normalize(p, dim=1)
    similarity = (p @ p.T) / temperature
    similarity.fill_diagonal_(-torch.inf)
    return entropy(similarity.softmax(1)).mean().item()


VALIDATORS = {
    "information": information,
    "negative entropy": negative_entropy,
    "neighbourhood density": neighbourhood_density,
}
"""Scores of the target's predictions that read no label; higher is taken for better."""


def proxy_a_distance(source: torch.Tensor, target: torch.Tensor, seed: int = 0) -> float:
    """Return 2(1 − 2ε), ε the held-out error of a linear SVM that tells two feature sets apart.

    0 means that they cannot be told apart, 2 that they always can (Ben-David et al., NIPS 2006).
    ``source`` and ``target`` are (n, width) and (m, width); one half trains, the other tests.
    """
    n = min(len(source), len(target))
    X = torch.cat([source[:n], target[:n]]).cpu().double().numpy()
    X = (X - X.mean(0)) / (X.std(0) + 1e-8) / np.sqrt(X.shape[1])
    y = np.repeat([0, 1], n)
    train = np.random.default_rng(seed).permutation(2 * n) < n
    svm = LinearSVC(C=1.0, random_state=seed).fit(X[train], y[train])
    error = float((svm.predict(X[~train]) != y[~train]).mean())
    return 2 * (1 - 2 * min(error, 0.5))


def project(source: torch.Tensor, target: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return both feature sets on their two common principal components, (n, 2) and (m, 2)."""
    joined = torch.cat([source, target]).cpu().numpy()
    flat = PCA(2, random_state=0).fit_transform(joined)
    return flat[: len(source)], flat[len(source) :]


@dataclass(frozen=True)
class Confidence:
    """Of the predictions above a threshold: the fraction right, and the fraction there are."""

    threshold: float
    precision: float
    coverage: float


def confidence_curve(
    p: torch.Tensor, y: torch.Tensor, thresholds: Sequence[float]
) -> list[Confidence]:
    """Return precision and coverage of the predictions ``p`` (n, 10) at each threshold.

    It reads the labels ``y``: a report, not a means of choice. Precision is NaN at no coverage.
    """
    top, predicted = p.max(1)
    right = (predicted == y).double()
    curve = []
    for threshold in thresholds:
        kept = top >= threshold
        precision = right[kept].mean().item() if kept.any() else float("nan")
        curve.append(Confidence(threshold, precision, kept.double().mean().item()))
    return curve
