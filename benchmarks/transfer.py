"""Chapter 1 beside what most courses do, in one run: feature extraction and the sweep over C.

    python benchmarks/transfer.py [--images 3000] [--vgg-images 64] [--repeats 2]

The plain extraction is torchvision's model behind a DataLoader: float32, batches of 32, no
gradient.
The plain sweep is GridSearchCV over LinearSVC, both of scikit-learn, on the same folds and grid of
C. Ratios above 1 mean that the project is faster. Both extractions read the same files; the same
classifier judges the features of both. VGG16 needs its convolutions alone, so that Oxford's trunk
serves. A network takes random weights where no file is at hand: its time does not depend on them.
"""

import argparse
import json
import tempfile
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import LinearSVC
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

from practicals import profile, runtime
from practicals.data import fetch, images, pictures
from practicals.networks import backbones
from practicals.networks.zoo import NETWORKS
from practicals.transfer import classifiers, features
from practicals.transfer.classifiers import Search, Task

POOLED = {"vgg16": "pool5", "squeezenet1_0": "fire9"}
"""The layer whose average is compared; torchvision's ``features`` end there."""


class Files(Dataset):
    """Pictures as a course would read them: Pillow, then torchvision's usual transforms."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        usual = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
        normalise = transforms.Normalize(images.IMAGENET_MEAN, images.IMAGENET_STD)
        self.transform = transforms.Compose([*usual, normalise])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> torch.Tensor:
        with Image.open(self.files[i]) as image:
            return self.transform(image.convert("RGB"))


def plain_extraction(net: nn.Module, files: list[Path]) -> np.ndarray:
    """Return average-pooled features by the usual loop."""
    found = []
    with torch.no_grad():
        for x in DataLoader(Files(files), batch_size=32):
            found.append(net(x).mean((2, 3)))
    return torch.cat(found).numpy()


def networks(name: str) -> tuple[nn.Module, backbones.Backbone]:
    """Return torchvision's convolutional part and the project's network, with the same weights."""
    if any(fetch.available(file) for file in NETWORKS[name].weights):
        whole = backbones.load(name)
    else:
        torch.manual_seed(0)
        whole = backbones.build(name)
    # Nothing behind the pooled layer runs, and a trunk has no weights there.
    steps = list(whole.steps.named_children())[: whole.layers.index(POOLED[name]) + 1]
    ours = backbones.Backbone(name, OrderedDict(steps)).eval().requires_grad_(False)
    ours.source = whole.source
    theirs = getattr(models, name)().features.eval()
    weights = [step.state_dict() for step in ours.steps if sum(1 for _ in step.parameters())]
    layers = [m for m in theirs if sum(1 for _ in m.parameters())]
    for layer, state in zip(layers, weights, strict=True):
        layer.load_state_dict(state)
    return theirs, backbones.prepare(ours)


def timed(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Return seconds and result of one call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def compare_extraction(name: str, files: list[Path], repeats: int) -> dict[str, object]:
    """Time both extractions on the same files, alternating; keep each one's best run."""
    theirs, ours = networks(name)
    crop = lambda image: images.centre_crop(image, 224)  # noqa: E731
    calls = {
        "plain": lambda: plain_extraction(theirs, files),
        "ours": lambda: features.extract(ours, files, crop, [POOLED[name]])[POOLED[name]],
    }
    for call in calls.values():
        call()  # first calls pay for threads, files and kernels
    runs = {key: [timed(call) for _ in range(repeats)] for key, call in calls.items()}
    best = {key: min(seconds for seconds, _ in pairs) for key, pairs in runs.items()}
    a, b = runs["plain"][0][1], runs["ours"][0][1]
    return {
        "network": name,
        "weights": ours.source,
        "images": len(files),
        "plain_images_per_second": len(files) / best["plain"],
        "our_images_per_second": len(files) / best["ours"],
        "ratio": best["plain"] / best["ours"],
        "cosine_similarity": float(
            np.mean(np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
        ),
        "features": (a, b),
    }


def accuracy(X: np.ndarray, y: np.ndarray, half: np.ndarray) -> float:
    """Return the accuracy on one half of a classifier trained on the other."""
    task = Task(y, np.flatnonzero(half), np.flatnonzero(~half))
    search = Search(profile.get("full").transfer.C_grid)
    return classifiers.evaluate(classifiers.kernel(X, "l2"), task, search).accuracy


def compare_sweep(X: np.ndarray, y: np.ndarray, half: np.ndarray) -> dict[str, object]:
    """Time both sweeps over normalisation × C with the same folds, and test each one's choice."""
    train, test = np.flatnonzero(half), np.flatnonzero(~half)
    grid = profile.get("full").transfer.C_grid
    folds = StratifiedKFold(5, shuffle=True, random_state=0)

    def plain() -> np.ndarray:
        found = []
        for norm in classifiers.NORMS:
            Z = classifiers.normalise(X, norm)
            Z = Z / np.linalg.norm(Z[train], axis=1).mean()
            search = GridSearchCV(LinearSVC(), {"C": list(grid)}, cv=folds).fit(Z[train], y[train])
            found.append((search.best_score_, search.score(Z[test], y[test])))
        return np.array(found)

    def ours() -> np.ndarray:
        task, found = Task(y, train, test), {}
        for norm in classifiers.NORMS:
            K = classifiers.kernel(X, norm, train)
            found[norm] = classifiers.evaluate(K, task, Search(grid))
        norm = max(found, key=lambda one: found[one].cv_accuracy)
        # Least squares chooses; the linear SVM itself is fitted once, near that C.
        K = classifiers.kernel(X, norm, train)
        last = classifiers.evaluate_hinge(K, task, Search(grid), found[norm].C)
        return np.array([(last.cv_accuracy, last.accuracy)])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        (theirs_s, theirs), (ours_s, mine) = timed(plain), timed(ours)
    return {
        "samples": len(train),
        "features": X.shape[1],
        "plain_seconds": theirs_s,
        "our_seconds": ours_s,
        "ratio": theirs_s / ours_s,
        "plain_accuracy": float(theirs[theirs[:, 0].argmax(), 1]),
        "our_accuracy": float(mine[mine[:, 0].argmax(), 1]),
    }


def files_of(count: int, folder: Path) -> tuple[list[Path], np.ndarray]:
    """Return ``count`` picture files with labels: 15-Scene, else patches of shipped photographs."""
    if fetch.available("15-Scene"):
        train, test = pictures.scene15()
        everything = train.joined(test)
        order = np.random.default_rng(0).permutation(len(everything))[:count]
        return [everything.images[i] for i in order], everything.y[order]
    (x, y, _), _ = pictures.patches(pictures.COLOUR, n_train=-(-count // 10), n_test=1, side=256)
    files = [folder / f"{i}.jpg" for i in range(len(x))]
    for pixels, file in zip(x, files, strict=True):
        Image.fromarray(pixels).save(file, quality=90)
    order = np.random.default_rng(0).permutation(len(x))[:count]
    return [files[i] for i in order], y[order]


def main() -> None:
    """Run both comparisons, print them and write build/benchmarks/transfer.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images", type=int, default=3000, help="pictures for SqueezeNet; half train"
    )
    parser.add_argument("--vgg-images", type=int, default=64, help="pictures for VGG16")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    report: dict[str, object] = {"machine": runtime.describe()}
    with tempfile.TemporaryDirectory() as folder:
        files, y = files_of(options.images, Path(folder))
        half = np.arange(len(files)) % 2 == 0
        vgg = compare_extraction("vgg16", files[: options.vgg_images], options.repeats)
        squeeze = compare_extraction("squeezenet1_0", files, options.repeats)
    vgg.pop("features")
    plain, ours = squeeze.pop("features")
    squeeze |= {"plain_accuracy": accuracy(plain, y, half), "our_accuracy": accuracy(ours, y, half)}
    report |= {"extraction": [vgg, squeeze], "sweep": compare_sweep(plain, y, half)}
    text = json.dumps(report, indent=1)
    out = Path(__file__).resolve().parents[1] / "build" / "benchmarks" / "transfer.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
