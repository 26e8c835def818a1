"""The tests below exercises: what students often write instead of the answer must not pass."""

import re

import nbformat
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from practicals import paths, stats
from practicals.classvis import ascent, study
from practicals.gan import scores
from practicals.networks import backbones
from practicals.transfer import classifiers

BLOCK = re.compile(r"( *)### BEGIN SOLUTION\n(.*?) *### END SOLUTION\n", re.S)


def graded(stem):
    """Return each exercise's function, as source, and the source of its test, in order."""
    nb = nbformat.read(paths.notebooks_dir() / f"{stem}.ipynb", as_version=4)
    marks = [(c.metadata.get("nbgrader", {}).get("grade_id", ""), c.source) for c in nb.cells]
    tests = {name.removeprefix("test-"): text for name, text in marks if name.startswith("test-")}
    answers = {}
    for name, text in marks:
        if name in tests:
            start = text.index("\ndef ") + 1 if not text.startswith("def ") else 0
            imports = "\n".join(line for line in text.splitlines() if line.startswith("from "))
            end = text.index("### END SOLUTION")
            answers[name] = f"{imports}\n{text[start:end]}### END SOLUTION\n"
    return {name: (answers[name], tests[name]) for name in answers}


def passes(exercises, name, change):
    """Return whether the test of ``name`` accepts the answer after ``change``; others are right."""
    space = {"torch": torch, "nn": nn, "F": F, "ascent": ascent, "study": study}
    space |= {"np": np, "scores": scores, "stats": stats}
    space |= {"backbones": backbones, "classifiers": classifiers}
    for other, (answer, test) in exercises.items():
        exec(change(answer) if other == name else answer, space)
        try:
            exec(test, space)
        except Exception:
            if other != name:
                raise
            return False
        if other == name:
            return True
    raise AssertionError(f"no exercise {name}")


