"""Divides the logits of served graphs by a temperature, so that every engine has it."""

from pathlib import Path

import numpy as np
import onnx

from model.inference import GRAPH_FILE_NAME, QUANTISED_FILE_NAME
from model.inference.engine import OUTPUT_NAME


def set_temperature(run: Path, temperature: float) -> None:
    """Divide the logits of a run's graphs by ``temperature`` before their softmax."""
    for file in (run / GRAPH_FILE_NAME, run / QUANTISED_FILE_NAME):
        if file.exists():
            file.write_bytes(_divide_logits(file.read_bytes(), temperature))


def _divide_logits(graph: bytes, divisor: float) -> bytes:
    model = onnx.load_from_string(graph)
    (softmax,) = (node for node in model.graph.node if OUTPUT_NAME in node.output)
    (logits,) = softmax.input
    softmax.input[0] = f"{logits}_calibrated"
    temperature = onnx.numpy_helper.from_array(
        np.array(divisor, np.float32), f"{logits}_temperature"
    )
    model.graph.initializer.append(temperature)
    divide = onnx.helper.make_node("Div", [logits, temperature.name], [*softmax.input])
    model.graph.node.insert([*model.graph.node].index(softmax), divide)
    return bytes(model.SerializeToString())
