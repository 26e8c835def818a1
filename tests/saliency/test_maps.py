"""Maps on small networks: what they must be, and that the caller's network survives them."""

from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn

from practicals.networks import backbones, gradients, zoo
from practicals.saliency import deeplift, maps
from practicals.saliency.rise import rise


def conv_net(inplace=True):
    """A network as torchvision writes them: in-place rectifiers, dropout, batch norm."""
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 8, 3, padding=1),
            norm=nn.BatchNorm2d(8),
            relu=nn.ReLU(inplace),
            pool=nn.MaxPool2d(2),
            conv2=nn.Conv2d(8, 8, 3),
            relu2=nn.ReLU6(inplace),
            flatten=nn.Flatten(),
            drop=nn.Dropout(0.5, inplace),
            head=nn.Linear(8 * 36, 5),
        )
    )


def fresh_methods():
    """Return every method, those with chance at the start of their generators."""
    rngs = [torch.Generator().manual_seed(0) for _ in range(2)]
    return {
        "gradient": maps.gradient,
        "gradient_x_input": maps.gradient_x_input,
        "smoothgrad": partial(maps.smoothgrad, samples=3, generator=rngs[0]),
        "integrated_gradients": partial(maps.integrated_gradients, steps=3),
        "guided_backprop": maps.guided_backprop,
        "grad_cam": partial(maps.grad_cam, layer="conv2"),
        "guided_grad_cam": partial(maps.guided_grad_cam, layer="conv2"),
        "grad_cam on a rectifier": partial(maps.grad_cam, layer="relu2"),
        "deeplift": deeplift.deeplift,
        "rise": partial(rise, masks=8, cells=4, generator=rngs[1]),
    }


METHODS = fresh_methods()
CHANCE = ("smoothgrad", "rise")


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 4])


def state_of(net):
    return (
        [module.training for module in net.modules()],
        [(p.requires_grad, p.grad is None) for p in net.parameters()],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()],
        [len(m._backward_hooks) + len(m._backward_pre_hooks) for m in net.modules()],
        [getattr(m, "inplace", None) for m in net.modules()],
        {key: value.clone() for key, value in net.state_dict().items()},
    )


def assert_same_state(before, after):
    assert before[:-1] == after[:-1]
    assert all(torch.equal(before[-1][key], after[-1][key]) for key in before[-1])


def mixed_state(net):
    """Leave training on in parts, one parameter frozen and one hook of the caller in place."""
    net.train()
    net.norm.eval()
    net.conv.weight.requires_grad_(False)
    seen = []
    net.relu.register_forward_hook(lambda module, args, output: seen.append(len(output)))
    return seen


@pytest.mark.parametrize("name", METHODS)
def test_a_method_returns_maps_and_leaves_the_network_as_it_was(name, batch):
    net = conv_net()
    seen = mixed_state(net)
    before = state_of(net)
    found = METHODS[name](net, *batch)
    assert found.shape == (4, 16, 16) and found.dtype == torch.float32
    assert found.isfinite().all() and found.std() > 0 and not found.requires_grad
    assert_same_state(before, state_of(net))
    assert seen, "the caller's own hook ran"


@pytest.mark.parametrize("name", METHODS)
def test_the_network_is_given_back_after_an_exception(name, batch):
    net = conv_net()
    mixed_state(net)
    net.head = nn.Linear(3, 5)
    before = state_of(net)
    with pytest.raises(RuntimeError):
        METHODS[name](net, *batch)
    assert_same_state(before, state_of(net))


