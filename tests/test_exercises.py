"""The tests below exercises: what students often write instead of the answer must not pass.

Another way to the right result must. Both are texts to be replaced in the notebook's own answer.
"""

import re
from copy import deepcopy
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from practicals import exercises as harness
from practicals import paths, stats
from practicals.classvis import ascent, study
from practicals.gan import recipes, scores, training
from practicals.networks import backbones
from practicals.saliency import faithfulness, maps, rise
from practicals.transfer import classifiers

BLOCK = re.compile(r"( *)### BEGIN SOLUTION\n(.*?) *### END SOLUTION\n", re.S)
SMALL = recipes.changed(
    recipes.default(16, 20, 10, 8),
    {"generator_width": 4, "discriminator_width": 4},
    exact=True,
)
PAIR = training.Gan(recipes.changed(SMALL, {"condition": "both"}), seed=0)
ALWAYS = {"torch": torch, "np": np, "nn": nn, "F": F}
GIVEN = {
    "1-transfer-learning": {"stats": stats, "backbones": backbones, "classifiers": classifiers},
    "2-saliency": {
        "exercises": harness,
        "deepcopy": deepcopy,
        "rise": rise,
        "maps": maps,
        "faithfulness": faithfulness,
    },
    "3-adversarial": {},
    "4-class-visualization": {"ascent": ascent, "study": study},
    "5-domain-adaptation": {},
    "6-gan": {"scores": scores, "small": SMALL, "pair": PAIR, "budget": SimpleNamespace(z=20)},
}
"""What the cells above the exercises have made, by notebook; only those named here are tried."""

WRONG = {}
"""Wrong answers by notebook and exercise: pairs of an old text and a new one, in a row."""
RIGHT = {}
"""Right answers that are not the notebook's, likewise."""

