"""The harness of the exercises' tests: a student's answer beside a reference, on copies of inputs.

``check`` compares by value, whatever the type, sees to it that inputs and networks stay as they
were, and says in words what is wrong. ``lopsided`` and ``oblong`` make small cases in which no two
axes, colours or classes may be swapped unnoticed. The caller's random state is given back.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from inspect import Parameter, signature
from typing import Any

import numpy as np
import torch
from torch import nn

Case = Sequence[Any] | Mapping[str, Any]
SIZE = (7, 11)
"""Height and width of small pictures; with 5 × 9 behind a 3 × 3 window no two share a divisor."""
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
FLOOR = 1e-3
"""Smallest scale that a tolerance is a share of: what should be zero is so but for rounding."""


@contextmanager
def _chance(seed: int) -> Iterator[None]:
    """Let all draws on the CPU follow from ``seed``; give the caller's random state back."""
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs for good
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])
        random.setstate(before[2])


def lopsided(seed: int = 0, size: tuple[int, int] = SIZE, classes: int = 6) -> nn.Sequential:
    """Return a small random network, (n, 3, H, W) to (n, classes), frozen, in evaluation mode.

    Its weights are as irregular as chance makes them, so that whatever is turned, swapped or of
    the wrong sign changes what it says. ``[:2]`` are its 4 maps (n, 4, H - 2, W - 2), ``[2:]`` the
    classifier on them.
    """
    height, width = size
    with _chance(seed):
        maps, scores = nn.Conv2d(3, 4, 3), nn.Linear(4 * (height - 2) * (width - 2), classes)
    return nn.Sequential(maps, nn.Tanh(), nn.Flatten(), scores).eval().requires_grad_(False)


def oblong(seed: int = 0, size: tuple[int, int] = SIZE, count: int = 1) -> torch.Tensor:
    """Return random pictures (count, 3, H, W) with pixels in [0.05, 0.95], by default oblong."""
    rng = torch.Generator().manual_seed(seed)
    return 0.05 + 0.9 * torch.rand(count, 3, *size, generator=rng)


def numbers(value: Any) -> np.ndarray:
    """Return a tensor, array, number, truth value, or lists of these, as a new float64 array.

    Raises TypeError for what holds no real numbers, or lists whose parts differ in shape.
    """
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            raise TypeError("complex numbers, expected real ones")
        return value.detach().cpu().to(torch.float64, copy=True).numpy()
    if isinstance(value, list | tuple):
        parts = [numbers(part) for part in value]
        if len({part.shape for part in parts}) > 1:
            raise TypeError(f"a {type(value).__name__} whose parts differ in shape")
        return np.stack(parts) if parts else np.zeros(0)
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a value of type {type(value).__name__}, expected numbers")
    return array.astype(np.float64)


def check(
    answer: Callable[..., Any],
    reference: Callable[..., Any],
    cases: Iterable[Case],
    tolerance: float = 1e-4,
    gradient: str = "",
    changes: str = "",
) -> None:
    """Compare an answer with a reference in every case; raise AssertionError, in plain words.

    A case is a tuple of arguments, or a dict of them by name; drawn lazily, it follows from a fixed
    seed. Both functions get copies and the same random state. Numbers may differ by ``tolerance``
    of the largest expected one; whole numbers and truth values may not. ``gradient`` and
    ``changes`` name arguments, several with a space between them: those that must receive the
    reference's gradient from what is returned, and those that the answer may change; all others,
    and a network's parameters, gradients, mode and hooks, must stay as they were. What the answer
    itself raises gets through, with a note that names the case.
    """
    with _chance(0):
        drawn = list(cases)
    if not drawn:
        raise ValueError("expected at least one case")
    for number, case in enumerate(drawn, 1):
        named = _named(case, reference, answer)
        if unknown := {*gradient.split(), *changes.split()} - set(named):
            raise ValueError(f"no arguments {sorted(unknown)}: expected among {list(named)}")
        told = ", ".join(f"{name} {_brief(value)}" for name, value in named.items())
        place = f"case {number} of {len(drawn)} ({told})"
        expected, slopes = _run(reference, case, named, gradient, changes, number)
        try:
            found, ours = _run(answer, case, named, gradient, changes, number, watched=True)
        except Exception as error:
            error.add_note(f"This happened in {place}.")
            raise
        if wrong := _difference(found, expected, tolerance):
            raise AssertionError(f"In {place} the answer {wrong}.")
        for name, theirs in slopes.items():
            if wrong := _difference(ours[name], theirs, tolerance):
                raise AssertionError(f"In {place}: the gradient that reaches {name} {wrong}.")


