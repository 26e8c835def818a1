"""Kept digit networks: a gradient written out is autograd's, in PyTorch and in ONNX."""

import json

import numpy as np
import pytest
import torch
from tests.peers import peer
from torch.nn import functional as F

from practicals import paths
from practicals.adversarial import kept
from practicals.adversarial.__main__ import main
from practicals.adversarial.defence import DigitNetwork
from practicals.networks.training import he_initialise


@pytest.fixture
def net():
    torch.manual_seed(3)
    return he_initialise(DigitNetwork()).eval()


@pytest.fixture
def asked():
    rng = torch.Generator().manual_seed(4)
    return torch.rand(5, 1, 28, 28, generator=rng), torch.tensor([0, 9, 4, 4, 7])


def by_autograd(net, pixels, label):
    pixels = pixels.clone().requires_grad_()
    logits = net(pixels)
    F.cross_entropy(logits, label, reduction="sum").backward()
    return logits.detach(), pixels.grad


def test_the_written_gradient_is_autograds(net, asked):
    logits, gradient = kept.WithGradient(net)(*asked)
    expected, slope = by_autograd(net, *asked)
    assert slope.abs().max() > 1e-3
    assert torch.allclose(logits, expected, atol=1e-6)
    assert torch.allclose(gradient, slope, atol=1e-6)


def test_onnx_gives_the_same_for_any_number_and_names_no_folder(net, asked, tmp_path):
    peer("onnxscript")
    runtime = peer("onnxruntime")
    kept.export(net, tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    assert len(content) < 1e6
    assert str(paths.root()).encode() not in content and b".py" not in content
    session = runtime.InferenceSession(tmp_path / "net.onnx")
    for n in (1, 5):
        pixels, label = asked[0][:n], asked[1][:n]
        found = session.run(None, {"pixels": pixels.numpy(), "label": label.numpy()})
        for ours, theirs in zip(found, by_autograd(net, pixels, label), strict=True):
            assert np.allclose(ours, theirs.numpy(), atol=1e-5)


def test_a_small_digit_becomes_one_like_mnists():
    digit = np.zeros((8, 8))
    digit[:5, 1] = 1  # a stroke, far from the middle
    shown = kept.as_mnist(digit)
    rows, columns = np.nonzero(shown)
    assert shown.shape == (28, 28) and shown.min() >= 0 and shown.max() == 1
    assert abs(rows.mean() - 13.5) <= 1 and abs(columns.mean() - 13.5) <= 1
    assert np.ptp(rows) > 2 * np.ptp(columns)
    with pytest.raises(ValueError, match="some ink"):
        kept.as_mnist(np.zeros((8, 8)))


class Reads(torch.nn.Module):
    """Names the classes that ``known`` allows, by looking the picture up."""

    def __init__(self, known):
        super().__init__()
        self.known = known

    def forward(self, x):
        return F.one_hot(torch.tensor([self.known(x)]), 10).float()


def test_examples_are_read_right_by_all_networks_or_refused():
    with pytest.raises(ValueError, match="no digit 0 is read right"):
        kept.examples({"blind": Reads(lambda x: 3)}, 0)


def test_both_networks_are_kept_with_ten_digits(monkeypatch, tmp_path, net, capsys):
    peer("onnxscript")
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.setenv("PROFILE", "full")
    asked = []
    monkeypatch.setattr(kept, "digit_network", lambda *args: asked.append(args) or net)
    monkeypatch.setattr(kept, "examples", lambda nets, seed: np.zeros((10, 28, 28), np.uint8))
    assert main(["keep"]) == 0
    # The radii and budgets of notebook 3, so that its cache serves.
    assert [(eps, vars(budget)) for _, eps, budget, _ in asked] == [
        (0.0, {"digits": 60000, "epochs": 5, "steps": 1}),
        (0.2, {"digits": 60000, "epochs": 5, "steps": 5}),
    ]
    folder = tmp_path / "data" / "models"
    assert {f.name for f in folder.iterdir()} == {
        "adversarial-plain.onnx", "adversarial-robust.onnx", "adversarial-digits.json"
    }  # fmt: skip
    facts = json.loads((folder / "adversarial-digits.json").read_text())
    assert len(facts["digits"]) == 10 and facts["radius"] == 0.2
    assert "kB" in capsys.readouterr().out