@pytest.mark.parametrize("name", METHODS)
def test_rectifiers_in_place_give_the_maps_of_those_that_are_not(name, batch):
    found = []
    for inplace in (True, False):
        found.append(fresh_methods()[name](conv_net(inplace).eval(), *batch))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_a_map_does_not_depend_on_its_neighbours_in_the_batch(name, batch):
    if name in CHANCE:
        pytest.skip("its draws do")
    x, y = batch
    net = conv_net().eval()
    alone = torch.cat([METHODS[name](net, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(METHODS[name](net, x, y), alone, rtol=1e-4, atol=1e-6)


def test_methods_work_inside_no_grad_and_inference_mode(batch):
    net = conv_net().eval()
    expected = maps.gradient(net, *batch)
    with torch.no_grad():
        torch.testing.assert_close(maps.gradient(net, *batch), expected)
    with torch.inference_mode():
        torch.testing.assert_close(maps.gradient(net, *batch), expected)


def test_a_network_that_begins_in_place_is_differentiated(batch):
    net = nn.Sequential(nn.ReLU(True), nn.Flatten(), nn.Linear(768, 5))
    x = batch[0].clone()
    assert maps.gradient(net, *batch).shape == (4, 16, 16)
    assert torch.equal(x, batch[0])


def test_a_linear_network_is_explained_by_its_weights(batch):
    x, y = batch
    net = nn.Sequential(nn.Flatten(), nn.Linear(768, 5))
    weights = net[1].weight[y].view_as(x)
    keep = {"reduce": maps.every_channel}
    torch.testing.assert_close(maps.gradient(net, x, y, **keep), weights)
    for method in (maps.gradient_x_input, maps.integrated_gradients, deeplift.deeplift):
        torch.testing.assert_close(method(net, x, y, **keep), weights * x, rtol=1e-5, atol=1e-6)
    smooth = maps.smoothgrad(net, x, y, samples=4, **keep)
    torch.testing.assert_close(smooth, weights.detach(), rtol=1e-5, atol=1e-6)


def score_change(net, x, y, baseline):
    return (net(x) - net(baseline)).gather(1, y[:, None])[:, 0]


def test_integrated_gradients_add_up_to_the_score(batch):
    x, y = batch
    net = conv_net().eval().double()
    baseline = torch.full_like(x, 0.5).double()
    found = maps.integrated_gradients(net, x.double(), y, 100, baseline)
    change = score_change(net, x.double(), y, baseline)
    torch.testing.assert_close(found.double().sum((1, 2)), change, rtol=0, atol=5e-3)


@pytest.mark.parametrize(
    ("name", "side"), [("squeezenet1_0", 48), ("mobilenet_v2", 32), ("smallvgg", 64)]
)
def test_deeplift_adds_up_on_the_networks_of_the_course(name, side):
    """Overlapping max-pools, ReLU6, concatenation, residuals and dropout are in these three."""
    torch.manual_seed(0)
    net = backbones.build(name).eval()
    x, y = torch.rand(2, 3, side, side), torch.tensor([1, 4])
    for baseline in (torch.zeros_like(x[:1]), torch.rand_like(x)):
        change = score_change(net, x, y, baseline.expand_as(x))
        found = deeplift.deeplift(net, x, y, baseline)
        missing = (found.sum((1, 2)) - change).abs()
        assert found.std() > 0 and (missing < 1e-5 * found.abs().sum((1, 2)).max()).all()


def test_deeplift_sees_what_a_saturated_gradient_misses():
    """min(x₁ + x₂, 1) at (1, 1): the example of Shrikumar et al. (2017)."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 1))
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (-1.0, 1.0, -1.0, 1.0), strict=True):
            parameter.fill_(value)
    x, y = torch.ones(1, 1, 1, 2), torch.tensor([0])
    assert maps.gradient(net, x, y).abs().max() == 0
    torch.testing.assert_close(deeplift.deeplift(net, x, y), torch.full((1, 1, 2), 0.5))


def test_deeplift_credits_the_place_of_the_larger_maximum():
    """By hand: max(.6, .2) − max(0, .4) = .2 belongs to the first place, max(.2, 0) − max(0, .8) to
    the second."""
    net = nn.Sequential(nn.MaxPool2d((1, 2)), nn.Flatten())
    x = torch.tensor([[0.6, 0.2], [0.2, 0.0]]).view(2, 1, 1, 2)
    reference = torch.tensor([[0.0, 0.4], [0.0, 0.8]]).view(2, 1, 1, 2)
    found = deeplift.deeplift(net, x, torch.tensor([0, 0]), reference)
    torch.testing.assert_close(found.view(2, 2), torch.tensor([[0.2, 0.0], [0.0, -0.6]]))


def test_deeplift_refuses_a_network_whose_path_depends_on_the_input(batch):
    class Fickle(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(768, 5)

        def forward(self, x):
            return self.head(torch.relu(x).flatten(1) if x.sum() > 0 else x.flatten(1))

    with pytest.raises(ValueError, match="another path"):
        deeplift.deeplift(Fickle(), *batch)


def test_guided_backprop_reaches_functions_and_a_module_used_twice(batch):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU(True)
            self.head = nn.Linear(4 * 100, 5)

        def forward(self, x):
            x = self.relu(self.b(self.relu(self.a(x))))
            return self.head(nn.functional.relu(nn.functional.max_pool2d(x, 3, 1)).flatten(1))

    net = Shared()
    assert not torch.equal(maps.guided_backprop(net, *batch), maps.gradient(net, *batch))


def test_guided_backprop_by_hand():
    """Through two rectifiers, a negative gradient is stopped at the second."""
    net = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(2, 1, bias=False))
    net[2].weight.data = torch.tensor([[2.0, -3.0]])
    x = torch.ones(1, 1, 1, 2)
    assert maps.guided_backprop(net, x, torch.tensor([0])).flatten().tolist() == [2.0, 0.0]


def test_smoothgrad_does_not_depend_on_the_batch_size(batch):
    net = conv_net().eval()
    found = [
        maps.smoothgrad(
            net, *batch, samples=6, batch_size=size, generator=torch.Generator().manual_seed(3)
        )
        for size in (1, 8, 64)
    ]
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(found[0], found[2], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["squeezenet1_0", "googlenet", "mobilenet_v2", "smallvgg"])
def test_gradients_added_up_behind_the_first_convolution_are_the_same(name):
    torch.manual_seed(0)
    net = backbones.build(name).eval()
    before = state_of(net)
    x, y = torch.rand(2, 3, 64, 64), torch.tensor([3, 1])
    points = [(0.3, x), (-0.5, x + 0.1 * torch.randn(x.shape)), (0.9, 0.5 * x)]
    assert maps.affine_start(net) is not None
    found = maps.weighted_gradients(net, points, y, batch_size=4)
    plain = sum(weight * gradients.input_gradient(net, point, y) for weight, point in points)
    torch.testing.assert_close(found, plain, rtol=1e-3, atol=1e-5 * plain.abs().max().item())
    assert_same_state(before, state_of(net))


def test_grad_cam_takes_names_of_backbones_and_of_torch(batch):
    net = backbones.build("squeezenet1_0").eval()
    x, y = torch.rand(1, 3, 64, 64), torch.tensor([5])
    found = [maps.grad_cam(net, x, y, layer) for layer in ("fire9", "steps.fire9")]
    found.append(maps.grad_cam(net, x, y, net.steps.fire9))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
def test_errors_say_what_to_do(batch):
    net = conv_net()
    x, y = batch
    with pytest.raises(zoo.UnknownName, match="Did you mean 'conv"):
        maps.grad_cam(net, x, y, "conv3")
    with pytest.raises(ValueError, match="gives no maps"):
        maps.grad_cam(net, x, y, "head")
    with pytest.raises(ValueError, match="classes 0 to 4"):
        maps.gradient(net, x, y + 1)
    with pytest.raises(ValueError, match="whole numbers"):
        maps.gradient(net, x, y[:2])
    with pytest.raises(TypeError, match="TorchScript"):
        maps.guided_backprop(torch.jit.trace(net.eval(), x), x, y)


def test_smoothgrad_takes_the_range_of_each_picture_alone(batch):
    """A linear network on which noise cancels: what remains is the deviation that was asked for."""
    x = torch.stack([torch.zeros(3, 64, 64), torch.zeros(3, 64, 64)])
    x[0, 0, 0, 0], x[1, 0, 0, 0] = 1.0, 0.1
    moved = maps.noisy(x, 0.5, torch.Generator().manual_seed(0)) - x
    spread = moved.flatten(1).std(1)
    torch.testing.assert_close(spread, torch.tensor([0.5, 0.05]), rtol=0.05, atol=0)


def test_deeplift_has_the_ordinary_slope_where_nothing_differs():
    """Input equals reference: the multiplier is the derivative."""
    x = torch.tensor([0.5, -1.0], requires_grad=True)
    value = deeplift.rescale(torch.tanh, x, x.detach())
    (slope,) = torch.autograd.grad(value.sum(), x)
    torch.testing.assert_close(slope, 1 - torch.tanh(x.detach()) ** 2)


PLAIN = [maps.gradient, maps.pooled_gradient, maps.guided_backprop, deeplift.deeplift, rise]


@pytest.mark.parametrize("method", [*PLAIN, partial(maps.grad_cam, layer="conv2")])
@pytest.mark.parametrize("wrong", ["uint8", "0 to 255", "no batch", "labels in a list"])
def test_pixels_and_labels_of_another_kind_are_refused(method, wrong, batch):
    x, y = batch
    given = {
        "uint8": ((255 * x).byte(), y),
        "0 to 255": (255 * x, y),
        "no batch": (x[0], y),
        "labels in a list": (x, y.tolist()),
    }[wrong]
    with pytest.raises(ValueError, match="expected"):
        method(conv_net().eval(), *given)


def test_every_method_works_on_tensors_made_in_inference_mode():
    net = conv_net().eval()
    with torch.inference_mode():
        torch.manual_seed(1)
        x, y = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 4])
        found = {name: method(net, x, y) for name, method in fresh_methods().items()}
    torch.manual_seed(1)
    x, y = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 4])
    for name, method in fresh_methods().items():
        torch.testing.assert_close(found[name].clone(), method(net, x, y))


class Clamped(nn.Module):
    """A rectifier by a function that no rule knows."""

    def __init__(self):
        super().__init__()
        self.lower, self.upper = nn.Linear(768, 20), nn.Linear(20, 5)

    def forward(self, x):
        return self.upper(self.lower(x.flatten(1)).clamp(min=0))


def test_guided_backprop_refuses_a_network_without_a_known_rectifier(batch):
    with pytest.raises(ValueError, match="no ReLU"):
        maps.guided_backprop(Clamped(), *batch)


@pytest.mark.parametrize(
    "step", [nn.PReLU(), nn.Hardswish(), nn.Softsign(), nn.Mish(), nn.LogSigmoid()]
)
def test_deeplift_refuses_steps_that_break_its_sum(step, batch):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(768, 30), step, nn.Linear(30, 5)).eval()
    with pytest.raises(ValueError, match="miss the change of the score"):
        deeplift.deeplift(net, *batch)


@pytest.mark.parametrize("step", [nn.Sigmoid(), nn.Tanh(), nn.Softplus(), nn.LeakyReLU(0.3)])
def test_deeplift_keeps_its_sum_through_the_steps_it_knows(step, batch):
    torch.manual_seed(0)
    x, y = batch
    net = nn.Sequential(nn.Flatten(), nn.Linear(768, 30), step, nn.Linear(30, 5)).eval()
    change = score_change(net, x, y, torch.zeros_like(x))
    torch.testing.assert_close(
        deeplift.deeplift(net, x, y).sum((1, 2)), change, rtol=1e-3, atol=1e-5
    )


def test_deeplift_keeps_its_sum_through_local_response_normalisation(batch):
    torch.manual_seed(0)
    x, y = batch
    layers = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.LocalResponseNorm(5, alpha=1.0))
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 14 * 14, 5)).eval()
    change = score_change(net, x, y, torch.zeros_like(x))
    torch.testing.assert_close(
        deeplift.deeplift(net, x, y).sum((1, 2)), change, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("shape", [(3, 3), (5, 40), (16, 16)])
def test_the_blurred_gradient_takes_oblong_and_tiny_pictures(shape):
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * shape[0] * shape[1], 2))
    x = torch.rand(2, 3, *shape)
    found = maps.pooled_gradient(net, x, torch.tensor([0, 1]))
    sharp = maps.gradient(net, x, torch.tensor([0, 1]))
    assert found.shape == sharp.shape and (found.std((1, 2)) <= sharp.std((1, 2))).all()


def test_the_two_halves_of_a_network_are_the_network():
    torch.manual_seed(0)
    net = backbones.build("smallvgg").eval()
    x = torch.rand(2, 3, 64, 64)
    for layer in ("relu4_2", "pool1", ""):
        lower, upper = maps.halves(net, layer)
        torch.testing.assert_close(upper(lower(x)), net(x))
    with pytest.raises(zoo.UnknownName, match="relu4_2"):
        maps.halves(net, "relu4_3")