WRONG["1-transfer-learning"] = {
    "parameters-by-hand": [
        ("9 * before * after + after", "9 * before * after"),
        ("9 * before * after + after", "3 * before * after + after"),
        ("widths[-1] * side * side", "widths[-1] * side"),
        ("        before = after\n    return", "    return"),
        ("+= before * after + after\n        before", "+= before * after\n        before"),
        ("for after in units:", "while units:\n        after = units.pop(0)"),
        ("for after in units:", "for after in sorted(units):"),
    ],
    "convolution-by-hand": [
        ("weight[:, :, u, v]", "weight[:, :, 2 - u, 2 - v]"),
        ("weight[:, :, u, v]", "weight[:, :, v, u]"),
        ("bias[:, None, None]", "0 * bias[:, None, None]"),
        ("(1, 1, 1, 1))", "(1, 1, 1, 1), value=1.0)"),
        ("(1, 1, 1, 1))", "(0, 2, 0, 2))"),
        ("weight[:, :, u, v], window", "weight[:, :, u, v], window[:1].expand_as(window)"),
        ("bias[:, None, None].expand(", "bias[:4, None, None].expand("),
        ("padded = F.pad(picture, (1, 1, 1, 1))", "padded = F.pad(picture.zero_(), (1, 1, 1, 1))"),
    ],
    "average-by-hand": [
        ("/ (height * width)", "/ height"),
        ("/ (height * width)", ""),
        ("/ (height * width)", "/ 28"),
        ("total += maps[:, :, i, j]", "total = torch.maximum(total, maps[:, :, i, j])"),
        ("total += maps[:, :, i, j]", "total += maps[:, :, i, j].relu()"),
        ("total += maps[:, :, i, j]", "total += maps[:, :, i, j]; maps[:, :, i, j] = 0"),
        ("range(height)", "range(4)"),
    ],
    "unit-length-by-hand": [
        ("np.sqrt((X[i] ** 2).sum())", "np.abs(X[i]).sum()"),
        ("np.sqrt((X[i] ** 2).sum())", "(X[i] ** 2).sum()"),
        ("np.sqrt((X[i] ** 2).sum())", "np.sqrt((X**2).sum())"),
        ("range(len(X))", "range(5)"),
        ("if length > 0", "if True"),
        ("X = X.copy()", "pass"),
    ],
    "svm-by-hand": [
        ("cross_val_score(model, X, y, cv=5).mean()", "model.fit(X, y).score(X, y)"),
        ("np.argmax", "np.argmin"),
        ("return LinearSVC(C=best, random", "return LinearSVC(random"),
        ("    return LinearSVC(C=best", "    best = max(Cs)\n    return LinearSVC(C=best"),
        ("    return LinearSVC(C=best", "    best = 3.0\n    return LinearSVC(C=best"),
        (".fit(X, y), best", ".fit(X[::2], y[::2]), best"),
        ("Cs[int(np.argmax(found))]", "int(np.argmax(found))"),
    ],
    "mcnemar-by-hand": [
        ("2 * tail", "tail"),
        ("min(1.0, 2 * tail / 2 ** (b + c))", "2 * tail / 2 ** (b + c)"),
        ("min(b, c) + 1", "min(b, c)"),
        ("2 ** (b + c)", "2 ** len(first_right)"),
        ("(~first_right & second_right)", "(~first_right & ~second_right)"),
        ("tail = 0", "first_right[:] = False; tail = 0"),
    ],
}
RIGHT["1-transfer-learning"] = {
    "parameters-by-hand": [
        ("9 * before * after + after", "(9 * before + 1) * after"),
        ("return convolutions, connected", "return torch.tensor([convolutions, connected])"),
        ("return convolutions, connected", "return [float(convolutions), np.int64(connected)]"),
    ],
    "convolution-by-hand": [
        ("for u in range(3)", "for u in (2, 0, 1)"),
        (
            "F.pad(picture, (1, 1, 1, 1))",
            "F.pad(picture, (1, 1, 1, 1)).double()",
            "weight[:, :, u, v], window",
            "weight[:, :, u, v].double(), window",
        ),
        (
            "height, width =",
            "return F.conv2d(picture[None], weight, bias, padding='same')[0]; h, w =",
        ),
    ],
    "average-by-hand": [
        ("total = torch.zeros(count, channels)", "total = 0"),
        ("return total / (height * width)", "return maps.double().mean((2, 3))"),
        ("return total / (height * width)", "return maps.numpy().mean((2, 3))"),
    ],
    "unit-length-by-hand": [
        ("X = X.copy()", "return X / np.maximum(np.linalg.norm(X, axis=1)[:, None], 1e-9)"),
        ("X = X.copy()", "X = X.astype(np.float32)"),
        ("X = X.copy()", "return F.normalize(torch.from_numpy(X))"),
    ],
    "svm-by-hand": [
        ("cv=5", "cv=4"),
        ("cv=5", "cv=__import__('sklearn.model_selection').model_selection.KFold(5, shuffle=True)"),
        ("random_state=0).fit(X, y), best", "random_state=7).fit(X, y), np.float64(best)"),
    ],
    "mcnemar-by-hand": [
        ("comb(b + c, k)", "comb(b + c, b + c - k)"),
        ("tail = 0", "return stats.scipy_stats.binomtest(b, b + c).pvalue if b + c else 1"),
        ("return min(", "return torch.tensor(2 * tail / 2 ** (b + c)).clamp(max=1) if b else min("),
    ],
}
WRONG["2-saliency"] = {
    "gradient-by-hand": [
        (".abs().amax(0)", ".amax(0).abs()"),
        (".abs().amax(0)", ".abs().mean(0)"),
        (".amax(0)", ".amax(0).flip(1)"),
        ("net(pixels)[0", "net(pixels).softmax(1)[0"),
        ("[0, label]", "[0, 1]"),
        ("picture.clone().requires_grad_()", "picture.requires_grad_()"),
    ],
    "smoothgrad-by-hand": [
        ("sigma * width", "sigma"),
        ("total / copies", "total"),
        ("total += pixels.grad", "total += pixels.grad.abs()"),
        ("(total / copies)[0].abs().amax(0)", "(total / copies)[0].abs().sum(0)"),
        ("sigma * width", "0.15 * width"),
        ("range(copies)", "range(3)"),
        ("torch.randn_like(picture)", "torch.rand_like(picture)"),
    ],
    "integrated-by-hand": [
        ("picture * total", "total"),
        ("/ steps)[0]", ")[0]"),
        (".sum(0)", ".abs().sum(0)"),
        ("(j + 0.5) / steps", "j / steps"),
        ("range(steps)", "range(5)"),
        ("(picture * total / steps)", "(picture.mul_(total) / steps)"),
    ],
    "grad-cam-by-hand": [
        (".relu()", ""),
        (".mean((2, 3)", ".sum((2, 3)"),
        ("(weights * layer)", "(layer.grad * layer)"),
        ('mode="bilinear")[0, 0]', 'mode="nearest")[0, 0]'),
        ("[0, label]", "[0].max()"),
        (".sum(1, keepdim=True).relu()", ".relu().sum(1, keepdim=True)"),
    ],
    "shuffle-by-hand": [
        ("deepcopy(net)", "net"),
        ("torch.randperm(last.weight.numel())", "torch.arange(last.weight.numel())"),
        ("[-1]\n", "[0]\n"),
        (
            "last.weight.data.flatten()[order].view(last.weight.shape)",
            "torch.randn_like(last.weight)",
        ),
        (
            "flatten()[order].view(last.weight.shape)",
            "flatten()[order].view(last.weight.shape) * 2",
        ),
        ("return other", "return net"),
    ],
    "rise-by-hand": [
        (".softmax(1)", ""),
        ("mask * picture + (1 - mask) * grey", "mask * picture"),
        ("(0.5 * len(masks))", "len(masks)"),
        ("(0.5 * len(masks))", "(0.5 * 5)"),
        ("* mask[0]", "* (1 - mask[0])"),
        ("mask * picture + (1 - mask) * grey", "picture.mul_(mask) + (1 - mask) * grey"),
    ],
    "insertion-by-hand": [
        ("descending=True", "descending=False"),
        ("picture, blank)", "blank, picture)"),
        ("(j + 0.5)", "j"),
        (".softmax(1)", ""),
        ("heat.flatten()", "heat.abs().flatten()"),
        ("range(k)", "range(3)"),
    ],
}
RIGHT["2-saliency"] = {
    "gradient-by-hand": [
        (".abs().amax(0)", ".abs().max(dim=0).values.numpy()"),
        (
            "net(pixels)[0, label].backward()",
            "(2 * net(pixels)).sum(0)[label].backward()",
            "pixels.grad[0]",
            "(pixels.grad[0] / 2)",
        ),
    ],
    "smoothgrad-by-hand": [
        ("total += pixels.grad", "total += pixels.grad / copies", "(total / copies)", "total"),
        ("torch.randn_like(picture)", "torch.randn(picture.shape, dtype=torch.float64).float()"),
    ],
    "integrated-by-hand": [
        ("range(steps)", "reversed(range(steps))"),
        (
            "(picture * total / steps)[0].sum(0)",
            "(picture.double() * total.double()).mean((0, 1)).numpy() * 3 / steps",
        ),
    ],
    "grad-cam-by-hand": [
        (".mean((2, 3), keepdim=True)", ".flatten(2).mean(2)[:, :, None, None]"),
        (
            ".sum(1, keepdim=True).relu().detach()",
            ".sum(1, keepdim=True).detach().clamp(min=0).double()",
        ),
    ],
    "shuffle-by-hand": [
        (
            "torch.randperm(last.weight.numel())",
            "torch.from_numpy(np.random.permutation(last.weight.numel()))",
        ),
        (
            "last.weight.data = last.weight.data.flatten()[order].view(last.weight.shape)",
            "last.weight.data.copy_(last.weight.data.flatten()[order].view(last.weight.shape))",
        ),
    ],
    "rise-by-hand": [
        ("mask * picture + (1 - mask) * grey", "grey + mask * (picture - grey)"),
        ("for mask in masks:", "for mask in masks.flip(0):"),
    ],
    "insertion-by-hand": [
        ("return found", "return np.array(found)"),
        ("heat.flatten().argsort(descending=True)", "(-heat).flatten().argsort()"),
    ],
}
WRONG["3-adversarial"] = {
    "fooling-by-hand": [
        ("step * slope / slope.norm()", "step * slope"),
        ("(changed + step", "(changed - step"),
        ("(changed + step", "(changed + 0.3"),
        ("slope / slope.norm()", "slope.sign()"),
        (".clamp(0, 1)", ""),
        (".clamp(0, 1)", "", "return changed,", "return changed.clamp(0, 1),"),
        ("return changed, done", "return changed, done + 1"),
        ("range(most)", "range(100)"),
        ("range(most)", "range(8)"),
        ("changed = picture.clone()", "changed = picture.clone(); net.train()"),
        ("scores = net(pixels)[0]", "scores = net(pixels)[0]; picture.zero_()"),
    ],
    "fgsm-by-hand": [
        ("pixels.grad.sign()", "pixels.grad / pixels.grad.norm()"),
        ("picture + eps", "picture - eps"),
        ("eps *", "0.01 *"),
        (".clamp(0, 1)", ""),
        ("F.cross_entropy(net(pixels), label)", "(-net(pixels)[0, label].sum())"),
        ("picture.clone()", "picture"),
        ("net(pixels), label", "net(pixels), label - label"),
    ],
    "projection-by-hand": [
        (".flatten(1).norm(dim=1).view(-1, 1, 1, 1)", ".norm()"),
        (".clamp(max=1)", ""),
        (".clamp(-eps, eps)", ".clamp(-eps / 2, eps / 2)"),
        ("(pictures + difference).clamp(0, 1)", "pictures + difference"),
        ("difference * (eps / length).clamp(max=1)", "difference / length * length.clamp(max=eps)"),
        ("difference = changed - pictures", "difference = changed.sub_(pictures)"),
        ('norm == "linf"', "True"),
    ],
    "evolution-by-hand": [
        ("a + 0.5 * (b - c)", "a + 0.5 * (b + c)"),
        ("a + 0.5 * (b - c)", "a + (b - c)"),
        ("a + 0.5 * (b - c)", "torch.cat([(a + 0.5 * (b - c))[:2], parents[i, 2:]])"),
        ("others = others + (others >= i)  # step over the place itself\n", "pass\n"),
        ("torch.randperm(len(parents) - 1, generator=rng)[:3]", "torch.arange(3)"),
        ("torch.randperm(len(parents) - 1, generator=rng)[:3]", "torch.randint(4, (3,))"),
        ("torch.randperm(len(parents) - 1,", "torch.randperm(4,"),
        ("found < worth", "found > worth"),
        ("torch.where(better, found, worth)", "found"),
        ("children = parents.clone()", "children = parents"),
        ("found = ask(children)", "found = torch.cat([ask(child[None]) for child in children])"),
    ],
    "pasting-by-hand": [
        ("torch.where(inside, sticker, window)", "sticker"),
        ("top : top + side, left : left + side", "left : left + side, top : top + side"),
        ("(inside, sticker, window)", "(inside, sticker.flip(2), window)"),
        ("picture.clone()", "picture"),
        ("(torch.arange(side) + 0.5) / side", "torch.arange(side) / side"),
        ("side = sticker.shape[-1]", "side = 20"),
    ],
}
RIGHT["3-adversarial"] = {
    "fooling-by-hand": [
        (
            "scores[target].backward()\n        slope = pixels.grad",
            "slope = torch.autograd.grad(scores[target], pixels)[0]",
        ),
        ("slope / slope.norm()", "slope / (slope.double() ** 2).sum().sqrt()"),
        ("return changed, done", "return changed.numpy(), torch.tensor([done])"),
    ],
    "fgsm-by-hand": [
        ("F.cross_entropy(net(pixels), label)", "(-net(pixels).log_softmax(1)[0, label])"),
        ("net(pixels), label", "net(pixels).double(), label"),
        (".clamp(0, 1)", ".numpy().clip(0, 1)"),
    ],
    "projection-by-hand": [
        ("(eps / length).clamp(max=1)", "torch.where(length > eps, eps / length, 1.0)"),
        ("difference = changed - pictures", "difference = changed.double() - pictures"),
        ("(pictures + difference).clamp(0, 1)", "np.clip((pictures + difference).numpy(), 0, 1)"),
    ],
    "evolution-by-hand": [
        ("a + 0.5 * (b - c)", "a + (b - c) / 2"),
        ("torch.where(better, found, worth)", "torch.minimum(found, worth)"),
        (
            "torch.randperm(len(parents) - 1, generator=rng)[:3]",
            "torch.from_numpy(np.random.choice(len(parents) - 1, 3, replace=False))",
        ),
    ],
    "pasting-by-hand": [
        ("at[:, None] ** 2 + at[None] ** 2 <= 1", "torch.hypot(at[:, None], at[None]) < 1"),
        ("changed = picture.clone()", "changed = picture.double()"),
        ("return changed", "return changed.numpy()"),
    ],
}
WRONG["4-class-visualization"] = {
    "ascent-step-by-hand": [
        ("z + length", "z - length"),
        ("z + length", "z + 0.3"),
        ("score - weight", "score + weight"),
        ("score - weight", "score - 0.02"),
        (" / z.grad.norm()", ""),
        ("net(unstandardised(z))", "net(z)"),
        ("(z**2).sum()", "(z**2).mean()"),
        ("z = z.detach().clone().requires_grad_()", "z.requires_grad_()"),
    ],
    "jitter-by-hand": [
        ("height - down:, :]", "down:, :]"),
        ("], -1)", "], -2)"),
        ("down % height, right % width", "right % height, down % width"),
        ("down, right = down % height, right % width", "pass"),
        ("down % height, right % width", "min(down, height), min(right, width)"),
        ("height, width = x.shape[-2:]", "height, width = x.shape[-2:]; x *= 0"),
    ],
    "waves-by-hand": [
        ("(k * y + l * x)", "(l * y + k * x)"),
        ("- b *", "+ b *"),
        ("plane += 2 *", "plane += 1 *"),
        ("** 0.5)", ")"),
        ("/ side", "/ 8"),
        ("plane += ", "plane = "),
        (
            "for (k, l), (a, b) in coefficients.items()",
            "for (k, l), (a, b) in (coefficients.popitem() for _ in range(len(coefficients)))",
        ),
    ],
}
RIGHT["4-class-visualization"] = {
    "ascent-step-by-hand": [
        ("(z**2).sum()", "z.norm() ** 2"),
        ("net(unstandardised(z))[0, label]", "net(unstandardised(z)).double()[0, label]"),
        ("z.grad.norm()", "z.grad.double().square().sum().sqrt()"),
    ],
    "jitter-by-hand": [
        ("down, right = down % height, right % width", "return x.roll((down, right), (2, 3))"),
        (
            "down, right = down % height, right % width",
            "return np.roll(x.numpy(), (down, right), (-2, -1))",
        ),
        ("height, width = x.shape[-2:]", "x = x.double(); height, width = x.shape[-2:]"),
    ],
    "waves-by-hand": [
        (
            "(a * torch.cos(phase) - b * torch.sin(phase))",
            "(complex(a, b) * torch.exp(1j * phase)).real",
        ),
        ("torch.zeros(side, side)", "torch.zeros(side, side, dtype=torch.float64)"),
        ("coefficients.items()", "reversed(coefficients.items())"),
    ],
}
WRONG["5-domain-adaptation"] = {
    "picture-by-hand": [
        ("digit > 0", "digit > 127"),
        ("digit > 0", "digit >= 0"),
        ("digit > 0", "digit == 255"),
        ("patch.copy()", "patch"),
        ("255 - patch[ink]", "digit[ink][:, None] - patch[ink]"),
        ("255 - patch[ink]", "255"),
    ],
    "reversal-by-hand": [
        ("-lam * slope", "lam * slope"),
        ("-lam * slope", "-slope"),
        ("-lam * slope", "-abs(lam) * slope"),
        ("y = x.view_as(x)", "y = x"),
        ("y = x.view_as(x)", "return -lam * x"),
        ("x.view_as(x)", "x.detach().requires_grad_()"),
    ],
    "step-by-hand": [
        ("reversed_gradient(features, lam)", "features"),
        ("reversed_gradient(features, lam)", "features.detach()"),
        ("reversed_gradient(features, lam)", "reversed_gradient(features, 0.7)"),
        ("sgd.zero_grad()", "pass"),
        ("(label_loss + domain_loss)", "label_loss"),
        ("features[: len(source)]", "features[len(source) :]"),
        ("features[: len(source)]", "features[:6]"),
        (
            "torch.zeros(len(source)), torch.ones(len(target))",
            "torch.ones(len(source)), torch.zeros(len(target))",
        ),
    ],
    "filter-by-hand": [
        (">= threshold", "> threshold"),
        (">= threshold", ">= 0.75"),
        ("answers[index]", "answers[: len(index)]"),
        ("1 / counts[labels]", "counts[labels].float()"),
        ("weights / weights.sum()", "weights"),
        ("weights / weights.sum()", "weights / len(weights)"),
        ("counts = ", "p.zero_(); counts = "),
    ],
}
RIGHT["5-domain-adaptation"] = {
    "picture-by-hand": [
        ("picture = patch.copy()", "return np.where(digit[..., None] > 0, 255 - patch, patch)"),
        ("patch.copy()", "patch.astype(float)"),
        ("return picture", "return torch.from_numpy(picture)"),
    ],
    "reversal-by-hand": [
        ("y = x.view_as(x)", "return -lam * x + (1 + lam) * x.detach()"),
        ("x.view_as(x)", "x.clone()"),
        ("x.view_as(x)", "x.double()"),
    ],
    "step-by-hand": [
        (
            "(label_loss + domain_loss).backward()",
            "label_loss.backward(retain_graph=True)\n    domain_loss.backward()",
        ),
        ("return label_loss.item(), domain_loss.item()", "return label_loss, domain_loss"),
        ("sgd.zero_grad()", "net.zero_grad()"),
    ],
    "filter-by-hand": [
        (".squeeze(1)", ".squeeze(1).flip(0)"),
        ("1 / counts[labels]", "1 / counts[labels].double()"),
        ("return index, labels,", "return index.tolist(), labels.numpy(),"),
    ],
}
WRONG["6-gan"] = {
    "frechet-by-hand": [
        ("gap @ gap", "np.abs(gap).sum()"),
        ("- 2 * roots.sum()", "- roots.sum()"),
        ("half @ cov_b @ half", "cov_a + cov_b"),
        ("np.sqrt(values.clip(0))", "np.sqrt(values)"),
        ("half @ cov_b @ half).clip(0)", "half @ cov_b @ half)"),
        ("np.trace(cov_a) + np.trace(cov_b)", "2 * np.trace(cov_a)"),
        ("gap = mean_a - mean_b", "mean_a -= mean_b; gap = mean_a"),
    ],
    "losses-by-hand": [
        ("softplus(-real)", "softplus(real)"),
        ("F.softplus(-fake).mean(), -F", "F.softplus(fake).mean(), -F"),
        (", -F.softplus(fake)", ", F.softplus(fake)"),
        (".mean() + F", ".sum() + F"),
        ("F.softplus(-fake).mean(), -F", "-fake.sigmoid().log().mean(), -F"),
        ("F.softplus(-fake).mean(), -F", "F.softplus(-fake.detach()).mean(), -F"),
        ("return loss_d,", "return loss_d.item(),"),
    ],
    "step-by-hand": [
        ("fake.detach()", "fake"),
        ("loss_g = F.softplus(-gan.D(fake))", "loss_g = -F.softplus(gan.D(fake))"),
        ("gan.adam_d.zero_grad()", "pass"),
        ("gan.adam_g.zero_grad()", "pass"),
        ("gan.adam_g.step()", "pass"),
        ("gan.G(z)", "gan.G(torch.randn_like(z))"),
        ("gan.D(fake)", "gan.D(fake.detach())"),
    ],
    "class-by-hand": [
        ("F.one_hot(y, 10)", "F.one_hot(y)"),
        ("G.embed.weight.T", "G.embed.weight.T.flip(1)"),
        ("[z, F.one_hot(y, 10).float()]", "[F.one_hot(y, 10).float(), z]"),
        ("G.project.weight,", "0 * G.project.weight,"),
        ("D.embed.weight[y]", "D.embed.weight[y[:1]]"),
        ("D.embed.weight[y]", "D.embed.weight[y].relu()"),
        ("D.first(x) +", "D.first(x.zero_()) +"),
    ],
}
RIGHT["6-gan"] = {
    "frechet-by-hand": [
        ("np.linalg.eigvalsh(half @ cov_b @ half)", "np.linalg.eigvals(cov_a @ cov_b).real"),
        (
            "half = (vectors * np.sqrt(values.clip(0))) @ vectors.T",
            "half = (vectors * np.sqrt(values.clip(0)))",
            "half @ cov_b @ half",
            "half.T @ cov_b @ half",
        ),
        ("return gap @ gap", "return torch.from_numpy(gap).square().sum()"),
    ],
    "losses-by-hand": [
        (
            "F.softplus(-real).mean()",
            "F.binary_cross_entropy_with_logits(real, torch.ones_like(real))",
        ),
        ("-F.softplus(fake).mean()", "F.logsigmoid(-fake).double().mean()"),
        (
            "return loss_d, F.softplus(-fake).mean(), -F.softplus(fake).mean()",
            "return torch.stack([loss_d, F.softplus(-fake).mean(), -F.softplus(fake).mean()])",
        ),
    ],
    "step-by-hand": [
        ("return loss_d.item(), loss_g.item()", "return torch.stack([loss_d, loss_g])"),
        ("fake.detach()", "gan.G(z).detach()"),
        (
            "F.softplus(-gan.D(fake)).mean()",
            "F.binary_cross_entropy_with_logits(gan.D(fake), torch.ones(len(z)))",
        ),
    ],
    "class-by-hand": [
        ("F.one_hot(y, 10).float()", "torch.eye(10)[y]"),
        ("F.one_hot(y, 10).float()", "F.one_hot(y, 10).double()"),
        ("D.embed.weight[y][:, :, None, None]", "D.embed(y)[..., None, None]"),
    ],
}
GRADIENT = {"reversal-by-hand", "losses-by-hand"}
"""Exercises whose result must be a tensor, since a gradient goes through it."""


