"""TorchServe's gRPC interface; its messages are written by hand, as the schema is not installed."""

import json

import pytest

from tests.helpers.pictures import RED
from tests.helpers.server import Server

grpc = pytest.importorskip("grpc")


def field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message, of fewer than 16,384 bytes."""
    size = len(content)
    return bytes((number << 3 | 2, size & 0x7F | 0x80, size >> 7)) + content


def as_grpc(image: bytes) -> bytes:
    """Return a PredictionsRequest."""
    entry = field(1, b"data") + field(2, image)
    return field(1, b"cifar10") + field(3, entry)


@pytest.mark.parametrize(
    ("image", "found"),
    [(RED, "label"), (b"not a picture", "UnsupportedFormatError")],
    ids=["answer", "error"],
)
@pytest.mark.parametrize("method", ["Predictions", "StreamPredictions"])
def test_one_answer_comes_and_no_worker_dies(
    server: Server, method: str, image: bytes, found: str
) -> None:
    workers = server.worker_pids()
    address = f"127.0.0.1:{server.settings.torchserve_grpc_inference_port}"
    metadata = [(name.lower(), value) for name, value in server.authorization().items()]
    with grpc.insecure_channel(address) as channel:
        path = f"/org.pytorch.serve.grpc.inference.InferenceAPIsService/{method}"
        answers = list(channel.unary_stream(path)(as_grpc(image), metadata=metadata, timeout=20))
    assert len(answers) == 1
    document = json.loads(answers[0][answers[0].index(b"{") :])
    assert found in {*document, document.get("type")}
    assert server.worker_pids() == workers
    assert server.predict(RED).status == 200
