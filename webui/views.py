"""The pages, which are the form and the result, and the probes."""

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

from webui.code_snippets import CodeSnippets, create_code_snippets
from webui.error_handling import log_error
from webui.errors import (
    EmptyFileError,
    InternalError,
    UploadTooLargeError,
    WebUIError,
)
from webui.negotiation import negotiated, wants_card, wants_json
from webui.torchserve.predictions import Prediction
from webui.torchserve.versions import PARAMETER, asked_versions, list_versions
from webui.uploads import FIELD_NAME, Upload, read_uploads, to_data_uri

if TYPE_CHECKING:
    from webui.torchserve.client import TorchServeClient

# Number of pictures of one form that are sent on at a time, so that each of TorchServe's workers
# always finds the next one waiting.
PICTURES_AT_ONCE = 4
# Number of classes that an answer shows at once; a click shows the others.
SHOWN_CLASSES = 5
# Pages that can be asked for again in another language.
LASTING_PAGES = {"pages.show_form", "api.show_page"}
# Scripts that main.js imports, directly or not; a page that names them fetches them all at once.
MODULES = sorted(
    f"modules/{file.name}"
    for file in (Path(__file__).parent / "static" / "modules").glob("*.js")
    if file.name != "main.js"
)

pages = Blueprint("pages", __name__)
# Addresses for whatever monitors the program; they always answer in JSON.
probes = Blueprint("probes", __name__)


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
    def ranking(self) -> list[tuple[str, float]]:
        """The classes and their probabilities (0 to 1), the likeliest first."""
        return sorted(self.prediction["probabilities"].items(), key=lambda item: -item[1])


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

    @property
    def picture(self) -> str | None:
        """The picture as a ``data:`` URI, if browsers show its format."""
        return to_data_uri(self.upload.content)

    @property
    def code(self) -> CodeSnippets:
        """Code that asks for the same answer."""
        return create_code_snippets(self.upload.filename)


@pages.get("/")
def show_form() -> str:
    """Show the form that accepts pictures."""
    config = current_app.config
    most_bytes, most_pictures = config["MAX_UPLOAD_BYTES"], config["MAX_PICTURES"]
    return render_template(
        "form.html",
        field_name=FIELD_NAME,
        max_bytes=most_bytes,
        max_pictures=most_pictures,
        modules=MODULES,
        versions=list_versions(),
        chosen_version=request.args.get(PARAMETER),
        # The page's script finds these before it sends a picture, and shows the same words.
        errors=[EmptyFileError(), UploadTooLargeError(max_bytes=most_bytes)],
    )


@pages.get("/predict")
def show_form_again() -> BaseResponse:
    """Redirect those who reload or bookmark a result to the form."""
    return redirect(url_for("pages.show_form"), 303)


@pages.post("/predict")
def predict() -> Response:
    """Say what the model sees in each picture, as a page, as cards of it, or as JSON."""
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
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    slowest = max((answer.seconds for answer in answers), default=0)
    response.headers["Server-Timing"] = f"model;dur={slowest * 1000:.1f}"
    return negotiated(response)


@probes.get("/healthz")
def report_health() -> Response:
    """Say that the web UI runs, whatever TorchServe does."""
    return jsonify(status="ok")


@probes.get("/readyz")
def report_readiness() -> Response:
    """Say whether every worker of the model is ready."""
    client: TorchServeClient = current_app.extensions["torchserve"]
    client.require_ready()
    return jsonify(status="ready")


@probes.after_request
def forbid_storing(response: Response) -> Response:
    """Mark ``response`` as never to be stored: the state changes at any time."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _classify_all(uploads: list[Upload]) -> list[Outcome]:
    client: TorchServeClient = current_app.extensions["torchserve"]
    max_bytes = current_app.config["MAX_UPLOAD_BYTES"]
    with_model_input = not wants_json()
    versions = asked_versions()

    def ask(upload: Upload, version: str | None) -> Answer:
        started = perf_counter()
        prediction = client.predict(upload.content, version, with_model_input=with_model_input)
        return Answer(prediction, perf_counter() - started)

    def classify(upload: Upload) -> Outcome:
        try:
            upload.require_size(max_bytes)
            return Outcome(upload, tuple(ask(upload, version) for version in versions))
        except WebUIError as error:
            return Outcome(upload, error=error)

    if len(uploads) == 1:
        return [classify(uploads[0])]
    with ThreadPoolExecutor(PICTURES_AT_ONCE) as pool:
        futures = [pool.submit(classify, upload) for upload in uploads]
    return [_settle(upload, future) for upload, future in zip(uploads, futures, strict=True)]


def _settle(upload: Upload, future: "Future[Outcome]") -> Outcome:
    """Return what became of one picture of several, even if this program failed at it."""
    mistake = future.exception()
    outcome = Outcome(upload, error=InternalError()) if mistake else future.result()
    if outcome.error:
        log_error(outcome.error, mistake or outcome.error)
    return outcome


def _to_json(outcomes: list[Outcome]) -> object:
    """Return TorchServe's own answer, or for several pictures an answer or an error for each.

    If there is no answer at all, the first error stands for all. Where all versions were asked, a
    picture has the answer of each.
    """
    answers: list[object] = []
    for outcome in outcomes:
        predictions = [answer.prediction for answer in outcome.answers]
        answers += [outcome.error.as_dict()] if outcome.error else predictions
    if len(answers) == 1 or all(outcome.error for outcome in outcomes):
        return answers[0]
    return {"predictions": answers}


@pages.app_context_processor
def _describe_page() -> dict[str, object]:
    """Return what every template may need."""
    # A result is not among these, because its pictures are gone.
    lasting = request.method == "GET" and request.endpoint in LASTING_PAGES
    return {
        "shown_classes": SHOWN_CLASSES,
        "new_id": lambda: f"id-{uuid4().hex}",
        "page_endpoint": request.endpoint if lasting else "pages.show_form",
    }
