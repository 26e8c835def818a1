"""A trained network as an ONNX file, which a browser reads and which names no folder of ours."""

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from ..paths import atomic_path

if TYPE_CHECKING:
    import onnx


def can_export() -> bool:
    """Return whether the packages that write ONNX are here; they are development's."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxscript"))


def export(
    net: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    file: Path,
    arguments: Sequence[str] = (),
) -> None:
    """Write a network with named inputs and outputs; the first axis of inputs may have any size.

    ``inputs`` are examples in the order of ``forward``, whose own names for them are ``arguments``
    where they differ. Raise ImportError, saying what to install, without the packages.
    """
    if not can_export():
        raise ImportError("writing ONNX needs: pip install -r requirements-dev.txt")
    import onnx

    count = torch.export.Dim("n")
    shapes = {name: {0: count} for name in arguments or inputs}
    with atomic_path(file) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), tuple(inputs.values()), partial,
            input_names=list(inputs), output_names=list(outputs), dynamic_shapes=shapes,
            dynamo=True, verbose=False, external_data=False,
        )  # fmt: skip
        onnx.save(without_traces(onnx.load(partial)), partial)


def without_traces(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Return an ONNX model without the exporter's notes, which name folders of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    del graph.value_info[:]
    return model
