"""The shapes of the answers in JSON, as the document describes them."""

from typing import Any

from webui.errors import NoFileError

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}


def _text(description: str) -> Json:
    return {**TEXT, "description": description}


MODEL: Json = {
    "type": "object",
    "description": "The model that answered.",
    "required": ["name", "version"],
    "properties": {"name": _text("Its name."), "version": _text("Its version.")},
}

IMAGE: Json = {
    "type": "object",
    "description": "What the model read. Other models may leave it out.",
    "properties": {
        "format": _text("The format of the content, whatever the file is called."),
        "width": {"type": "integer", "minimum": 1, "description": "The width in pixels."},
        "height": {"type": "integer", "minimum": 1, "description": "The height in pixels."},
        "fit": _text(
            "How the picture got the size of the network: `resize` squeezes it into a square, "
            "`keep-aspect` keeps its shape, up to a side twice as long as the other."
        ),
    },
}

# Answer for docs/ship.png, rounded.
SHIP: Json = {
    "label": "ship",
    "confidence": 0.9999,
    "probabilities": {
        "ship": 0.9999,
        "airplane": 0.0001,
        "bird": 0.0,
        "truck": 0.0,
        "frog": 0.0,
        "horse": 0.0,
        "deer": 0.0,
        "dog": 0.0,
        "automobile": 0.0,
        "cat": 0.0,
    },
    "model": {"name": "cifar10", "version": "1.0"},
    "image": {"format": "PNG", "width": 640, "height": 480, "fit": "resize"},
}

PREDICTION: Json = {
    "type": "object",
    "description": "What the model sees in one picture. Later models may add fields.",
    "required": ["label", "confidence", "probabilities", "model"],
    "properties": {
        "label": _text("The likeliest class."),
        "confidence": {**SHARE, "description": "The probability of that class."},
        "probabilities": {
            "type": "object",
            "additionalProperties": SHARE,
            "description": "The probability of every class, the likeliest first.",
        },
        "model": MODEL,
        "image": IMAGE,
    },
    "examples": [SHIP],
}


def refer_to(shape: str) -> Json:
    """Return a reference to one of the shapes."""
    return {"$ref": f"#/components/schemas/{shape}"}


def describe_shapes() -> Json:
    """Return a JSON schema for each shape, with an example in the current language."""
    no_file = NoFileError().as_dict()
    return {
        "Prediction": PREDICTION,
        "Predictions": {
            "type": "object",
            "description": "What the model sees in several pictures.",
            "required": ["predictions"],
            "properties": {
                "predictions": {
                    "type": "array",
                    "minItems": 2,
                    "items": {"anyOf": [refer_to("Prediction"), refer_to("Error")]},
                    "description": (
                        "A prediction or an error for each picture, in the order in which they "
                        "were sent."
                    ),
                }
            },
            "examples": [{"predictions": [SHIP, no_file]}],
        },
        "Error": {
            "type": "object",
            "description": "Why there is no answer. All errors have this shape.",
            "required": ["code", "type", "message"],
            "properties": {
                "code": {
                    "type": "integer",
                    "minimum": 400,
                    "maximum": 599,
                    "description": "The HTTP status.",
                },
                "type": _text("The cause, such as `NoFileError`, for programs."),
                "message": _text(
                    "What happened and what to do next, for people, in the language that was "
                    "asked for. What the model says about a picture is always English."
                ),
            },
            "examples": [no_file],
        },
        "State": {
            "type": "object",
            "description": "A sign that all is well.",
            "required": ["status"],
            "properties": {
                "status": {
                    "enum": ["ok", "ready"],
                    "description": "`ok` from `/healthz`, `ready` from `/readyz`.",
                }
            },
            "examples": [{"status": "ready"}],
        },
    }
