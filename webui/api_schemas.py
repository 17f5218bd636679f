"""The shapes of the answers in JSON, as the description of the API names them."""

from typing import Any

from webui.errors import NoFileError

Json = dict[str, Any]

SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}

MODEL: Json = {
    "type": "object",
    "description": "Which model answered.",
    "required": ["name", "version"],
    "properties": {
        "name": {"type": "string", "description": "Its name."},
        "version": {"type": "string", "description": "Its version."},
    },
}

IMAGE: Json = {
    "type": "object",
    "description": "What the model read. Another model may leave it out.",
    "properties": {
        "format": {
            "type": "string",
            "description": "Decided by the content, not by the name of the file.",
        },
        "width": {"type": "integer", "minimum": 1, "description": "In pixels."},
        "height": {"type": "integer", "minimum": 1, "description": "In pixels."},
        "fit": {
            "type": "string",
            "description": (
                "How a picture that is not square is made square: `resize` for as a whole."
            ),
        },
    },
}

# What docs/ship.png is answered, rounded.
SHIP: Json = {
    "label": "ship",
    "confidence": 0.9996,
    "probabilities": {
        "ship": 0.9996,
        "truck": 0.0002,
        "airplane": 0.0001,
        "bird": 0.0001,
        "automobile": 0.0,
        "frog": 0.0,
        "cat": 0.0,
        "dog": 0.0,
        "deer": 0.0,
        "horse": 0.0,
    },
    "model": {"name": "cifar10", "version": "1.0"},
    "image": {"format": "PNG", "width": 640, "height": 480, "fit": "resize"},
}

PREDICTION: Json = {
    "type": "object",
    "description": "What the model sees in one picture. Later models may add fields.",
    "required": ["label", "confidence", "probabilities", "model"],
    "properties": {
        "label": {"type": "string", "description": "The likeliest class."},
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


def describe_shapes() -> Json:
    """Return a JSON schema for each shape, with an example, in the language of the moment."""
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
                    "items": {
                        "anyOf": [
                            {"$ref": "#/components/schemas/Prediction"},
                            {"$ref": "#/components/schemas/Error"},
                        ]
                    },
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
                "type": {
                    "type": "string",
                    "description": "The cause, for programs, such as `NoFileError`.",
                },
                "message": {
                    "type": "string",
                    "description": (
                        "For people: what happened, and what to do next, in the language that was "
                        "asked for. What the model says of a picture is always English."
                    ),
                },
            },
            "examples": [no_file],
        },
        "State": {
            "type": "object",
            "description": "That all is well.",
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