WRONG = {
    "2-saliency": {
        "gradient-by-hand": [
            (".abs().amax(0)", ".amax(0).abs()"),
            (".abs().amax(0)", ".abs().mean(0)"),
            (".amax(0)", ".amax(0).flip(1)"),
            ("net(pixels)[0", "net(pixels).softmax(1)[0"),
        ],
        "insertion-by-hand": [
            ("descending=True", "descending=False"),
            ("picture, baseline)", "baseline, picture)"),
            ("(j + 0.5)", "j"),
            (".softmax(1)", ""),
        ],
        "smoothgrad-by-hand": [
            ("sigma * width", "sigma"),
            ("total / samples", "total"),
            ("total += pixels.grad", "total += pixels.grad.abs()"),
        ],
        "integrated-by-hand": [
            ("picture * total", "total"),
            ("/ steps)[0]", ")[0]"),
            (".sum(0)", ".abs().sum(0)"),
        ],
        "grad-cam-by-hand": [
            (".relu()", ""),
            (".mean((2, 3)", ".sum((2, 3)"),
            ("(weights * layer)", "(layer.grad * layer)"),
        ],
    },
    "3-adversarial": {
        "fooling-by-hand": [
            ("step * slope / slope.norm()", "step * slope"),
            ("(changed + step", "(changed - step"),
            ("slope / slope.norm()", "slope.sign()"),
            (".clamp(0, 1)", ""),
            ("return changed, done", "return changed, done + 1"),
        ],
        "fgsm-by-hand": [
            ("pixels.grad.sign()", "pixels.grad / pixels.grad.norm()"),
            ("picture + eps", "picture - eps"),
            (".clamp(0, 1)", ""),
            ("F.cross_entropy(net(pixels), label)", "-net(pixels)[0, label].sum()"),
        ],
        "projection-by-hand": [
            (".flatten(1).norm(dim=1).view(-1, 1, 1, 1)", ".norm()"),
            (".clamp(max=1)", ""),
            (".clamp(-eps, eps)", ".clamp(-eps / 2, eps / 2)"),
            ("(pictures + difference).clamp(0, 1)", "pictures + difference"),
        ],
        "evolution-by-hand": [
            ("a + 0.5 * (b - c)", "a + 0.5 * (b + c)"),
            ("a + 0.5 * (b - c)", "a + (b - c)"),
            ("others = others + (others >= i)  # step over the place itself\n", "pass\n"),
            ("found < worth", "found > worth"),
            ("torch.where(better, found, worth)", "found"),
        ],
        "pasting-by-hand": [
            ("torch.where(inside, sticker, window)", "sticker"),
            ("top : top + side, left : left + side", "left : left + side, top : top + side"),
            (
                "torch.where(inside, sticker, window)",
                "torch.where(inside, sticker.flip(2), window)",
            ),
        ],
    },
}
WRONG["4-class-visualization"] = {
    "ascent-step-by-hand": [
        ("z + length", "z - length"),
        ("score - weight", "score + weight"),
        (" / z.grad.norm()", ""),
        ("net(unstandardised(z))", "net(z)"),
        ("(z**2).sum()", "(z**2).mean()"),
    ],
    "jitter-by-hand": [
        ("height - down:, :]", "down:, :]"),
        ("], -1)", "], -2)"),
        ("down % height, right % width", "right % height, down % width"),
    ],
    "waves-by-hand": [
        ("(k * y + l * x)", "(l * y + k * x)"),
        ("- b *", "+ b *"),
        ("plane += 2 *", "plane += 1 *"),
        ("** 0.5)", ")"),
    ],
}
WRONG["6-gan"] = {
    "frechet-by-hand": [
        ("gap @ gap", "np.abs(gap).sum()"),
        ("- 2 * roots.sum()", "- roots.sum()"),
        ("half @ cov_b @ half", "cov_a + cov_b"),
        ("np.sqrt(values.clip(0))", "np.sqrt(values)"),
        ("half @ cov_b @ half).clip(0)", "half @ cov_b @ half)"),
    ],
    "losses-by-hand": [
        ("softplus(-real)", "softplus(real)"),
        ("F.softplus(-fake).mean(), -F", "F.softplus(fake).mean(), -F"),
        (", -F.softplus(fake)", ", F.softplus(fake)"),
        (".mean() + F", ".sum() + F"),
    ],
}
WRONG["1-transfer-learning"] = {
    "parameters-by-hand": [
        ("9 * before * after + after", "9 * before * after"),
        ("9 * before * after + after", "3 * before * after + after"),
        ("widths[-1] * side * side", "widths[-1] * side"),
        ("        before = after\n    return", "    return"),
        ("+= before * after + after\n        before", "+= before * after\n        before"),
    ],
    "convolution-by-hand": [
        ("weight[:, :, u, v]", "weight[:, :, 2 - u, 2 - v]"),
        ("weight[:, :, u, v]", "weight[:, :, v, u]"),
        ("bias[:, None, None]", "0 * bias[:, None, None]"),
        ("(1, 1, 1, 1))", "(1, 1, 1, 1), value=1.0)"),
        ("(1, 1, 1, 1))", "(0, 2, 0, 2))"),
        (
            '"kc,chw->khw", weight[:, :, u, v], window',
            '"kc,chw->khw", weight[:, :, u, v], window[:1].expand_as(window)',
        ),
    ],
    "average-by-hand": [
        ("/ (height * width)", "/ height"),
        ("/ (height * width)", ""),
        ("total += maps[:, :, i, j]", "total = torch.maximum(total, maps[:, :, i, j])"),
        ("total += maps[:, :, i, j]", "total += maps[:, :, i, j].relu()"),
    ],
    "unit-length-by-hand": [
        ("np.sqrt((X[i] ** 2).sum())", "np.abs(X[i]).sum()"),
        ("np.sqrt((X[i] ** 2).sum())", "(X[i] ** 2).sum()"),
        ("np.sqrt((X[i] ** 2).sum())", "np.sqrt((X**2).sum())"),
        ("if length > 0", "if True"),
        ("X = X.copy()", "pass"),
    ],
    "svm-by-hand": [
        ("cross_val_score(model, X, y, cv=5).mean()", "model.fit(X, y).score(X, y)"),
        ("np.argmax", "np.argmin"),
        (
            "LinearSVC(C=best, random_state=0).fit(X, y), best",
            "LinearSVC(random_state=0).fit(X, y), best",
        ),
        ("    return LinearSVC(C=best", "    best = max(Cs)\n    return LinearSVC(C=best"),
    ],
    "mcnemar-by-hand": [
        ("2 * tail", "tail"),
        ("min(1.0, 2 * tail / 2 ** (b + c))", "2 * tail / 2 ** (b + c)"),
        ("min(b, c) + 1", "min(b, c)"),
        ("2 ** (b + c)", "2 ** len(first_right)"),
        ("(~first_right & second_right)", "(~first_right & ~second_right)"),
    ],
}
WRONG["5-domain-adaptation"] = {
    "picture-by-hand": [
        ("digit > 0", "digit > 127"),
        ("digit > 0", "digit >= 0"),
        ("patch.copy()", "patch"),
        ("255 - patch[ink]", "digit[ink][:, None] - patch[ink]"),
    ],
    "reversal-by-hand": [
        ("-lam * slope", "lam * slope"),
        ("-lam * slope", "-slope"),
        ("y = x.view_as(x)", "y = x"),
    ],
    "step-by-hand": [
        ("reversed_gradient(features, lam)", "features"),
        ("sgd.zero_grad()", "pass"),
        ("(label_loss + domain_loss)", "label_loss"),
        ("features[: len(source)]", "features[len(source) :]"),
        (
            "torch.zeros(len(source)), torch.ones(len(target))",
            "torch.ones(len(source)), torch.zeros(len(target))",
        ),
    ],
    "filter-by-hand": [
        (">= threshold", "> threshold"),
        ("answers[index]", "answers[: len(index)]"),
        ("1 / counts[labels]", "counts[labels].float()"),
        ("weights / weights.sum()", "weights"),
    ],
}
CASES = [
    pytest.param(stem, name, old, new, id=f"{name}: {old[:24]} > {new[:24]}")
    for stem, by_name in WRONG.items()
    for name, changes in by_name.items()
    for old, new in changes
]


@pytest.fixture(scope="module")
def exercises():
    return {stem: graded(stem) for stem in WRONG}


@pytest.mark.parametrize("stem", WRONG)
def test_the_answers_pass(exercises, stem):
    # Chapter 6's later exercises need networks that its notebook trains: make student-check.
    whole = stem != "6-gan"
    assert set(WRONG[stem]) == set(exercises[stem]) if whole else set(WRONG[stem])
    for name in WRONG[stem]:
        assert passes(exercises[stem], name, lambda answer: answer), name


@pytest.mark.parametrize(("stem", "name", "old", "new"), CASES)
def test_a_wrong_answer_is_refused(exercises, stem, name, old, new):
    answer = exercises[stem][name][0]
    solution = BLOCK.search(answer)[2]
    assert old in solution, "the answer has changed: change the mistakes with it"
    wrong = answer.replace(solution, solution.replace(old, new))
    assert not passes(exercises[stem], name, lambda _: wrong)
