"""Divides the logits of a served graph by a temperature, so that every engine has it."""

import numpy as np
import onnx

from model.inference.engine import OUTPUT_NAME


def set_temperature(graph: bytes, temperature: float) -> bytes:
    """Return a graph whose logits are divided by ``temperature`` once more before the softmax.

    Args:
        graph: A serialised ONNX model that ends with a softmax.
        temperature: A number above 0.
    """
    model = onnx.load_from_string(graph)
    (index,) = [i for i, node in enumerate(model.graph.node) if node.output[0] == OUTPUT_NAME]
    softmax = model.graph.node[index]
    value = np.array(temperature, np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(value, "temperature"))
    (logits,) = softmax.input
    softmax.input[0] = "calibrated_logits"
    divide = onnx.helper.make_node("Div", [logits, "temperature"], ["calibrated_logits"])
    model.graph.node.insert(index, divide)
    return bytes(model.SerializeToString())