def graded(stem):
    """Return each exercise's functions, as source, and the source of its test, in order."""
    nb = nbformat.read(paths.notebooks_dir() / f"{stem}.ipynb", as_version=4)
    marks = [(c.metadata.get("nbgrader", {}).get("grade_id", ""), c.source) for c in nb.cells]
    tests = {name.removeprefix("test-"): text for name, text in marks if name.startswith("test-")}
    answers = {}
    for name, text in marks:
        if name in tests:
            start = text.index("\ndef ") + 1 if not text.startswith("def ") else 0
            end = text.rindex("### END SOLUTION")
            answers[name] = f"{_imports(text)}\n{text[start:end]}### END SOLUTION\n"
    return {name: (answers[name], tests[name]) for name in answers}


def _imports(text):
    return "\n".join(line for line in text.splitlines() if line.startswith(("from ", "import ")))


def attempt(stem, exercises, name, answer, wrap=None):
    """Run the test of ``name`` on an answer, below the right answers above it."""
    space = ALWAYS | GIVEN[stem]
    for other, (right, test) in exercises.items():
        if other == name:
            exec(answer, space)
            for function in re.findall(r"^def (\w+)", answer, re.M) if wrap else ():
                space[function] = wrap(space[function])
            exec(test, space)
            return
        exec(f"{right}\n{_imports(test)}", space)
    raise AssertionError(f"no exercise {name}")


