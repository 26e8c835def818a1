"""Chapter 2's second sanity check: maps of a small network that learnt random labels.

The functions are jobs (see ``provenance.cache``): plain values in, plain arrays out.
"""

import numpy as np
import torch

from ..networks import backbones, smallvgg, training
from .methods import Effort, run_all, table
from .sanity import spearman
from .study import CASCADED, Found


def trained_on(labels: str, per_photo: int, epochs: int, seed: int) -> dict[str, torch.Tensor]:
    """Return the small network trained on ``true`` or on ``random`` labels of the same patches.

    With the same ``seed`` start, pictures, steps and order are the same; only the labels differ
    (Adebayo et al., 2018). ``accuracy`` is that on the labels it was trained on.
    """
    if labels not in ("true", "random"):
        raise ValueError(f"labels {labels!r}: expected 'true' or 'random'")
    x, y = smallvgg.photographs(per_photo)
    y = y if labels == "true" else np.random.default_rng(0).permutation(y)
    torch.manual_seed(seed)
    net = training.he_initialise(smallvgg.SmallVGG())
    truth = torch.from_numpy(y)
    training.fit(net, x, truth, epochs, 0.02, 32, seed, weight_decay=0.0, label=labels)
    return net.state_dict() | {"accuracy": torch.tensor(training.accuracy(net, x, truth))}


def label_likeness(
    per_photo: int, epochs: int, x: torch.Tensor, y: torch.Tensor, effort: Effort
) -> Found:
    """Return how alike maps (n,) are to those of a network trained on true labels.

    ``method/random`` compares a network trained on random labels, from the same start;
    ``method/true`` one trained on the same true labels from another start, the control.
    ``accuracy/…`` are the accuracies on the labels that each was trained on.
    """
    runs = {"base": ("true", 0), "random": ("random", 0), "true": ("true", 1)}
    maps, found = {}, {}
    for name, (labels, seed) in runs.items():
        state = trained_on(labels, per_photo, epochs, seed)
        found[f"accuracy/{name}"] = np.array(float(state.pop("accuracy")))
        net = backbones.from_state("smallvgg", state)
        maps[name] = run_all(table(net, effort, CASCADED), net, x, y).maps
    for method, base in maps["base"].items():
        for other in ("random", "true"):
            likeness = spearman(base.abs(), maps[other][method].abs())
            found[f"{method}/{other}"] = likeness
    return found
