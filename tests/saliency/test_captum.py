"""The same maps as Captum: same network, input, baseline and noise; relative error ≤ 1e-4."""

import copy

import pytest
import torch
from tests.peers import peer
from torch import nn
from torchvision import models

from practicals.saliency import deeplift
from practicals.saliency import maps as saliency

attr = peer("captum.attr", at_import=True)
pytestmark = pytest.mark.filterwarnings("ignore")

KEEP = {"reduce": saliency.every_channel}
LAYERS = {"squeezenet1_0": "features.12", "mobilenet_v2": "features.18", "small": "conv2"}
TOLERANCE = 1e-4


class Small(nn.Module):
    """Convolutions, a concatenation and dropout; each rectifier used once, as Captum asks."""

    def __init__(self, pool: type[nn.Module] = nn.AvgPool2d) -> None:
        super().__init__()
        self.conv, self.relu, self.pool = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), pool(2)
        self.left, self.right = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.relu_left, self.relu_right = nn.ReLU(), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(16, 8, 3), nn.ReLU()
        self.drop, self.head = nn.Dropout(), nn.Linear(8 * 36, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores (n, 5) of pictures (n, 3, 16, 16)."""
        x = self.pool(self.relu(self.conv(x)))
        x = torch.cat([self.relu_left(self.left(x)), self.relu_right(self.right(x))], 1)
        return self.head(self.drop(self.relu2(self.conv2(x)).flatten(1)))


def as_captum_wants(net: nn.Module) -> nn.Module:
    """Captum's hooks need rectifiers out of place; its rules know ReLU but not ReLU6."""
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, (nn.ReLU, nn.ReLU6)):
                setattr(parent, name, nn.ReLU())
    return net


@pytest.fixture(params=["small", "squeezenet1_0", "mobilenet_v2"], scope="module")
def case(request):
    """A random network in evaluation mode, pictures, classes, and Grad-CAM's layer."""
    torch.manual_seed(0)
    name = request.param
    net = Small() if name == "small" else getattr(models, name)()
    if name == "mobilenet_v2":
        calibrate(net)
    net = as_captum_wants(net).eval()
    side = 16 if name == "small" else 64
    # Captum's noise has one deviation for all: let every picture have the range 0 to 1.
    x = saliency_range(torch.rand(2, 3, side, side))
    return net, x, torch.tensor([1, 3]), LAYERS[name]


def saliency_range(x: torch.Tensor) -> torch.Tensor:
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low)


def calibrate(net: nn.Module) -> None:
    """Let the batch norms of a random network see data, or its scores vanish by the last layer."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        net.train()(torch.rand(8, 3, 64, 64))


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert expected.norm() > 0
    return ((found - expected).norm() / expected.norm()).item()


def test_gradient(case):
    net, x, y, _ = case
    expected = attr.Saliency(net).attribute(x.clone(), target=y).amax(1)
    assert relative_error(saliency.gradient(net, x, y), expected) < TOLERANCE


def test_gradient_x_input(case):
    net, x, y, _ = case
    expected = attr.InputXGradient(net).attribute(x.clone(), target=y)
    assert relative_error(saliency.gradient_x_input(net, x, y, **KEEP), expected) < TOLERANCE


def test_smoothgrad_with_the_same_noise(case):
    net, x, y, _ = case
    tunnel = attr.NoiseTunnel(attr.Saliency(net))
    torch.manual_seed(5)
    expected = tunnel.attribute(
        x.clone(), nt_samples=6, nt_samples_batch_size=1, stdevs=0.15, target=y, abs=False
    )
    torch.manual_seed(5)
    found = saliency.smoothgrad(net, x, y, samples=6, noise=0.15, **KEEP)
    assert relative_error(found, expected) < TOLERANCE


@pytest.mark.parametrize("grey", [0.0, 0.5])
def test_integrated_gradients(case, grey):
    net, x, y, _ = case
    baseline = torch.full_like(x, grey)
    expected = attr.IntegratedGradients(net).attribute(x, baseline, target=y, n_steps=8)
    found = saliency.integrated_gradients(net, x, y, 8, baseline, **KEEP)
    assert relative_error(found, expected) < TOLERANCE


def test_guided_backprop(case):
    net, x, y, _ = case
    expected = attr.GuidedBackprop(copy.deepcopy(net)).attribute(x.clone(), target=y)
    assert relative_error(saliency.guided_backprop(net, x, y, **KEEP), expected) < TOLERANCE


def test_grad_cam(case):
    net, x, y, name = case
    cam = attr.LayerGradCam(net, net.get_submodule(name))
    expected = cam.attribute(x, target=y, relu_attributions=True)
    expected = attr.LayerAttribution.interpolate(expected, x.shape[-2:], "bilinear")[:, 0]
    assert relative_error(saliency.grad_cam(net, x, y, name), expected) < TOLERANCE


def test_guided_grad_cam(case):
    net, x, y, name = case
    twin = copy.deepcopy(net)
    guided = attr.GuidedGradCam(twin, twin.get_submodule(name))
    expected = guided.attribute(x.clone(), target=y, interpolate_mode="bilinear")
    assert relative_error(saliency.guided_grad_cam(net, x, y, name, **KEEP), expected) < TOLERANCE


def smooth_pools(net: nn.Module) -> nn.Module:
    """Put average pools for max-pools: behind a rectifier, Captum's max-pool rule loses its sum."""
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d):
                pool = nn.AvgPool2d(child.kernel_size, child.stride, ceil_mode=child.ceil_mode)
                setattr(parent, name, pool)
    return net


