"""Networks of the site's playgrounds as ONNX files: ``python tools/export_playground.py FOLDER``.

Reads the weights that notebooks 3 and 6 keep in ``data/models/`` and writes what a browser loads:
two digit networks that answer with their logits *and* the gradient of the loss, since a browser has
no autograd; ten digits to attack; and the conditional generator.
"""

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch._decomp import get_decompositions
from torch.func import grad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

from practicals.adversarial.defence import DigitNetwork
from practicals.gan import kept
from practicals.paths import atomic_path

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
CLASSES, SIDE = 10, 28
BOX = 20
"""Side of the box that a digit fills: MNIST scales digits so and centres them by mass."""
aten = torch.ops.aten


def _convolution_backward(
    slope: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, _: object, *settings: Sequence[int]
) -> tuple[torch.Tensor, None, None]:
    """Return the gradient of a convolution's pictures: the transposed one with the same weights.

    The one step of a backward pass that ONNX has no operator for and PyTorch no decomposition of.
    """
    stride, padding, dilation, transposed, _, groups, wanted = settings
    if transposed or list(wanted) != [True, False, False]:
        raise NotImplementedError("only the gradient of a plain convolution's pictures is known")
    rest = [
        x.shape[i + 2]
        - ((slope.shape[i + 2] - 1) * stride[i] - 2 * padding[i])
        - (dilation[i] * (weight.shape[i + 2] - 1) + 1)
        for i in range(2)
    ]
    answer = aten.convolution(slope, weight, None, stride, padding, dilation, True, rest, groups)
    return answer, None, None


def with_gradient(net: nn.Module) -> nn.Module:
    """Return a module of plain operators: a network's logits and its loss's gradient.

    It takes pixels (n, 1, 28, 28) in [0, 1] and labels (n,), and returns logits (n, 10) and the
    gradient (n, 1, 28, 28) of each picture's cross entropy, as autograd finds it.
    """
    net = net.eval().requires_grad_(False)

    def answer(pixels: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        def loss(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits = net(x)
            return F.cross_entropy(logits, label, reduction="sum"), logits

        gradient, logits = grad(loss, has_aux=True)(pixels)
        return logits, gradient

    parts = ("nll_loss_forward", "nll_loss_backward", "_log_softmax_backward_data")
    table = get_decompositions([getattr(aten, name) for name in (*parts, "threshold_backward")])
    table[aten.convolution_backward.default] = _convolution_backward
    # torch.export alone does not enter torch.func.grad, so that its operators are traced first.
    traced = make_fx(
        answer, decomposition_table=table, tracing_mode="symbolic", _allow_non_fake_inputs=True
    )
    return traced(torch.rand(2, 1, SIDE, SIDE), torch.tensor([3, 7]))


def write(
    net: nn.Module, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str], file: Path
) -> None:
    """Write a network as ONNX with named inputs and outputs; the first axis may have any size.

    ``inputs`` are examples in the order of ``forward``.
    """
    shapes = tuple({0: torch.export.Dim("n")} for _ in inputs)
    with atomic_path(file) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net.eval(), tuple(inputs.values()), dynamic_shapes=shapes)
        torch.onnx.export(
            program, (), partial, input_names=list(inputs), output_names=list(outputs),
            dynamo=True, verbose=False, external_data=False,
        )  # fmt: skip
        onnx.save(_without_traces(onnx.load(partial)), partial)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model without the exporter's notes, which name folders of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    del graph.value_info[:]
    return model


def as_mnist(digit: np.ndarray) -> np.ndarray:
    """Return a small grey digit (h, w) in [0, 1] as MNIST would show it, (28, 28) in [0, 1].

    It is enlarged to a box of 20 pixels, its paper set to 0, and centred by its mass.
    """
    small = torch.from_numpy(np.asarray(digit, np.float32))[None, None]
    large = F.interpolate(small, (BOX, BOX), mode="bicubic", align_corners=False)[0, 0]
    ink = ((large - 0.25) / 0.5).clamp(0, 1).numpy()
    if not ink.any():
        raise ValueError("expected a digit with some ink, got an empty picture")
    rows, columns = np.arange(BOX)[:, None], np.arange(BOX)
    centre = (ink * rows).sum() / ink.sum(), (ink * columns).sum() / ink.sum()
    # Ink that lies at one side needs paper beyond the picture before the middle is cut out.
    wide = np.pad(ink, SIDE)
    top, left = (round(SIDE + at - (SIDE - 1) / 2) for at in centre)
    return wide[top : top + SIDE, left : left + SIDE]


def examples(nets: Sequence[nn.Module], seed: int = 0) -> np.ndarray:
    """Return one digit of each class, uint8 (10, 28, 28), that all networks read right.

    They are scikit-learn's 8 × 8 digits, drawn at random by ``seed``, enlarged. Raise ValueError
    where a class has none that all networks read right.
    """
    from sklearn.datasets import load_digits

    data, found = load_digits(), []
    order = np.random.default_rng(seed).permutation(len(data.target))
    for digit in range(CLASSES):
        for row in order[data.target[order] == digit]:
            picture = (as_mnist(data.images[row] / 16) * 255).round().astype(np.uint8)
            shown = torch.from_numpy(picture)[None, None] / 255
            if all(int(net(shown).argmax()) == digit for net in nets):
                found.append(picture)
                break
        else:
            raise ValueError(f"no digit {digit} is read right by all networks")
    return np.stack(found)


def digit_network(file: Path) -> DigitNetwork:
    """Return chapter 3's digit network with the weights in ``file``, in evaluation mode."""
    net = DigitNetwork()
    net.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return net.eval()


def export(folder: Path) -> None:
    """Write the files of both playgrounds to ``folder``; raise OSError without weights."""
    names = ("adversarial-plain", "adversarial-robust")
    nets = {name: digit_network(MODELS / f"{name}.pt") for name in names}
    asked = {"pixels": torch.rand(2, 1, SIDE, SIDE), "label": torch.tensor([3, 7])}
    for name, net in nets.items():
        write(with_gradient(net), asked, ("logits", "gradient"), folder / f"{name}.onnx")
    digits = examples(list(nets.values())).reshape(CLASSES, -1).tolist()
    with atomic_path(folder / "adversarial-digits.json") as partial:
        partial.write_text(json.dumps({"digits": digits}, separators=(",", ":")), encoding="utf-8")
    generator, _ = kept.load_pair(MODELS / f"{kept.NAME}.pt")
    asked = {"z": torch.zeros(2, generator.design.z), "digit": torch.tensor([3, 7])}
    write(generator, asked, ("pictures",), folder / f"{kept.NAME}.onnx")


def main() -> int:
    """Export to the folder that the command line names and return the exit status."""
    try:
        export(Path(sys.argv[1]))
    except (IndexError, ValueError, OSError, RuntimeError) as error:
        print(f"playground: {error or __doc__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
