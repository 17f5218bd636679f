"""A small server that speaks as TorchServe does."""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from webui.settings import Settings

# Neither the classes nor their order are those of the served model: the web UI must not know them.
PREDICTION = {
    "label": "zebra",
    "confidence": 0.9312,
    "probabilities": {"zebra": 0.9312, "ant": 0.0684, "moth": 0.0003, "bee": 0.0001, "owl": 0.0},
    "model": {"name": "zoo", "version": "7.3"},
    "image": {"format": "PNG", "width": 4000, "height": 3000},
}
CARD = {
    "name": "zoo",
    "version": "7.3",
    "class_names": ["zebra", "ant"],
    "image_size": 48,
    "data": "folder zoo",
    "training_images": 4000,
    "test_accuracy": 0.875,
    "test_images": 1200,
    "created": "2026-11-01",
    "bands": [[0.0, 0.9, [40, 80, 0.39, 0.61]], [0.9, 1.0, [99, 100, 0.94, 1.0]]],
    "recipe": "tuned",
    "epochs": 60,
    "temperature": 0.7512,
    "calibration_error": 0.0123,
    "recalls": [[550, 600, 0.89, 0.94], [500, 600, 0.8, 0.86]],
    "strangers": [
        ["noise", 0.97, [9, 10, 0.6, 0.98]],
        ["test images", None, [60, 1200, 0.04, 0.06]],
    ],
}
# TorchServe's words to those who had a worker's attention when it ended.
WORKER_DIED = "Worker died."
EXPLANATION = {
    "method": "occlusion",
    "patch": 8,
    "stride": 4,
    "heat": {name: [[0.5, -0.25], [0.0, 0.0]] for name in ("zebra", "ant", "moth", "bee", "owl")},
    "lowest": {"zebra": 0.61, "ant": 0.05, "moth": 0.0002, "bee": 0.0001, "owl": 0.0},
}
# The pixels that the model saw; a PNG by its first bytes alone.
MODEL_INPUT = "data:image/png;base64,iVBORw0KGgo="


@dataclass
class Answer:
    """What the server says to one request; ``reset`` hangs up instead of saying it."""

    status: int
    body: object
    delay: float = 0
    reset: bool = False

    def encode(self) -> bytes:
        """Return the bytes that go over the wire."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Held(Answer):
    """A prediction that nobody gets before it is released."""

    def __init__(self, body: object = PREDICTION) -> None:
        super().__init__(200, body)
        self.released = threading.Event()

    def encode(self) -> bytes:
        assert self.released.wait(60)
        return super().encode()


def error_answer(status: int, type_name: str, message: str = "…") -> Answer:
    """Return an error in TorchServe's shape."""
    return Answer(status, {"code": status, "type": type_name, "message": message})


KEY_REFUSED = error_answer(400, "InvalidKeyException", "Token Authorization failed.")