def changed(answer, changes):
    """Return an answer with texts inside its solutions replaced."""

    def within(block):
        text = block[0]
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            text = text.replace(old, new)
        return text

    solution = "".join(match[2] for match in BLOCK.finditer(answer))
    assert changes[0] in solution, "the answer has changed: change the mistakes with it"
    return BLOCK.sub(within, answer)


def listed(table):
    return [
        pytest.param(stem, name, changes, id=f"{name}: {changes[0][:24]} > {changes[1][:24]}")
        for stem, by_name in table.items()
        for name, each in by_name.items()
        for changes in each
    ]


@pytest.fixture(scope="module")
def exercises():
    return {stem: graded(stem) for stem in GIVEN}


@pytest.mark.parametrize("stem", GIVEN)
def test_the_answers_pass_and_leave_chance_alone(exercises, stem):
    assert set(WRONG[stem]) == set(RIGHT[stem]) == set(exercises[stem])
    for name, (answer, _) in exercises[stem].items():
        before = torch.get_rng_state(), np.random.get_state()[1:3]
        attempt(stem, exercises[stem], name, answer)
        assert torch.equal(before[0], torch.get_rng_state()), name
        assert str(before[1]) == str(np.random.get_state()[1:3]), name


def test_each_exercise_has_enough_of_both():
    assert min(len(each) for by_name in WRONG.values() for each in by_name.values()) >= 5
    assert min(len(each) for by_name in RIGHT.values() for each in by_name.values()) >= 2


