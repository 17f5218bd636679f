"""The pages: the form, and the result."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import uuid4

from flask import (
    Blueprint,
    Response,
    current_app,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from webui.answers import log_error, negotiated, wants_card, wants_json
from webui.code_snippets import CodeSnippets, create_code_snippets
from webui.errors import (
    EmptyFileError,
    InternalError,
    NoFileError,
    TooManyPicturesError,
    UploadTooLargeError,
    WebUIError,
)
from webui.picture import to_data_uri
from webui.prediction import Prediction
from webui.uploads import FIELD_NAME, Upload, read_uploads

if TYPE_CHECKING:
    from webui.torchserve_client import TorchServeClient

# Of the pictures of one form. TorchServe's workers are as many, and always find the next waiting.
PICTURES_AT_ONCE = 4
# The others wait behind a click.
SHOWN_CLASSES = 5
LASTING_PAGES = {"pages.show_form", "api.show_page"}
# What main.js imports, directly or not; named in the page, they are all fetched at once.
MODULES = sorted(
    {file.name for file in (Path(__file__).parent / "static").glob("*.js")}
    - {"main.js", "theme.js"}
)

pages = Blueprint("pages", __name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one picture: a prediction or an error, and the seconds that it took."""

    upload: Upload
    prediction: Prediction | None
    error: WebUIError | None
    seconds: float

    @property
    def ranking(self) -> list[tuple[str, float]]:
        """The classes and their probabilities, the likeliest first."""
        probabilities = self.prediction["probabilities"] if self.prediction else {}
        return sorted(probabilities.items(), key=lambda item: -item[1])

    @property
    def picture(self) -> str | None:
        """The picture as a data: URI where browsers show its format."""
        return to_data_uri(self.upload.content)

    @property
    def code(self) -> CodeSnippets:
        """The calls that ask for the same."""
        return create_code_snippets(self.upload.filename)


@pages.get("/")
def show_form() -> str:
    """Show the form that takes pictures."""
    config = current_app.config
    most_bytes, most_pictures = config["MAX_UPLOAD_BYTES"], config["MAX_PICTURES"]
    return render_template(
        "form.html",
        field_name=FIELD_NAME,
        max_bytes=most_bytes,
        max_pictures=most_pictures,
        modules=MODULES,
        # What the page's script checks before it sends a picture, in the same words.
        errors=[
            NoFileError(),
            EmptyFileError(),
            UploadTooLargeError(most_bytes),
            TooManyPicturesError(most_pictures),
        ],
    )


@pages.get("/predict")
def show_form_again() -> BaseResponse:
    """Lead those who reload or bookmark a result back to the form."""
    return redirect(url_for("pages.show_form"), 303)


@pages.post("/predict")
def predict() -> Response:
    """Answer what the model sees in each picture: as a page, as cards of it, or as JSON."""
    outcomes = _classify_all(read_uploads())
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors and len(outcomes) == 1:
        raise errors[0]
    if wants_json():
        response = jsonify(_to_json(outcomes))
    else:
        name = "card.html" if wants_card() else "result.html"
        response = make_response(render_template(name, outcomes=outcomes))
    if len(errors) == len(outcomes):
        response.status_code = errors[0].code
        response.headers.update(errors[0].headers)
    slowest = max(outcome.seconds for outcome in outcomes)
    response.headers["Server-Timing"] = f"model;dur={slowest * 1000:.1f}"
    return negotiated(response)


def _classify_all(uploads: list[Upload]) -> list[Outcome]:
    client: TorchServeClient = current_app.extensions["torchserve"]
    max_bytes = current_app.config["MAX_UPLOAD_BYTES"]
    with_model_input = not wants_json()

    def classify(upload: Upload) -> Outcome:
        started = perf_counter()
        try:
            upload.require_size(max_bytes)
            prediction = client.predict(upload.content, with_model_input=with_model_input)
        except WebUIError as error:
            return Outcome(upload, None, error, perf_counter() - started)
        return Outcome(upload, prediction, None, perf_counter() - started)

    if len(uploads) == 1:
        return [classify(uploads[0])]
    with ThreadPoolExecutor(PICTURES_AT_ONCE) as pool:
        futures = [pool.submit(classify, upload) for upload in uploads]
    return [_settle(upload, future) for upload, future in zip(uploads, futures, strict=True)]


def _settle(upload: Upload, future: "Future[Outcome]") -> Outcome:
    """Return what became of one picture of several, even of one that met a mistake in here."""
    mistake = future.exception()
    outcome = Outcome(upload, None, InternalError(), 0) if mistake else future.result()
    if outcome.error:
        log_error(outcome.error, mistake or outcome.error)
    return outcome


def _to_json(outcomes: list[Outcome]) -> object:
    """Return TorchServe's own answer, or for several pictures one or an error for each.

    Where there is no answer at all, the first error stands for all.
    """
    answers = [
        outcome.error.as_dict() if outcome.error else outcome.prediction for outcome in outcomes
    ]
    if len(answers) == 1 or all(outcome.error for outcome in outcomes):
        return answers[0]
    return {"predictions": answers}


@pages.app_context_processor
def _describe_page() -> dict[str, object]:
    """Return what every template may use."""
    # A result cannot be asked for again in another language: its pictures are gone.
    lasting = request.method == "GET" and request.endpoint in LASTING_PAGES
    return {
        "shown_classes": SHOWN_CLASSES,
        "new_id": lambda: f"id-{uuid4().hex}",
        "page_endpoint": request.endpoint if lasting else "pages.show_form",
    }