class FakeTorchServe:
    """TorchServe's inference and management API on one port, with a key file and expiring keys."""

    prediction = PREDICTION
    card: object = CARD

    def __init__(self, directory: Path) -> None:
        """Write the key file and listen; ``start`` begins to answer."""
        self.key_file = directory / "key_file.json"
        self.answers: deque[Answer] = deque()
        # Answers to some pictures, whenever and however often they come.
        self.answers_to: dict[bytes, Answer] = {}
        # Whether the workers of each version are ready.
        self.workers = {"7.3": ["READY", "READY"]}
        self.default = "7.3"
        self.models = ["zoo"]
        self.disk_is_full = False
        self.descriptions = 0
        self.description_delay = 0.0
        self.images: list[bytes] = []
        self.content_types: list[str | None] = []
        self.model_inputs: list[str | None] = []
        self.doors: list[str] = []
        self.request_ids: list[str | None] = []
        self.renewals: list[str] = []
        self._keys = {name: f"{name}-key_0" for name in ("management", "inference", "API")}
        self.write_key_file()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._create_handler())
        self._server.daemon_threads = True
        # Many connect at the same time, and the default is 5.
        self._server.socket.listen(128)
        self.port = self._server.server_port

    @property
    def settings(self) -> Settings:
        """Settings of a web UI that lead here."""
        return Settings(
            torchserve_inference_port=self.port,
            torchserve_management_port=self.port,
            torchserve_run_directory=self.key_file.parent,
            model_name="zoo",
        )

    def start(self) -> None:
        """Answer requests in a thread of its own."""
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def will_answer(self, status: int, body: object, delay: float = 0) -> None:
        """Line up the answer to a picture; without one, the answer is ``prediction``."""
        self.answers.append(Answer(status, body, delay))

    def will_answer_error(
        self, status: int, type_name: str, message: str = "…", times: int = 1
    ) -> None:
        """Line up an error in TorchServe's shape."""
        self.answers.extend([error_answer(status, type_name, message)] * times)

    def write_key_file(self) -> None:
        """Write the keys as TorchServe does: empty the file, then fill it."""
        keys = {name: {"key": key} for name, key in self._keys.items()}
        self.key_file.write_text("" if self.disk_is_full else json.dumps(keys, indent=2))

    def replace_key(self, name: str) -> None:
        """Let the key called ``name`` expire; the file still holds the old one."""
        self._keys[name] += "x"

    def answer(
        self, method: str, path: str, key: str, body: bytes, model_input: str | None
    ) -> Answer:
        """Answer as TorchServe would, or as was said before where a picture is sent."""
        if method == "GET" and path.startswith("/token?type="):
            return self._renew(path.removeprefix("/token?type="), key)
        if path.endswith("?customized=true"):
            return self._answer_card(path, key)
        if method == "GET" and path.startswith("/models"):
            return self._describe(path) if key == self._keys["management"] else KEY_REFUSED
        door, _, version = path.lstrip("/").partition("/zoo")
        if method == "POST" and door in {"predictions", "explanations"}:
            if key != self._keys["inference"]:
                return KEY_REFUSED
            self.images.append(body)
            self.model_inputs.append(model_input)
            self.doors.append(door)
            return self._answer_picture(
                body, model_input, version.lstrip("/") or self.default, door
            )
        return error_answer(404, "ResourceNotFoundException")

    def _answer_card(self, path: str, key: str) -> Answer:
        if key != self._keys["management"]:
            return KEY_REFUSED
        if path not in {"/models/zoo?customized=true", "/models/zoo/7.3?customized=true"}:
            return error_answer(404, "ModelVersionNotFoundException")
        self.descriptions += 1
        described = {"modelVersion": "7.3", "customizedMetadata": self.card}
        return Answer(200, [described], self.description_delay)

    def _describe(self, path: str) -> Answer:
        if path.startswith("/models?"):
            return Answer(200, {"models": [{"modelName": name} for name in self.models]})
        if path not in {"/models/zoo", "/models/zoo/all"}:
            return error_answer(404, "ModelNotFoundException")
        versions = [*self.workers] if path.endswith("all") else [self.default]
        described = [
            {
                "modelVersion": version,
                "workers": [{"status": state} for state in self.workers[version]],
            }
            for version in versions
        ]
        return Answer(200, described)

    def _answer_picture(
        self, image: bytes, model_input: str | None, version: str, door: str
    ) -> Answer:
        if version not in self.workers:
            return error_answer(404, "ModelVersionNotFoundException")
        if image in self.answers_to:
            return self.answers_to[image]
        if self.answers:
            return self.answers.popleft()
        prediction = {**PREDICTION, "model": {"name": "zoo", "version": version}}
        if model_input == "true":
            prediction["model_input"] = MODEL_INPUT
        if door == "explanations":
            prediction["explanation"] = EXPLANATION
        return Answer(200, prediction)

    def _renew(self, name: str, key: str) -> Answer:
        self.renewals.append(name)
        if key != self._keys["API"]:
            return KEY_REFUSED
        self.replace_key(name)
        self.write_key_file()
        return Answer(200, b"\n")

    def _create_handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply()

            def do_POST(self) -> None:
                self._reply()

            def _reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                fake.content_types.append(self.headers.get("Content-Type"))
                fake.request_ids.append(self.headers.get("X-Request-Id"))
                model_input = self.headers.get("model_input")
                answer = fake.answer(self.command, self.path, key, body, model_input)
                time.sleep(answer.delay)
                self.close_connection = answer.reset or answer.status >= 400
                if answer.reset:
                    return
                # The client may have given up on a slow answer.
                with contextlib.suppress(ConnectionError):
                    self._send(answer)

            def _send(self, answer: Answer) -> None:
                content = answer.encode()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(content)))
                if self.close_connection:
                    self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Keep the tests' output clean."""

        return Handler


@contextlib.contextmanager
def running_fake_torchserve(directory: Path) -> Iterator[FakeTorchServe]:
    """Run a server that keeps its keys in ``directory``."""
    fake = FakeTorchServe(directory)
    fake.start()
    yield fake
    fake.stop()