@pytest.mark.parametrize(("stem", "name", "changes"), listed(WRONG))
@pytest.mark.filterwarnings("ignore")  # a wrong answer may divide by zero
def test_a_wrong_answer_is_refused(exercises, stem, name, changes):
    wrong = changed(exercises[stem][name][0], changes)
    with pytest.raises(Exception):  # noqa: B017 (its own errors refuse it, too)
        attempt(stem, exercises[stem], name, wrong)


@pytest.mark.parametrize(("stem", "name", "changes"), listed(RIGHT))
def test_another_right_answer_is_accepted(exercises, stem, name, changes):
    attempt(stem, exercises[stem], name, changed(exercises[stem][name][0], changes))


def converted(result, kind):
    """Return a result with other arrays: ``double``, ``array`` (NumPy) or ``tensor``."""
    if isinstance(result, tuple):
        return tuple(converted(part, kind) for part in result)
    if isinstance(result, torch.Tensor) and kind == "double":
        return result.double() if result.is_floating_point() else result
    if isinstance(result, torch.Tensor) and kind == "array":
        return result.detach().numpy()
    if isinstance(result, np.ndarray) and kind == "tensor":
        return torch.from_numpy(result)
    return result


@pytest.mark.parametrize("kind", ["double", "array", "tensor"])
@pytest.mark.parametrize("stem", GIVEN)
def test_the_type_of_an_array_does_not_matter(exercises, stem, kind):
    for name, (answer, _) in exercises[stem].items():
        if name in GRADIENT and kind == "array":
            continue

        def wrap(function):
            return lambda *given, **named: converted(function(*given, **named), kind)

        attempt(stem, exercises[stem], name, answer, wrap)
