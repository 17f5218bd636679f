"""The TorchServe handler: bytes of a picture in, JSON answer out; ``model/`` does the work."""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from handler.metrics import HandlerMetrics
from handler.read_ahead import install_read_ahead
from handler.request import ImageRequest, read_request
from model.images.errors import MAX_PIXELS, ImageError, ImageTooLargeError
from model.images.preprocessing import PreparedImage
from model.inference.answer import answer, error_answer
from model.inference.classifier import Classifier

if TYPE_CHECKING:
    from ts.context import Context

Outcome = PreparedImage | ImageError
# Seconds of processor time for decoding the pictures of one request. A picture may take half a
# second and turn out damaged at its end, and a whole batch must be answered within the
# responseTimeout of model-config.yaml.
MAX_DECODE_SECONDS = 2.0


class ImageHandler:
    """Classifies batches of pictures; TorchServe creates one handler for each worker.

    A request carries one picture as its raw body or as the multipart field ``data``, or several in
    base64 as KServe's ``{"instances": [{"b64": …}]}``. A header or field ``top_k`` shortens the
    answer, and ``model_input`` adds the picture as the network sees it. Every answer is JSON: that
    of ``model.inference.answer``, a list of these under ``predictions`` for instances, or
    ``{"code", "type", "message"}`` with the same HTTP status. A picture that can't be read does not
    affect the others of its batch.
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
        card, size = self._classifier.card, self._classifier.card.image_size
        self._classifier.probabilities(np.zeros((1, size, size, 3), np.uint8))
        self._metrics = HandlerMetrics(context.metrics, context.model_name)
        self._metrics.start()
        context.metrics = self._metrics
        logging.getLogger(__name__).info("%s answers in %s", card.name, self._classifier.precision)
        # TorchServe logs a line for each batch, which Java would only parse and drop.
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger("ts.metrics").setLevel(logging.INFO)
        # This also stops TorchServe from parsing bodies that claim to be JSON or text.
        install_read_ahead()

    def handle(self, data: list[dict[str, Any]], context: "Context") -> list[bytes]:
        """Answer a batch of requests.

        Args:
            data: One dict per request, with the picture under ``data`` or ``body``.
            context: TorchServe's context, which takes the status and content type of each answer.

        Returns:
            One JSON document per request, in order.
        """
        headers = [context.get_all_request_header(index) for index in range(len(data))]
        requests = [_read(*each) for each in zip(data, headers, strict=True)]
        outcomes = [self._prepare_all(request) for request in requests]
        images = [each for row in outcomes for each in row if isinstance(each, PreparedImage)]
        probabilities = iter(self._classify(images) if images else ())
        started = perf_counter()
        documents = []
        for index, (request, row) in enumerate(zip(requests, outcomes, strict=True)):
            answers = [self._answer(request, outcome, probabilities) for outcome in row]
            status = _status(row)
            if status != HTTPStatus.OK:
                context.set_response_status(status.value, status.phrase, index)
            context.set_response_content_type(index, "application/json")
            as_predictions = request.as_instances and status == HTTPStatus.OK
            document = {"predictions": answers} if as_predictions else answers[0]
            documents.append(orjson.dumps(document))
        self._metrics.observe("handler_encode_seconds", perf_counter() - started)
        return documents

    def _prepare_all(self, request: ImageRequest) -> list[Outcome]:
        pixels, started = 0, process_time()
        outcomes: list[Outcome] = []
        for image in request.images:
            outcome: Outcome
            if isinstance(image, ImageError):
                outcome = image
            elif pixels > MAX_PIXELS or process_time() - started > MAX_DECODE_SECONDS:
                outcome = ImageTooLargeError(
                    f"The instances before this one have more than {MAX_PIXELS / 1e6:.0f} million "
                    "pixels in total, or took too long to decode. Send this one in a request of "
                    "its own."
                )
            else:
                outcome = self._prepare(image)
            if isinstance(outcome, PreparedImage):
                pixels += outcome.width * outcome.height
            outcomes.append(outcome)
        return outcomes

    def _prepare(self, image: bytes) -> Outcome:
        started = perf_counter()
        try:
            return self._classifier.prepare(image)
        except ImageError as error:
            return error
        finally:
            self._metrics.observe("handler_decode_seconds", perf_counter() - started)

    def _classify(self, images: list[PreparedImage]) -> list[list[float]]:
        started = perf_counter()
        probabilities = self._classifier.classify_prepared(images)
        self._metrics.observe("handler_inference_seconds", perf_counter() - started)
        self._metrics.observe("handler_batch_size", len(images))
        return probabilities

    def _answer(
        self, request: ImageRequest, outcome: Outcome, probabilities: Iterator[list[float]]
    ) -> dict[str, Any]:
        if isinstance(outcome, ImageError):
            self._metrics.count("handler_refusals_total", type(outcome).__name__)
            return error_answer(outcome)
        answered = answer(
            self._classifier.card,
            next(probabilities),
            outcome,
            request.top_k,
            model_input=request.model_input,
        )
        self._metrics.count("handler_predictions_total", answered["label"])
        return answered


def _read(row: dict[str, Any], headers: dict[str, Any]) -> ImageRequest:
    try:
        return read_request(row, headers)
    except ImageError as error:
        return ImageRequest([error], top_k=None, model_input=False, as_instances=False)


def _status(outcomes: list[Outcome]) -> HTTPStatus:
    """Return 200 if there is at least one answer, else the status of the first error."""
    first = outcomes[0]
    if isinstance(first, ImageError) and all(isinstance(each, ImageError) for each in outcomes):
        return HTTPStatus(first.code)
    return HTTPStatus.OK
