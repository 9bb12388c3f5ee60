"""SVD-LLM (2403.07378): singular value decomposition of a weight after its inputs have been whitened. Its fine-tuning is left out."""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx

from suite.contracts import Context, Value
from suite.graph import Array, editable
from suite.surgery.low_rank import factorise, layers
from suite.surgery.probe import Probe, calibration


def factors(matrix: Array, moments: Array, kept: int, dampening: float) -> tuple[Array, Array]:
    """Shapes (inputs, kept) and (kept, outputs): the product of that rank that changes what is computed from the inputs least.

    moments: the sum of x xᵀ over what the layer reads, float64 (inputs, inputs), of any rank; with the dampening it is S Sᵀ, and
    Sᵀ W = U Σ Vᵀ. What the paper keeps, S⁻ᵀ U Σ Vᵀ cut at the rank, is W V Vᵀ with V cut at it, for which S need not be inverted.
    """
    mean = float(np.diag(moments).mean())
    added = dampening * mean if mean > 0 else 1.0
    whitening, double = np.linalg.cholesky(moments + added * np.eye(len(moments))), matrix.astype(np.float64)
    right = np.linalg.svd(whitening.T @ double, full_matrices=False).Vh[:kept]
    return (double @ right.T).astype(matrix.dtype), right.astype(matrix.dtype)


def second_moments(model: onnx.ModelProto, component: str, feeds: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """The sum of x xᵀ over every vector that the layers of a matrix read, float64 (inputs, inputs), by what `layers` calls it."""
    read = {stem: [weight.node.input[0] for weight in sharing] for stem, sharing in layers(model).items()}
    tensors = list(dict.fromkeys(tensor for names in read.values() for tensor in names))
    probe, sums = Probe(model, component, tensors), dict.fromkeys(tensors, np.zeros(()))
    for feed in feeds:
        for tensor, array in zip(tensors, probe.run(feed, tensors), strict=True):
            vectors = array.reshape(-1, array.shape[-1]).astype(np.float64)
            sums[tensor] = sums[tensor] + vectors.T @ vectors
    return {stem: np.sum([sums[tensor] for tensor in names], axis=0) for stem, names in read.items()}


def heads(model: onnx.ModelProto) -> set[str]:
    """The matrices, by what `layers` calls them, whose layer makes an output of the graph, with a bias at most in between.

    None where the graph has no other matrix. The paper leaves the head as it is: each of its outputs counts, however little it varies.
    """
    found, ends = layers(model), {output.name for output in model.graph.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in reversed(model.graph.node):
        if node.op_type == "Add" and node.output[0] in ends and constants & set(node.input):
            ends |= set(node.input)
    last = {stem for stem, sharing in found.items() if any(weight.node.output[0] in ends for weight in sharing)}
    return last if len(last) < len(found) else set()


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Factorises copies of the parts, calibrated on the uncompressed model; heads, convolutions and embedding tables stay as they are."""
    factorised = {name: editable(model) for name, model in parts.items()}
    for name, model in factorised.items():
        feeds = calibration(context, name, int(parameters["items"]))
        moments, last = second_moments(parts[name], name, feeds), heads(model)

        def whitened(
            stem: str, matrix: Array, kept: int, moments: Mapping[str, Array] = moments, last: set[str] = last
        ) -> tuple[Array, Array] | None:
            return None if stem in last else factors(matrix, moments[stem], kept, float(parameters["dampening"]))

        factorise(model, float(parameters["keep"]), whitened)
    return factorised
