"""The whole VGG16, whose 528 MB are rarely at hand: the cells of notebooks 1, 3 and 4 that meet it.

A stand-in takes its place. It has the layers of VGG16 under the same names, an eighth of its maps
and 64 connected units, so that what a session with the whole file does is tried in seconds.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import vgg

from practicals import profile, stats
from practicals.data import fetch, images, pictures
from practicals.networks import backbones
from practicals.networks.zoo import NETWORKS
from practicals.saliency import localisation, maps, plots, settings, study
from provenance import cache, project
from provenance.format import mean_std

FILE = NETWORKS["vgg16"].weights[0]
SIDE = 32


def narrow():
    """Return VGG16 with an eighth of its maps, 64 units in fc6 and fc7, and 1,000 classes."""
    widths = [width if width == "M" else width // 8 for width in vgg.cfgs["D"]]
    net = vgg.VGG(vgg.make_layers(widths), init_weights=False)
    for place, (before, after) in {0: (64 * 49, 64), 3: (64, 64), 6: (64, 1000)}.items():
        net.classifier[place] = nn.Linear(before, after)
    return net


def random_state(make, seed):
    """Return a state dict with weights that keep the size of what passes through the layers."""
    torch.manual_seed(seed)
    net = make()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    return net.state_dict()


@pytest.fixture
def at_hand(monkeypatch):
    """VGG16's complete file is at hand, narrow, and so is another network to compare with."""
    monkeypatch.setitem(NETWORKS, "vgg16", replace(NETWORKS["vgg16"], make=narrow))
    states = {
        name: random_state(NETWORKS[name].make, seed)
        for seed, name in enumerate(("vgg16", "squeezenet1_0"))
    }
    found = lambda name, *_: (states[name], NETWORKS[name].weights[0])  # noqa: E731
    monkeypatch.setattr(backbones, "_state", found)
    available = fetch.available
    monkeypatch.setattr(fetch, "available", lambda name: name == FILE or available(name))
    # Other processes would know nothing of the narrow network.
    monkeypatch.setenv("PROVENANCE_JOBS", "1")
    yield
    plt.close("all")


@pytest.fixture
def samples(at_hand, monkeypatch):
    """Photographs in the place of ImageNet's, each of the class that VGG16's stand-in gives it."""
    photos = pictures.held_out_patches(1, seed=3)
    x = torch.stack([images.preprocess(image, SIDE) for image in photos.images])
    with torch.no_grad():
        y = backbones.load("vgg16")(x).argmax(1).numpy()
    found = pictures.ImageSet(photos.images, y, pictures.CLASS_NAMES)
    monkeypatch.setattr(pictures, "imagenet_samples", lambda: found)
    monkeypatch.setattr(pictures, "gallery", lambda real: found.subset(np.arange(6)))
    return found


class Kept:
    """What cells hand over, by kind and name."""

    def __init__(self):
        self.found = {}

    def __getattr__(self, kind):
        def keep(name, *values, **facts):
            self.found.setdefault(kind, {})[name] = (*values, facts)
            return name

        return keep


class Notebook:
    """A notebook whose cells are run one by one, each found by a text that only it has."""

    def __init__(self, stem, **budget):
        path = project.current().notebooks() / f"{stem}.ipynb"
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        self.cells = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        self.ledger = Kept()
        self.names = {
            **{"np": np, "torch": torch, "nn": nn, "F": F, "stats": stats, "cache": cache},
            **{name: getattr(stats, name) for name in ("paired", "rate")},
            "now": SimpleNamespace(real=True, seed=0),
            "budget": replace(profile.budget(stem, profile.get("sample")), **budget)
            if stem in profile.BUDGET_OF
            else None,
            "ledger": self.ledger,
            "notebook": SimpleNamespace(show_source=lambda *_: None),
        }

    def run(self, *texts):
        """Run the cells that hold these texts, and return the names they leave."""
        for text in texts:
            (cell,) = (source for source in self.cells if text in source)
            exec(cell, self.names)
        return self.names