def _named(case: Case, *functions: Callable[..., Any]) -> dict[str, Any]:
    """Return a case's arguments by name, as the function calls them that has most names."""
    if isinstance(case, Mapping):
        return dict(case)
    best: list[str] = []
    for function in functions:
        with suppress(TypeError, ValueError):  # a built-in function
            found = signature(function).parameters.values()
            names = [p.name for p in found if p.kind in POSITIONAL][: len(case)]
            best = max(best, names, key=len)
    best += [f"argument {i + 1}" for i in range(len(best), len(case))]
    return dict(zip(best, case, strict=True))


def _brief(value: Any) -> str:
    if isinstance(value, torch.Tensor | np.ndarray):
        return f"of shape {tuple(value.shape)}"
    plain = isinstance(value, int | float | str | list | tuple | dict | np.generic | None)
    text = repr(value) if plain else type(value).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."


def _run(
    function: Callable[..., Any],
    case: Case,
    named: Mapping[str, Any],
    gradient: str,
    changes: str,
    seed: int,
    watched: bool = False,
) -> tuple[Any, dict[str, Any]]:
    """Return what a function makes of copies, and its gradients by the arguments in ``gradient``.

    ``watched``: raise AssertionError where it changes what it may not.
    """
    copies = deepcopy(dict(named))
    leaves = {name: _leaves(name, copies[name]) for name in gradient.split()}
    fixed = {name: value for name, value in copies.items() if name not in changes.split()}
    before = _facts(fixed, "")
    with _chance(seed), torch.enable_grad():
        given = copies if isinstance(case, Mapping) else {}
        result = function(**given) if given else function(*copies.values())
    if watched and (changed := _changed(before, _facts(fixed, ""))):
        raise AssertionError(f"The answer changes {changed}: it must work on a copy of its own.")
    return result, _gradients(result, leaves, watched)


def _leaves(name: str, value: Any) -> list[torch.Tensor]:
    """Return the tensors of an argument that a gradient can reach, and let it."""
    if isinstance(value, nn.Module):
        return list(value.requires_grad_().parameters())
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return [value.requires_grad_()]
    raise ValueError(f"a gradient by {name}: expected floating tensor or network, got {value!r}")


