"""The TorchServe handler: bytes of a picture in, the JSON answer out; ``model/`` does the work."""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from handler.image_request import ImageRequest, read_request
from handler.measurements import Measurements
from handler.read_ahead import read_ahead
from model import model_card, onnx_net
from model.answers import answer, error_answer
from model.image_errors import MAX_PIXELS, ImageError, ImageTooLargeError
from model.model_card import ModelCard
from model.onnx_net import OnnxNet
from model.preprocessing import PreparedImage, prepare

if TYPE_CHECKING:
    from ts.context import Context

Outcome = PreparedImage | ImageError
# Of the processor, for the pictures of one request. A picture may cost half a second and be found
# damaged at its end, and a whole batch must be answered within the responseTimeout of
# model-config.yaml.
MAX_DECODE_SECONDS = 2.0


class ImageHandler:
    """Classifies batches of pictures; TorchServe makes one for each worker.

    A request carries the picture as its raw body, as the multipart field ``data``, or several in
    base64 as KServe's ``{"instances": [{"b64": …}]}``; a header or field ``top_k`` shortens the
    answer, ``model_input`` adds the picture as the net sees it. Every answer is JSON: the one of
    ``model.answers``, one a picture under ``predictions`` for instances, or
    ``{"code", "type", "message"}`` with the same HTTP status. A picture that can't be read costs
    the others of its batch nothing.
    """

    def initialize(self, context: "Context") -> None:
        """Load the unpacked archive and answer once, so that no request pays for the first time.

        Args:
            context: TorchServe's ``ts.context.Context``.

        Raises:
            OSError, ValueError: the archive is damaged.
        """
        directory = Path(context.system_properties["model_dir"])
        self._card = ModelCard.from_json((directory / model_card.FILE_NAME).read_text("utf-8"))
        threads = context.model_yaml_config["handler"]["threads"]
        self._net = OnnxNet((directory / onnx_net.FILE_NAME).read_bytes(), threads)
        size = self._card.image_size
        self._net.probabilities(np.zeros((1, size, size, 3), np.uint8))
        self._measurements = Measurements(context.metrics, context.model_name)
        self._measurements.start()
        context.metrics = self._measurements
        _spare_torchserves_work()

    def handle(self, data: list[dict[str, Any]], context: "Context") -> list[bytes]:
        """Answer a batch of requests.

        Args:
            data: a dict per request, with the picture under ``data`` or ``body``.
            context: takes the status and the content type of each answer.

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
            together = request.as_instances and status == HTTPStatus.OK
            documents.append(orjson.dumps({"predictions": answers} if together else answers[0]))
        self._measurements.observe("handler_encode_seconds", perf_counter() - started)
        return documents

    def _prepare_all(self, request: ImageRequest) -> list[Outcome]:
        pixels, started = 0, process_time()
        outcomes: list[Outcome] = []
        for image in request.images:
            if isinstance(image, ImageError):
                outcomes.append(image)
                continue
            spent = pixels > MAX_PIXELS or process_time() - started > MAX_DECODE_SECONDS
            outcome = _no_more() if spent else self._prepare(image)
            if isinstance(outcome, PreparedImage):
                pixels += outcome.width * outcome.height
            outcomes.append(outcome)
        return outcomes

    def _prepare(self, image: bytes) -> Outcome:
        started = perf_counter()
        try:
            return prepare(image, self._card.image_size)
        except ImageError as error:
            return error
        finally:
            self._measurements.observe("handler_decode_seconds", perf_counter() - started)

    def _classify(self, images: list[PreparedImage]) -> list[list[float]]:
        started = perf_counter()
        # One picture is the rule, and needs no copy.
        first = images[0].pixels[np.newaxis]
        pixels = np.stack([image.pixels for image in images]) if images[1:] else first
        probabilities: list[list[float]] = self._net.probabilities(pixels).tolist()
        self._measurements.observe("handler_inference_seconds", perf_counter() - started)
        self._measurements.observe("handler_batch_size", len(images))
        return probabilities

    def _answer(
        self, request: ImageRequest, outcome: Outcome, probabilities: Iterator[list[float]]
    ) -> dict[str, Any]:
        if isinstance(outcome, ImageError):
            self._measurements.count("handler_refusals_total", type(outcome).__name__)
            return error_answer(outcome)
        answered = answer(
            self._card,
            next(probabilities),
            outcome,
            request.top_k,
            model_input=request.model_input,
        )
        self._measurements.count("handler_predictions_total", answered["label"])
        return answered


def _read(row: dict[str, Any], headers: dict[str, Any]) -> ImageRequest:
    try:
        return read_request(row, headers)
    except ImageError as error:
        return ImageRequest([error], top_k=None, model_input=False, as_instances=False)


def _no_more() -> ImageError:
    return ImageTooLargeError(
        f"The instances before this one have more than {MAX_PIXELS / 1e6:.0f} million pixels "
        "together, or took too long to decode. Send it in a request of its own."
    )


def _status(outcomes: list[Outcome]) -> HTTPStatus:
    """Return 200 where there is any answer, else the status of the first error."""
    first = outcomes[0]
    if isinstance(first, ImageError) and all(isinstance(each, ImageError) for each in outcomes):
        return HTTPStatus(first.code)
    return HTTPStatus.OK


def _spare_torchserves_work() -> None:
    """Leave out what TorchServe does for each batch and nobody needs."""
    # A line "Backend received inference", which Java reads, and drops.
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("ts.metrics").setLevel(logging.INFO)
    # Parsing what calls itself JSON or text, too: whether it is, its content says.
    read_ahead()