def test_the_complete_file_covers_every_layer_at_its_full_size(monkeypatch):
    """Shapes of the published file; its connected layers are one number each, which is repeated."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in NETWORKS["vgg16"].make().state_dict().items()}
    torch.manual_seed(0)
    state = {}
    for key, shape in shapes.items():
        if key.startswith("features"):
            fan = shape[1:].numel() if len(shape) == 4 else 1
            state[key] = torch.randn(shape) * (2 / fan) ** 0.5 * (len(shape) == 4)
        else:
            state[key] = torch.full((1,), 0.0 if len(shape) == 1 else 1 / shape[1]).expand(shape)
    scores = torch.randn(1000)
    state["classifier.6.weight"] = (scores[:, None] / 4096).expand(1000, 4096)
    monkeypatch.setattr(backbones, "_state", lambda *_: (state, FILE))
    monkeypatch.setattr(fetch, "available", lambda name: name == FILE)
    net = backbones.load("vgg16")
    assert backbones.is_complete("vgg16") and net.covered == net.layers and net.source == FILE
    assert net.stages == NETWORKS["vgg16"].stages and net.layers[-1] == "fc8"
    with torch.no_grad():
        x = torch.rand(1, 3, 64, 64)
        logits, last = net(x)[0], net.features(x, ["pool5"])["pool5"]
    # fc6 and fc7 hand on one mean, that of pool5's maps, spread over 7 × 7 positions.
    mean = F.adaptive_avg_pool2d(last, 7).mean()
    torch.testing.assert_close(logits, mean * scores, rtol=1e-3, atol=1e-5)


def test_notebook_1_reads_every_stage_of_the_whole_network(samples, monkeypatch):
    parts = pictures.patches(pictures.GREY, 4, 4, side=48)
    sets = tuple(pictures.ImageSet(list(x), y, classes) for x, y, classes in parts)
    monkeypatch.setattr(pictures, "scene15", lambda: sets)
    view = "vgg16", "whole", SIDE
    book = Notebook(
        "1-transfer-learning",
        networks=("vgg16",), base="vgg16", views=(view,), image_size=SIDE, folds=2,
    )  # fmt: skip
    book.names["base"] = "vgg16"  # the cells between are about training from scratch
    found = book.run(
        "nets = {name: banks.ready(name)",
        "train, test = pictures.scenes(",
        "whole_nets = {",
        "tops = {}",
        "def convolve(",
        '"convolution-by-hand"',
        "without_colour = ",
        "bank = banks.collect(nets, everything",
        "study.multiply_adds(",
        '"time a picture"',
        "search = classifiers.Search(",
        "labelled = {",
        "keys, settings = [], []",
        "def lines(name, stages)",
        '"VGG16 (student report)"',
    )
    kept = book.ledger.found
    assert list(found["whole_nets"]) == ["vgg16"] and found["missing"] == []
    assert found["first"].title == "VGG16" and kept["claim"]["convolution-by-hand"][1] is True
    # At its own side, and not at half of it as where only leading layers are at hand.
    assert list(found["bank"]) == [view] and kept["record"]["vgg16_side"][0] == SIDE
    stages = NETWORKS["vgg16"].stages
    assert set(stages) <= set(found["bank"][view].means)
    accuracies = {stage: found["grid"]["vgg16", stage, "l2"].accuracy for stage in stages}
    assert all(0 <= accuracy <= 1 for accuracy in accuracies.values())
    rows = kept["table"]["layers"][1]
    assert [row[1] for row in rows if row and row[0] == "VGG16"] == ["relu6", "relu7", "fc8"]


def test_notebook_2_maps_the_whole_network(samples):
    now = replace(
        settings.LAB, networks=("vgg16",), side=SIDE, small_side=SIDE, mosaic_side=SIDE,
        pictures=8, mosaics=2, stable=2, config=settings.Config(2, 2, 4),
    )  # fmt: skip
    book, nets = Notebook("2-saliency"), study.load(now)
    assert list(nets) == ["vgg16"] and nets["vgg16"].layers[-1] == "fc8"
    x, y = study.pixels_of(study.draw(True, now.pictures), SIDE)
    book.names |= {"now": now, "nets": nets, "net": nets["vgg16"], "x": x, "y": (y + 1) % 1000}
    book.names |= {"chosen": samples, "study": study, "maps": maps, "localisation": localisation}
    book.names |= {"plots": plots, "book": book.ledger, "mean_std": mean_std}
    found = book.run(
        "def gradient_map(",
        "wrong = study.predicted_and_true(",
        "named = study.named(",
        "def grad_cam_map(",
        "mosaic, asked, cells",
        "several = study.several_objects(",
    )
    assert len(found["wrong"]) == len(x), "every label was moved on by one"
    steady = found["steady"].groupby("method")["correlation"].mean()
    assert steady.between(-1, 1).all() and set(found["several"]["network"]) == {"VGG16"}
    own = found["lower"](found["mosaic"][:1])
    assert (
        own.shape[1:]
        == found["net"].features(found["mosaic"][:1], ["relu5_3"])["relu5_3"].shape[1:]
    )


def test_notebook_3_attacks_the_whole_network(samples):
    book = Notebook(
        "3-adversarial",
        networks=("vgg16",), image_size=SIDE, images=4, steps=3, strong_steps=4,
        fooling_steps=12, nearest_images=4, nearest_steps=20, noise_draws=1,
    )  # fmt: skip
    found = book.run(
        "nets = sets.load_all(",
        "data = sets.drawn(",
        '"of these from a later view"',
        "def fooling_image(",
        "def package_fooling(",
        "ascent = attacks.fooling(",
        "def fgsm(",
        "plans = {",
        "close = on_each(study.nearest",
    )
    assert list(found["nets"]) == ["vgg16"] and found["missing"] == []
    cases, net = found["cases"]["vgg16"], found["net"]
    assert len(cases) == 4 and (net(cases.x).argmax(1) == cases.y).all()
    before, after = (F.cross_entropy(net(x), found["label"]) for x in (cases.x[:1], found["moved"]))
    assert after > before and (found["moved"] - cases.x[:1]).abs().max() < 2.001 / 255
    assert found["fooled"].shape == (1, 3, SIDE, SIDE)
    for key, by_net in found["found"].items():
        assert by_net["vgg16"]["fooled"].shape == (4,), key
    # The margin to the next class is positive where a case is read right.
    assert (found["close"]["vgg16"]["margin"] > 0).all()


def test_notebook_4_judges_climbs_and_draws_the_whole_network(samples):
    layers = "relu1_2", "relu2_2", "relu5_3"
    book = Notebook(
        "4-class-visualization",
        networks=("squeezenet1_0", "vgg16"), side=SIDE, classes=2, short_steps=4,
        atlas=(("squeezenet1_0", ("fire2",)), ("vgg16", layers)), atlas_channels=3, atlas_images=8,
    )  # fmt: skip
    found = book.run(
        "nets = study.networks(",
        "sources = study.draw(",
        "to_same = study.climbed(",
        "judged_by = {}, {}",
        '"climbed network"',
        "cells.append([summary.pixels_of(across[name]",
        '"olah-on-each"',
        "layered = atlas.ready(",
        "def sheet(name)",
        "last_of_atlas = ",
        "summary.beaten(",
    )
    assert list(found["nets"]) == ["squeezenet1_0", "vgg16"] and found["missing"] == []
    y, whole = found["sources"].y, found["nets"]["vgg16"]
    with torch.no_grad():
        climbed = torch.from_numpy(found["across"]["squeezenet1_0"]["olah"]["pictures"]) / 255
        expected = whole(climbed).softmax(1)[range(2), y]
        judged = found["judged_by"]["squeezenet1_0"]["olah"]["probability"]
        np.testing.assert_allclose(np.ravel(judged), expected, rtol=1e-4)
        for layer in layers:
            drawn = found["channels"]["vgg16", layer]
            made = torch.from_numpy(drawn["pictures"]) / 255
            means = whole.features(made, [layer])[layer].mean((2, 3))
            expected = means[range(3), drawn["channels"]]
            np.testing.assert_allclose(drawn["made"], expected, rtol=1e-4, atol=1e-6)
    assert set(book.ledger.found["figure"]) == {"networks", "atlas", "atlas-low"}
