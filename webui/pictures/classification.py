"""Several pictures of one request, and what became of each."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from flask import current_app, g

from webui.error_handling import log_error
from webui.errors import EmptyFileError, UploadTooLargeError, WebUIError
from webui.pictures.uploads import Upload
from webui.torchserve.models import chosen_model
from webui.torchserve.predictions import Prediction

# Number of pictures of one request that are sent on at a time, so that each of TorchServe's workers
# always finds the next one waiting.
PICTURES_AT_ONCE = 4
# Shares of held-out pictures that were right from which an answer is sure, and from which probable.
SURE, PROBABLE = 0.9, 0.65


@dataclass(frozen=True)
class Answer:
    """What a version of the model sees in a picture.

    Attributes:
        prediction: TorchServe's answer.
        seconds: How long it took.
    """

    prediction: Prediction
    seconds: float

    @property
    def certainty(self) -> Literal["sure", "probable", "unsure", "unknown"] | None:
        """How often the model is right when it is this sure; None if nobody has counted.

        What it takes for none of its classes is unknown, however sure it is.
        """
        if self.prediction.get("known") is False:
            return "unknown"
        match self.prediction.get("reliability"):
            case {"right": float() | int() as right}:
                return "sure" if right >= SURE else "probable" if right >= PROBABLE else "unsure"
        return None


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

    Attributes:
        upload: The picture.
        answers: What each version that was asked sees in it; none if there was an error.
        error: Why there was no answer, otherwise.
    """

    upload: Upload
    answers: tuple[Answer, ...] = ()
    error: WebUIError | None = None

    @property
    def prediction(self) -> Prediction | None:
        """The first answer, if there is one."""
        return self.answers[0].prediction if self.answers else None


def classify_all(
    uploads: list[Upload],
    versions: Collection[str | None] = (None,),
    *,
    with_model_input: bool = False,
    explain: bool = False,
) -> list[Outcome]:
    """Ask TorchServe about pictures, several at a time, and return what became of each, in order.

    Args:
        uploads: The pictures.
        versions: The versions of the model that shall answer; None is TorchServe's default.
        with_model_input: Whether to ask for the pixels that the model saw, too.
        explain: Whether to ask which parts of a picture count for the answer, too.
    """
    client = chosen_model().client
    sending = current_app.extensions["admission"].sending
    max_bytes = current_app.config["MAX_UPLOAD_BYTES"]
    request_id: str = g.request_id

    def ask(upload: Upload, version: str | None) -> Answer:
        started = perf_counter()
        with sending(upload):
            prediction = client.predict(
                upload.content,
                version,
                request_id,
                with_model_input=with_model_input,
                explain=explain,
            )
        return Answer(prediction, perf_counter() - started)

    def classify(upload: Upload) -> Outcome:
        try:
            if not upload.content:
                raise EmptyFileError
            if len(upload.content) > max_bytes:
                raise UploadTooLargeError(max_bytes=max_bytes)
            return Outcome(upload, tuple(ask(upload, version) for version in versions))
        except WebUIError as error:
            return Outcome(upload, error=error)

    if len(uploads) == 1:
        return [classify(uploads[0])]
    with ThreadPoolExecutor(PICTURES_AT_ONCE) as pool:
        outcomes = list(pool.map(classify, uploads))
    for outcome in outcomes:
        if outcome.error:
            log_error(outcome.error, outcome.error)
    return outcomes