def _facts(value: Any, name: str) -> dict[str, Any]:
    """Return what must stay in an argument, by the words for it."""
    found: dict[str, Any] = {}
    if isinstance(value, nn.Module):
        for part, module in value.named_modules(prefix=name):
            found[f"the training mode of {part}"] = module.training
            hooks = (v for k, v in vars(module).items() if k.endswith("_hooks"))
            found[f"the hooks of {part}"] = sum(map(len, hooks))
        inside = [*value.named_parameters(prefix=name), *value.named_buffers(prefix=name)]
        for part, tensor in inside:
            found |= _facts(tensor, part)
    elif isinstance(value, torch.Tensor):
        found[f"its input {name}"] = numbers(value)
        found[f"requires_grad of {name}"] = value.requires_grad
        found[f"the gradient of {name}"] = None if value.grad is None else numbers(value.grad)
    elif isinstance(value, Mapping):
        found[f"the keys of {name}"] = list(value)
        for key, part in value.items():
            found |= _facts(part, f"{name}[{key!r}]" if name else str(key))
    elif isinstance(value, list | tuple):
        found[f"the length of {name}"] = len(value)
        for i, part in enumerate(value):
            found |= _facts(part, f"{name}[{i}]")
    elif isinstance(value, np.ndarray):
        found[f"its input {name}"] = value.copy()
    elif isinstance(value, int | float | str | None):
        found[f"its input {name}"] = value
    return found


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the words for the first thing that is another afterwards, or nothing."""
    for words in [*before, *after]:
        if words not in before or words not in after:
            return words
        old, new = before[words], after[words]
        if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
            same = np.array_equal(old, new, equal_nan=old.dtype.kind == "f")
        else:
            same = type(old) is type(new) and old == new
        if not same:
            return words
    return ""


def _gradients(
    result: Any, leaves: Mapping[str, list[torch.Tensor]], watched: bool
) -> dict[str, Any]:
    """Return the gradients of a sum of all that is returned, randomly weighted, by name.

    Weights follow the flat order of the numbers, however they are split into tensors.
    """
    if not leaves:
        return {}
    rng, total = np.random.default_rng(0), torch.zeros((), dtype=torch.float64)
    for tensor in _tensors(result):
        weights = 0.5 + rng.random(tuple(tensor.shape))
        if tensor.requires_grad:
            total = total + (tensor.double() * torch.from_numpy(np.asarray(weights))).sum()
    found = {}
    for name, parts in leaves.items():
        slopes: Sequence[torch.Tensor | None] = [None]
        if total.requires_grad:
            slopes = torch.autograd.grad(total, parts, retain_graph=True, allow_unused=True)
        if all(slope is None for slope in slopes):
            whose = "from what the answer returns" if watched else "from the reference"
            raise AssertionError(
                f"No gradient reaches {name} {whose}: something is detached, turned into NumPy or "
                "into a plain number, or does not depend on it."
            )
        pairs = zip(slopes, parts, strict=True)
        each = [torch.zeros_like(part) if slope is None else slope for slope, part in pairs]
        found[name] = each[0] if len(each) == 1 else torch.cat([slope.flatten() for slope in each])
    return found


def _tensors(result: Any) -> Iterator[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, Mapping):
        for _, part in sorted(result.items()):
            yield from _tensors(part)
    elif isinstance(result, list | tuple):
        for part in result:
            yield from _tensors(part)
    elif isinstance(result, int | float | np.ndarray | np.generic):
        yield torch.as_tensor(result)


def _difference(found: Any, expected: Any, tolerance: float, part: str = "") -> str:
    """Return in words how a result differs from the expected one, or nothing."""
    if found is None:
        return f"returns None{part}: is a return missing?"
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping) or set(found) != set(expected):
            keys = list(found) if isinstance(found, Mapping) else type(found).__name__
            return f"returned {keys}{part}, expected a dict with the keys {list(expected)}"
        steps = ((found[k], v, f" under the key {k!r}{part}") for k, v in expected.items())
        return next(filter(None, (_difference(a, b, tolerance, p) for a, b, p in steps)), "")
    if isinstance(expected, tuple) or _ragged(expected):
        if not isinstance(found, list | tuple) and not getattr(found, "ndim", 0):
            return f"returned a {type(found).__name__}{part}, expected {len(expected)} values"
        if len(found) != len(expected):
            return f"returned {len(found)} values{part}, expected {len(expected)}"
        pairs = enumerate(zip(found, expected, strict=True), 1)
        steps = ((a, b, f" in value {i} of {len(expected)}{part}") for i, (a, b) in pairs)
        return next(filter(None, (_difference(a, b, tolerance, p) for a, b, p in steps)), "")
    try:
        return _distance(numbers(found), expected, tolerance, part)
    except TypeError as error:
        return f"returned {error}{part}"


def _ragged(value: Any) -> bool:
    """Return whether a list holds what makes no array, so that its parts are compared."""
    try:
        return isinstance(value, list) and numbers(value) is None
    except TypeError:
        return True


def _kind(value: Any) -> str:
    """Return ``f`` for floating numbers, ``b`` for truth values, ``i`` for other whole numbers."""
    if isinstance(value, list):
        kinds = set(map(_kind, value))
        return kinds.pop() if len(kinds) == 1 else "f"
    if isinstance(value, torch.Tensor):
        return "f" if value.is_floating_point() else "b" if value.dtype == torch.bool else "i"
    return np.asarray(value).dtype.kind.replace("u", "i")


def _distance(found: np.ndarray, expected: Any, tolerance: float, part: str) -> str:
    """Return in words how numbers differ from the expected ones, or nothing."""
    known = numbers(expected)
    if known.ndim == 0 and found.size == 1:
        found = found.reshape(())
    if found.shape != known.shape:
        return f"returned shape {found.shape}{part}, expected {known.shape}"
    if not known.size:
        return ""
    same = (found == known) | (np.isnan(found) & np.isnan(known))
    with np.errstate(invalid="ignore"):
        gaps = np.where(same, 0.0, np.abs(found - known))
    gaps[np.isnan(gaps)] = np.inf
    scale = float(np.abs(known[np.isfinite(known)]).max(initial=FLOOR))
    if gaps.max() <= (tolerance * scale if _kind(expected) == "f" else 0):
        return ""
    worst = np.unravel_index(int(gaps.argmax()), gaps.shape)
    kind, pair = _kind(expected), (float(found[worst]), float(known[worst]))
    truth = kind == "b" and set(pair) <= {0, 1}
    told = [str(bool(v)) if truth else f"{v:.15g}" if kind == "i" else f"{v:.6g}" for v in pair]
    values = " instead of ".join(told)
    if not worst:
        return f"is {values}{part}"
    there = tuple(map(int, worst))
    if truth or np.isinf(gaps.max()):
        return f"has {values} at {there}{part}"
    return f"differs by up to {gaps.max():.3g} at {there}{part}: {values}"
