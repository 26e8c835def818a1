"""The playgrounds' files: ONNX answers as PyTorch does, and the gradient is autograd's."""

import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from practicals import paths
from practicals.adversarial.defence import DigitNetwork
from practicals.gan.networks import Design, build
from practicals.networks.training import he_initialise

pytestmark = pytest.mark.site
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime: make site installs it")
tool = pytest.importorskip("tools.export_playground", reason="onnx: make site installs it")


def answers(file, **inputs):
    feed = {name: value.numpy() for name, value in inputs.items()}
    return runtime.InferenceSession(file).run(None, feed)


def test_logits_and_gradient_are_autograds_for_any_number(tmp_path):
    torch.manual_seed(3)
    net = he_initialise(DigitNetwork()).eval()
    asked = {"pixels": torch.rand(5, 1, 28, 28), "label": torch.tensor([0, 9, 4, 4, 7])}
    file = tmp_path / "net.onnx"
    tool.write(tool.with_gradient(net), asked, ("logits", "gradient"), file)
    for n in (1, 5):
        pixels, label = asked["pixels"][:n].clone().requires_grad_(), asked["label"][:n]
        logits = net(pixels)
        F.cross_entropy(logits, label, reduction="sum").backward()
        found = answers(file, pixels=pixels.detach(), label=label)
        assert pixels.grad.abs().max() > 1e-3
        assert np.allclose(found[0], logits.detach().numpy(), atol=1e-5)
        assert np.allclose(found[1], pixels.grad.numpy(), atol=1e-5)
    content = file.read_bytes()
    assert len(content) < 1e6 and [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    assert str(paths.root()).encode() not in content and b".py" not in content


@pytest.mark.parametrize("settings", [dict(padding=2), dict(stride=3), dict(dilation=2, groups=2)])
def test_the_gradient_of_any_plain_convolution_is_autograds(settings):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 4, 11, 10, requires_grad=True), torch.randn(6, 4, 3, 4)
    weight = weight[:, : 4 // settings.get("groups", 1)]
    slope = torch.randn_like(out := F.conv2d(x, weight, **settings))
    out.backward(slope)
    full = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | settings
    pairs = [[full[name]] * 2 for name in ("stride", "padding", "dilation")]
    found = tool._convolution_backward(
        slope, x.detach(), weight, None, *pairs, False, [0, 0], full["groups"], [True, False, False]
    )
    assert torch.allclose(found[0], x.grad, atol=1e-5)


def test_a_gradient_that_is_not_known_is_refused():
    net = torch.nn.Sequential(
        torch.nn.ConvTranspose2d(1, 1, 3), torch.nn.Flatten(), torch.nn.Linear(900, 10)
    )
    with pytest.raises(NotImplementedError, match="plain convolution"):
        tool.with_gradient(net)


def test_the_generator_draws_the_same_for_any_number(tmp_path):
    net = build(Design(condition="both", init="torch"), 3)[0].eval()
    z, y = torch.randn(7, net.design.z), torch.arange(7)
    tool.write(net, {"z": z[:2], "digit": y[:2]}, ("pictures",), tmp_path / "g.onnx")
    for n in (1, 7):
        (found,) = answers(tmp_path / "g.onnx", z=z[:n], digit=y[:n])
        assert np.abs(found - net(z[:n], y[:n]).detach().numpy()).max() < 1e-5


def test_a_small_digit_becomes_one_like_mnists():
    digit = np.zeros((8, 8))
    digit[:5, 1] = 1  # a stroke, far from the middle
    shown = tool.as_mnist(digit)
    rows, columns = np.nonzero(shown)
    assert shown.shape == (28, 28) and shown.min() >= 0 and shown.max() == 1
    assert abs(rows.mean() - 13.5) <= 1 and abs(columns.mean() - 13.5) <= 1
    assert np.ptp(rows) > 2 * np.ptp(columns)
    with pytest.raises(ValueError, match="some ink"):
        tool.as_mnist(np.zeros((8, 8)))


def test_examples_are_read_right_by_all_networks_or_refused():
    nets = [tool.digit_network(tool.MODELS / f"adversarial-{n}.pt") for n in ("plain", "robust")]
    shown = torch.from_numpy(tool.examples(nets))[:, None] / 255
    assert all(net(shown).argmax(1).tolist() == list(range(10)) for net in nets)
    with pytest.raises(ValueError, match="no digit 0 is read right"):
        tool.examples([lambda x: F.one_hot(torch.tensor([3]), 10).float()])


def test_missing_weights_are_named_and_leave_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "MODELS", tmp_path / "none")
    monkeypatch.setattr(sys, "argv", ["export_playground.py", str(tmp_path / "out")])
    assert tool.main() == 1
    assert "adversarial-plain.pt" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
