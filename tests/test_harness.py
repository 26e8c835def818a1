"""The harness of the exercises: what it hides from an answer, what it notices, what it says."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from practicals import exercises
from practicals.exercises import check, lopsided, numbers, oblong


def double(x):
    return 2 * x


def ones(*shape):
    return [(torch.ones(shape),)]


def words(answer, reference=double, cases=None, **options):
    """Return what the harness says of a wrong answer."""
    with pytest.raises(AssertionError) as caught:
        check(answer, reference, ones(3, 4) if cases is None else cases, **options)
    return " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x + x,
        lambda x: (2 * x).double(),
        lambda x: (2 * x).numpy(),
        lambda x: (2 * x).tolist(),
        lambda x: list(2 * x),
        lambda x: 2 * x + 1e-5,
        lambda x: 2 * x.clone().requires_grad_(),
    ],
)
def test_the_same_numbers_pass_whatever_holds_them(answer):
    check(answer, double, [(oblong(),), (torch.rand(3, 4),)])


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ((torch.ones(2), 3), [np.ones(2), 3.0]),
        ((torch.ones(2), torch.zeros(2)), np.array([[1, 1], [0, 0]])),
        ({"a": 1.0, "b": True}, {"b": np.bool_(True), "a": torch.ones(1)}),
        ([torch.ones(2), torch.zeros(3)], (np.ones(2), np.zeros(3))),
        (torch.Size([2, 3]), (2, 3)),
        (0.5, torch.tensor([0.5])),
        (np.array([np.nan, np.inf]), torch.tensor([torch.nan, torch.inf])),
        (torch.zeros(0, 3), np.zeros((0, 3))),
    ],
)
def test_results_of_many_parts(expected, found):
    check(lambda: found, lambda: expected, [()])


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        (torch.zeros(4, 3), torch.zeros(3, 4), "returned shape (3, 4), expected (4, 3)"),
        (torch.zeros(2), None, "returns None: is a return missing?"),
        ((1, 2.5), (1, 2.0), "is 2 instead of 2.5 in value 2 of 2"),
        ((1, 2), 1, "returned a int, expected 2 values"),
        ((1, 2), (1, 2, 3), "returned 3 values, expected 2"),
        ({"a": 1}, {"b": 1}, "returned ['b'], expected a dict with the keys ['a']"),
        ({"a": 1}, 1, "returned int, expected a dict with the keys ['a']"),
        (torch.zeros(2), torch.tensor([0, 0.3]), "differs by up to 0.3 at (1,): 0.3 instead of 0"),
        (torch.zeros(2), torch.tensor([0, torch.nan]), "has nan instead of 0 at (1,)"),
        (np.array([True]), np.array([False]), "has False instead of True at (0,)"),
        (1.0, "text", "returned a value of type str, expected numbers"),
        (1.0, 1j * torch.ones(()), "returned complex numbers, expected real ones"),
        (torch.zeros(2), [[0.0], 0.0], "returned a list whose parts differ in shape"),
        # Whole numbers have no tolerance, however large; nor have small numbers beside large ones
        # of another part.
        (10**9, 10**9 + 1, "is 1000000001 instead of 1000000000"),
        ((1e6, 1e-2), (1e6, 2e-2), "is 0.02 instead of 0.01 in value 2 of 2"),
    ],
)
def test_what_is_wrong_is_said_in_words(expected, found, said):
    assert said in words(lambda: found, lambda: expected, [()])


def test_a_case_is_named():
    cases = [(torch.ones(2), 1), (torch.ones(3), 2)]
    said = words(lambda x, k: x, lambda x, k: k * x, cases)
    assert said.startswith("In case 2 of 2 (x of shape (3,), k 2) the answer differs")


def test_the_tolerance_is_a_share_of_the_largest_number():
    check(lambda: torch.tensor([100.05, 0.05]), lambda: torch.tensor([100.0, 0]), [()], 1e-3)
    assert words(lambda: torch.tensor([100.2, 0]), lambda: torch.tensor([100.0, 0]), [()])


def test_an_answer_that_changes_its_input_is_refused_and_the_next_case_is_not_spoilt():
    def in_place(x):
        return x.mul_(2)

    cases = [(torch.ones(3),)] * 2
    assert "The answer changes its input x" in words(in_place, double, cases)
    assert torch.equal(cases[0][0], torch.ones(3))
    # The old fault: a picture turned to zeros has right answers in zeros.
    assert "changes its input x" in words(lambda x: x.zero_(), double, cases)
    check(in_place, double, cases, changes="x")
    assert torch.equal(cases[0][0], torch.ones(3))


def test_the_reference_may_change_its_copies():
    check(double, lambda x: x.mul_(2), ones(3))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda net: net.train(), "the training mode of net"),
        (lambda net: net[0].train(), "the training mode of net.0"),
        (lambda net: net.requires_grad_(), "requires_grad of net.0.weight"),
        (lambda net: nn.init.zeros_(net[3].bias), "its input net.3.bias"),
        (lambda net: net[0].register_forward_hook(print), "the hooks of net.0"),
        (lambda net: net[0].weight.__setattr__("grad", torch.ones(4, 3, 3, 3)), "the gradient of"),
    ],
)
def test_a_network_must_be_given_back_as_it_was(change, said):
    def answer(net, x):
        found = net(x)
        change(net)
        return found

    case = [(lopsided(), oblong())]
    assert f"The answer changes {said}" in words(answer, lambda net, x: net(x), case)
    check(answer, lambda net, x: net(x), case, changes="net")


@pytest.mark.parametrize(
    ("given", "change", "said"),
    [
        ([1, 2], lambda x: x.append(3), "the length of x"),
        ([1, 2], lambda x: x.reverse(), "its input x[0]"),
        ({"a": 1}, lambda x: x.pop("a"), "the keys of x"),
        ({"a": np.zeros(2)}, lambda x: x["a"].fill(1), "its input x['a']"),
        (np.zeros(2), lambda x: x.fill(1), "its input x"),
        (torch.zeros(2), lambda x: x.requires_grad_(), "requires_grad of x"),
    ],
)
def test_other_inputs_stay_as_well(given, change, said):
    before = deepcopy(given)
    assert f"changes {said}" in words(lambda x: [change(x)], lambda x: 0, [(given,)])
    assert str(given) == str(before)


def test_things_that_belong_together_stay_together_in_a_copy():
    net = nn.Linear(2, 1)
    sgd = torch.optim.SGD(net.parameters(), 0.1)

    def step(net, sgd):
        net(torch.ones(1, 2)).sum().backward()
        sgd.step()
        return net.bias

    before = net.bias.item()
    check(step, lambda net, sgd: net.bias.detach() - 0.1, [(net, sgd)], changes="net sgd")
    assert net.bias.item() == before


def test_a_gradient_must_flow():
    cases = [(torch.rand(3),), (torch.rand(2, 2),)]
    check(lambda x: x * x, lambda x: x**2, cases, gradient="x")
    for cut in (lambda x: x.detach() ** 2, lambda x: x.detach().numpy() ** 2):
        assert "No gradient reaches x" in words(cut, lambda x: x**2, cases, gradient="x")
    half = words(lambda x: x * x.detach(), lambda x: x**2, cases, gradient="x")
    assert "the gradient that reaches x differs by up to" in half


def test_a_gradient_does_not_depend_on_how_results_are_put_together():
    def parts(x):
        return x.sum(), x[0] ** 2, 3

    check(lambda x: torch.stack([*parts(x)[:2], torch.tensor(3.0)]), parts, ones(4), gradient="x")
    check(lambda x: [*parts(x)[:2], 3], parts, ones(4), gradient="x")


def test_a_gradient_reaches_the_weights_of_a_network():
    case = [(lopsided(), oblong())]
    check(lambda net, x: net(x) * 1, lambda net, x: net(x), case, gradient="net")
    said = words(lambda net, x: net(x).detach(), lambda net, x: net(x), case, gradient="net")
    assert "No gradient reaches net" in said


def test_both_draw_the_same_and_the_caller_notices_nothing():
    def draw(k):
        return torch.rand(k), np.random.rand(k)

    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), str(np.random.get_state())
    seen = []
    check(
        lambda x: (seen.append(x), draw(2))[1], lambda x: draw(2), ((torch.rand(2),) for _ in "ab")
    )
    lopsided(3)
    oblong(3)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == str(np.random.get_state())
    again = []
    check(lambda x: again.append(x) or 0, lambda x: 0, ((torch.rand(2),) for _ in "ab"))
    assert torch.equal(torch.stack(seen), torch.stack(again))
    assert not torch.equal(seen[0], seen[1])


def test_the_answers_own_error_gets_through_and_names_the_case():
    with pytest.raises(ZeroDivisionError) as caught:
        check(lambda k: 1 // k, lambda k: 0, [(2,), (0,)])
    assert caught.value.__notes__ == ["This happened in case 2 of 2 (k 0)."]


def test_cases_may_be_dicts_and_names_may_be_hidden():
    check(lambda b, a: b - a, lambda a, b: b - a, [{"a": 1, "b": 3}])
    check(lambda *given: sum(given), lambda *given: sum(given), [(1, 2)])
    said = words(lambda x, *rest: x.zero_(), lambda x, *rest: x, [(torch.ones(2), 1)])
    assert "changes its input x" in said
    assert "argument 2 1" in said


def test_bad_cases_are_refused():
    with pytest.raises(ValueError, match="at least one case"):
        check(double, double, [])
    with pytest.raises(ValueError, match=r"no arguments \['z'\]: expected among \['x'\]"):
        check(double, double, ones(2), gradient="z")
    with pytest.raises(ValueError, match="a gradient by x: expected floating tensor"):
        check(double, double, [(3,)], gradient="x")


def test_numbers_are_new_arrays_of_float64():
    x = torch.ones(2, dtype=torch.float64)
    found = numbers(x)
    found[0] = 5
    assert x[0] == 1
    for value in (x, [1, True], (torch.ones(()), 1.0), np.ones(2, np.uint8), torch.ones(2).half()):
        assert numbers(value).dtype == np.float64
        assert np.array_equal(numbers(value), [1, 1])
    with pytest.raises(TypeError, match="type object"):
        numbers(object())


def test_a_lopsided_network_tells_axes_colours_and_classes_apart():
    net, x = lopsided(2), oblong(2)
    scores = net(x)[0]
    assert len(scores) == 6 and len(scores.unique()) == 6
    assert not net.training and not any(p.requires_grad for p in net.parameters())
    for other in (x.flip(1), x.flip(2), x.flip(3), x.roll(1, 1)):
        assert (net(other)[0] - scores).abs().max() > 0.01
    assert torch.equal(net(x)[0], lopsided(2)(oblong(2))[0])
    assert not torch.equal(lopsided(3)(x)[0], scores)
    assert net[:2](x).shape == (1, 4, 5, 9)
    assert torch.allclose(net[2:](net[:2](x)), net(x))
    assert lopsided(0, (9, 5), 3)(oblong(1, (9, 5), 2)).shape == (2, 3)
    assert len({*exercises.SIZE, 3, 4, 6}) == 5