@pytest.mark.parametrize("grey", [0.0, 0.5])
def test_deeplift(case, grey):
    net, x, y, _ = case
    net = smooth_pools(copy.deepcopy(net))
    baseline = torch.full_like(x, grey)
    expected = attr.DeepLift(copy.deepcopy(net)).attribute(x.clone(), baseline, target=y)
    assert relative_error(deeplift.deeplift(net, x, y, baseline[:1], **KEEP), expected) < TOLERANCE


def test_deeplift_through_relu6(monkeypatch):
    """MobileNetV2 as it is: Captum's elementwise rule serves ReLU6 once it is told so."""
    from captum.attr._core import deep_lift

    monkeypatch.setitem(deep_lift.SUPPORTED_NON_LINEAR, nn.ReLU6, deep_lift.nonlinear)
    torch.manual_seed(0)
    net = models.mobilenet_v2()
    calibrate(net)
    for module in net.eval().modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = False
    x, y = torch.rand(2, 3, 64, 64), torch.tensor([1, 3])
    expected = attr.DeepLift(copy.deepcopy(net)).attribute(x.clone(), target=y)
    assert relative_error(deeplift.deeplift(net, x, y, **KEEP), expected) < TOLERANCE


@pytest.mark.parametrize("overlap", [False, True])
def test_deeplift_through_a_max_pool_adds_up_where_captum_does(overlap):
    """A max-pool directly behind a convolution: equal to Captum for windows side by side.

    Where windows overlap, Captum writes one contribution over the other and loses the sum; ours
    keeps it.
    """
    torch.manual_seed(0)
    pool = nn.MaxPool2d(3, 2) if overlap else nn.MaxPool2d(2)
    features = nn.Sequential(nn.Conv2d(3, 8, 3), pool, nn.Flatten())
    size = features(torch.rand(1, 3, 16, 16)).shape[1]
    net = nn.Sequential(features, nn.Linear(size, 5)).eval()
    x, y, baseline = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 3]), torch.rand(4, 3, 16, 16)
    expected, gap = attr.DeepLift(copy.deepcopy(net)).attribute(
        x.clone(), baseline, target=y, return_convergence_delta=True
    )
    found = deeplift.deeplift(net, x, y, baseline, **KEEP)
    change = (net(x) - net(baseline)).gather(1, y[:, None])[:, 0]
    torch.testing.assert_close(found.sum((1, 2, 3)), change, rtol=1e-4, atol=1e-5)
    if not overlap:
        assert relative_error(found, expected) < TOLERANCE
    else:
        assert gap.abs().max() > 1e-3
