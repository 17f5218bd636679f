"""The TorchServe handler: bytes of a picture in, the JSON answer out; ``model/`` does the work."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from model.classifier import Classifier
from model.preprocessing import EmptyBodyError, ImageError, UnreadableImageError

if TYPE_CHECKING:
    from ts.context import Context


class ImageHandler:
    """Classifies batches of pictures; TorchServe makes one for each worker.

    A request carries the picture as its raw body, or as the multipart field ``data``. Every answer
    is JSON: the one of ``Classifier.answer``, or ``{"code", "type", "message"}`` with the same
    HTTP status. A picture that can't be read costs the others of its batch nothing.
    """

    def initialize(self, context: "Context") -> None:
        """Load the unpacked archive and answer once, so that no request pays for the first time.

        Args:
            context: TorchServe's ``ts.context.Context``.

        Raises:
            OSError, ValueError: the archive is damaged.
        """
        properties = context.system_properties
        torch.set_num_threads(context.model_yaml_config["handler"]["threads"])
        self._classifier = Classifier.load(
            Path(properties["model_dir"]), _device(properties.get("gpu_id"))
        )
        size = self._classifier.card.image_size
        for batch_size in {1, properties["batch_size"]}:
            self._classifier.probabilities(torch.zeros(batch_size, 3, size, size).byte())

    def handle(self, data: list[dict[str, Any]], context: "Context") -> list[bytes]:
        """Answer a batch of requests.

        Args:
            data: a dict per request, with the picture under ``data`` or ``body``.
            context: takes the status and the content type of each answer.

        Returns:
            One JSON document per request, in order.
        """
        outcomes: list[torch.Tensor | ImageError] = [self._pixels(row) for row in data]
        readable = [pixels for pixels in outcomes if isinstance(pixels, torch.Tensor)]
        probabilities = iter(
            self._classifier.probabilities(torch.stack(readable)) if readable else ()
        )
        answers = []
        for index, outcome in enumerate(outcomes):
            context.set_response_content_type(index, "application/json")
            if isinstance(outcome, ImageError):
                status = HTTPStatus(outcome.code)
                context.set_response_status(status.value, status.phrase, index)
                answer = _error(outcome)
            else:
                answer = self._classifier.answer(next(probabilities))
            answers.append(json.dumps(answer).encode())
        return answers

    def _pixels(self, row: dict[str, Any]) -> torch.Tensor | ImageError:
        image = row.get("data", row.get("body"))
        try:
            if image is None:
                raise EmptyBodyError
            if not isinstance(image, bytes | bytearray):
                # TorchServe has parsed a body that called itself JSON or text.
                raise UnreadableImageError
            return self._classifier.preprocess(bytes(image))
        except ImageError as error:
            return error


def _error(error: ImageError) -> dict[str, Any]:
    return {"code": error.code, "type": type(error).__name__, "message": str(error)}


def _device(gpu_id: int | None) -> torch.device:
    if gpu_id is None or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", gpu_id)
