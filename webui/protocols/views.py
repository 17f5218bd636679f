"""The addresses of both protocols; one client asks TorchServe for them and for the pages."""

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from flask import Blueprint, Response, current_app, g, jsonify, request

from webui.errors import BadRequestError, NotFoundError
from webui.negotiation import negotiated
from webui.openapi.view import DOCUMENT
from webui.pictures.classification import classify_all
from webui.pictures.uploads import Upload
from webui.protocols.bodies import read_inputs, read_instances
from webui.torchserve.client import PIXEL
from webui.torchserve.models import chosen_model

MODEL, VERSION = "/models/<name>", "/models/<name>/versions/<version>"

kserve = Blueprint("kserve", __name__, url_prefix="/v1")
open_inference = Blueprint("open_inference", __name__, url_prefix="/v2")
# What to say about a body of another shape.
INSTANCES = 'Send {"instances": [{"b64": "…"}]} as JSON, with a file in base64 for each instance.'
INPUTS = (
    "Send one input as JSON, nothing in binary form: BYTES, each a file in base64, or UINT8 pixels "
    "of shape [pictures, height, width, 3]. The outputs are “probabilities” and “label”."
)
kserve.after_request(negotiated)
open_inference.after_request(negotiated)


@kserve.before_request
@open_inference.before_request
def require_model() -> None:
    """Require that the current request is about the only model.

    Raises:
        NotFoundError: There is no such model.
    """
    model = current_app.config["MODEL_NAME"]
    if (request.view_args or {}).get("name", model) != model:
        raise NotFoundError(text="There is no such model here. Ask for “%(model)s”.", model=model)


def _read_body(read: Callable[[Any], list[Upload]], hint: str) -> list[Upload]:
    try:
        g.body = orjson.loads(request.get_data())
        return read(g.body)
    # A body is whatever its sender makes of it, and these are raised where it is read.
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequestError(text=hint) from error


@kserve.get("/models")
def list_models() -> Response:
    """Name the only model."""
    return jsonify(models=[current_app.config["MODEL_NAME"]])


@open_inference.get("")
def describe_server() -> Response:
    """Say which program answers."""
    return jsonify(
        name=DOCUMENT["info"]["title"], version=DOCUMENT["info"]["version"], extensions=[]
    )


@open_inference.get("/health/live")
def report_health() -> Response:
    """Say that the web UI runs, whatever TorchServe does."""
    return jsonify(live=True)


@kserve.get(MODEL)
@open_inference.get("/health/ready")
@open_inference.get(f"{MODEL}/ready")
@open_inference.get(f"{VERSION}/ready")
def report_readiness(name: str | None = None, version: str | None = None) -> Response:
    """Say whether a version classifies pictures, and the server is not about to stop."""
    with current_app.extensions["admission"].probe():
        chosen_model().client.predict(PIXEL, version)
    return jsonify(ready=True, **({"name": name} if name else {}))


@open_inference.get(MODEL)
@open_inference.get(VERSION)
def describe_model(name: str, version: str | None = None) -> Response:
    """Describe the tensors of a version, and name the class of each probability."""
    client = chosen_model().client
    classes = sorted(client.predict(PIXEL, version)["probabilities"])
    return jsonify(
        name=name,
        versions=list(client.fetch_workers()),
        platform="onnx_onnxv1",
        inputs=[{"name": "image", "datatype": "BYTES", "shape": [-1]}],
        outputs=_describe_outputs(-1, len(classes)),
        properties={str(index): label for index, label in enumerate(classes)},
    )


@kserve.post(f"{MODEL}:predict")
def predict(name: str) -> Response:  # noqa: ARG001
    """Answer instances; one that has no answer has an error in its place."""
    read = partial(_read_body, read_instances, INSTANCES)
    with current_app.extensions["admission"].turn(read) as uploads:
        outcomes = classify_all(uploads)
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if len(errors) == len(outcomes):
        raise errors[0]
    return jsonify(
        predictions=[each.error.as_dict() if each.error else each.prediction for each in outcomes]
    )


@open_inference.post(f"{MODEL}/infer")
@open_inference.post(f"{VERSION}/infer")
def infer(name: str, version: str | None = None) -> Response:
    """Answer a tensor of pictures, all of them or none."""
    read = partial(_read_body, read_inputs, INPUTS)
    with current_app.extensions["admission"].turn(read) as uploads:
        outcomes = classify_all(uploads, [version])
    for index, outcome in enumerate(outcomes):
        if error := outcome.error:
            error.text = f"Picture {index}: {error.message}".replace("%", "%%")
            raise error
    predictions = [outcome.answers[0].prediction for outcome in outcomes]
    classes = sorted(predictions[0]["probabilities"])
    outputs = _describe_outputs(len(predictions), len(classes))
    outputs[0]["data"] = [each["probabilities"][name] for each in predictions for name in classes]
    outputs[1]["data"] = [each["label"] for each in predictions]
    wanted = [output["name"] for output in g.body.get("outputs") or outputs]
    return jsonify(
        model_name=name,
        model_version=predictions[0]["model"]["version"],
        **({"id": g.body["id"]} if "id" in g.body else {}),
        outputs=[output for output in outputs if output["name"] in wanted],
    )


def _describe_outputs(pictures: int, classes: int) -> list[dict[str, Any]]:
    return [
        {"name": "probabilities", "datatype": "FP32", "shape": [pictures, classes]},
        {"name": "label", "datatype": "BYTES", "shape": [pictures]},
    ]
