"""The TorchServe handler: bytes of a picture in, JSON answer out; ``model/`` does the work."""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from handler.buffered_messages import buffer_messages
from handler.metrics import HandlerMetrics
from handler.request import ImageRequest, InvalidParameterError, read_request
from model.images.errors import ImageError
from model.images.limits import Budget
from model.images.preprocessing import PreparedImage
from model.inference import CARD_FILE_NAME, EXAMPLES_FILE_NAME, read_file
from model.inference.answer import Output, answer, error_answer
from model.inference.classifier import Classifier

if TYPE_CHECKING:
    from ts.context import Context

Outcome = PreparedImage | ImageError
# Length up to which an error lists the classes.
MAX_LIST_LENGTH = 500
# Width and height of the picture that probes send, which is not counted among the answers.
PROBE_SIZE = (1, 1)
# Decoding work for the pictures of one request, in units of the largest picture: about a second.
MAX_WORK = 4


class ImageHandler:
    """Classifies batches of pictures; TorchServe creates one handler for each worker.

    A request carries one picture as its raw body or as the multipart field ``data``, or several in
    base64 as KServe's ``{"instances": [{"b64": …}]}``. A header or field ``top_k`` shortens the
    answer, and ``model_input`` adds the picture as the network sees it. Every answer is JSON: that
    of ``model.inference.answer``, a list of these under ``predictions`` for instances, or
    ``{"code", "type", "message"}`` with the same HTTP status. A picture that can't be read does not
    affect the others of its batch. Who asks for a description of the model gets its card, with the
    ``examples`` of the archive if it has some. Who sends a picture to be explained also gets its
    ``explanation``, of a ``class`` or the likeliest ones.
    """

    def initialize(self, context: "Context") -> None:
        """Load the unpacked archive, and compute once, so that the first request is not slower.

        Args:
            context: TorchServe's context of this worker.

        Raises:
            OSError, ValueError: The archive is damaged.
        """
        directory = Path(context.system_properties["model_dir"])
        threads = context.model_yaml_config["handler"]["threads"]
        self._classifier = Classifier.load(directory, threads)
        self._description = _describe(directory)
        card, size = self._classifier.card, self._classifier.card.image_size
        self._classifier.compute(np.zeros((1, size, size, 3), np.uint8))
        self._metrics = HandlerMetrics(context.metrics, context.model_name, card)
        self._metrics.start()
        context.metrics = self._metrics
        logging.getLogger(__name__).info("%s answers in %s", card.name, self._classifier.precision)
        # TorchServe logs a line for each batch, which Java would only parse and drop.
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger("ts.metrics").setLevel(logging.INFO)
        # So that TorchServe does not parse bodies that claim to be JSON or text.
        os.environ["TS_DECODE_INPUT_REQUEST"] = "false"
        buffer_messages()

    def handle(self, data: list[dict[str, Any]], context: "Context") -> list[bytes]:
        """Answer a batch of requests.

        Args:
            data: One dict per request, with the picture under ``data`` or ``body``.
            context: TorchServe's context, which takes the status and content type of each answer.

        Returns:
            One JSON document per request, in order.
        """
        headers = [context.get_all_request_header(index) for index in range(len(data))]
        requests = [self._read(*each) for each in zip(data, headers, strict=True)]
        outcomes = []
        for request in requests:
            budget = Budget(MAX_WORK)
            outcomes.append([self._prepare(image, budget) for image in request.images])
        images = [each for row in outcomes for each in row if isinstance(each, PreparedImage)]
        outputs = iter(self._classify(images) if images else ())
        explanations = [self._explain(*each) for each in zip(requests, outcomes, strict=True)]
        started = perf_counter()
        documents = []
        for index, (request, row) in enumerate(zip(requests, outcomes, strict=True)):
            context.set_response_content_type(index, "application/json")
            if not request.images:
                documents.append(self._description)
                continue
            answers = [self._answer(request, outcome, outputs) for outcome in row]
            answers[0] |= explanations[index]
            status = _status(row)
            if status != HTTPStatus.OK:
                context.set_response_status(status.value, status.phrase, index)
            if not any(isinstance(value, str) for value in headers[index].values()):
                # Only gRPC sends no headers. Without this one, its StreamPredictions waits for more
                # answers, and TorchServe 0.12 fails and restarts the worker; REST must not have it.
                context.set_response_header(index, "ts_stream_next", "false")
            as_predictions = request.as_instances and status == HTTPStatus.OK
            document = {"predictions": answers} if as_predictions else answers[0]
            documents.append(orjson.dumps(document))
        self._metrics.observe("handler_encode_seconds", perf_counter() - started)
        return documents

    def _read(self, row: dict[str, Any], headers: dict[str, Any]) -> ImageRequest:
        # TorchServe asks like this for `GET /models/cifar10?customized=true`, without a picture.
        if headers.get("describe") == "True" and not any(row.values()):
            return ImageRequest([])
        try:
            request = read_request(row, headers)
        except ImageError as error:
            return ImageRequest([error])
        classes = self._classifier.card.class_names
        if request.explain and request.explained_class not in {None, *classes}:
            known = ", ".join(classes)[:MAX_LIST_LENGTH]
            return ImageRequest([InvalidParameterError(f"class must be one of these: {known}.")])
        return request

    def _prepare(self, image: bytes | ImageError, budget: Budget) -> Outcome:
        if isinstance(image, ImageError):
            return image
        started = perf_counter()
        try:
            return self._classifier.prepare(image, budget)
        except ImageError as error:
            return error
        finally:
            self._metrics.observe("handler_decode_seconds", perf_counter() - started)

    def _classify(self, images: list[PreparedImage]) -> list[Output]:
        started = perf_counter()
        outputs = self._classifier.classify_prepared(images)
        self._metrics.observe("handler_inference_seconds", perf_counter() - started)
        self._metrics.observe("handler_batch_size", len(images))
        return outputs

    def _explain(self, request: ImageRequest, outcomes: list[Outcome]) -> dict[str, Any]:
        if not request.explain or not isinstance(outcomes[0], PreparedImage):
            return {}
        started = perf_counter()
        explanation = self._classifier.explain(outcomes[0], request.explained_class)
        self._metrics.observe("handler_explanation_seconds", perf_counter() - started)
        return {"explanation": explanation}

    def _answer(
        self, request: ImageRequest, outcome: Outcome, outputs: Iterator[Output]
    ) -> dict[str, Any]:
        if isinstance(outcome, ImageError):
            self._metrics.count("handler_refusals_total", type(outcome).__name__)
            return error_answer(outcome)
        answered = answer(
            self._classifier.card,
            next(outputs),
            outcome,
            request.top_k,
            model_input=request.model_input,
        )
        if (outcome.width, outcome.height) != PROBE_SIZE:
            self._metrics.count_answer(answered)
        return answered


def _describe(directory: Path) -> bytes:
    description = orjson.loads(read_file(directory, CARD_FILE_NAME))
    with suppress(FileNotFoundError):
        description["examples"] = orjson.loads(read_file(directory, EXAMPLES_FILE_NAME))
    return orjson.dumps(description)


def _status(outcomes: list[Outcome]) -> HTTPStatus:
    """Return 200 if there is at least one answer, else the status of the first error."""
    codes = [each.code for each in outcomes if isinstance(each, ImageError)]
    return HTTPStatus(codes[0]) if len(codes) == len(outcomes) else HTTPStatus.OK
