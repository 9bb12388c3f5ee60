"""What flows through a graph on calibration items: any tensor in it, with the weights it has or with others."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from suite.contracts import Context
from suite.graph import Array


def calibration(context: Context, component: str, items: int) -> list[Mapping[str, Array]]:
    """At most so many inputs of a component, one mapping per call. Raises ValueError if there is none."""
    feeds = list(islice(context.feeds(component), items))
    if not feeds:
        raise ValueError(f"there are no calibration items for the component {component!r}, and the method needs one at least")
    return feeds


class Probe:
    """A graph in ONNX Runtime that answers with any of the tensors `wanted`.

    `free` are initializers that may have other values in a run. One thread, so that a sum is the same every time.
    """

    def __init__(self, model: onnx.ModelProto, component: str, wanted: Iterable[str], free: Collection[str] = ()) -> None:
        probed, self._component = onnx.ModelProto(), component
        probed.CopyFrom(model)
        there = {output.name for output in probed.graph.output}
        self._inputs = {tensor.name for tensor in probed.graph.input}
        for name in dict.fromkeys(wanted):
            if name not in there | self._inputs:
                probed.graph.output.append(onnx.ValueInfoProto(name=name))
        for tensor in probed.graph.initializer:
            if tensor.name in free and tensor.name not in self._inputs:
                probed.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(probed.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._options = onnxruntime.RunOptions()
        self._options.only_execute_path_to_fetches = True

    def run(self, feed: Mapping[str, Array], wanted: Sequence[str], weights: Mapping[str, Array] | None = None) -> list[Array]:
        """The tensors `wanted`, computed with these `weights` in place of the graph's. Raises ValueError if one is not finite."""
        names = [name for name in wanted if name not in self._inputs]
        computed = dict(zip(names, self._session.run(names, {**feed, **(weights or {})}, self._options), strict=True)) if names else {}
        found = [np.asarray(computed[name] if name in computed else feed[name]) for name in wanted]
        for name, array in zip(wanted, found, strict=True):
            if not np.isfinite(array).all():
                raise ValueError(f"the tensor {name!r} of the component {self._component!r} is not finite on a calibration item")
        return found
