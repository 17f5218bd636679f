"""The start page, its answers and explanations, and what the model knows."""

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from webui.errors import EmptyFileError, UploadTooLargeError, WebUIError
from webui.negotiation import json_or_page, wants_card, wants_json
from webui.pages.introduction import introduce
from webui.pictures.classification import Outcome, classify_all
from webui.pictures.uploads import FIELD_NAME, read_explained_upload, read_uploads
from webui.torchserve.models import MODEL, chosen_model

# Parameter that names the version of the model, and its value for all versions side by side.
VERSION, ALL_VERSIONS = "version", "all"
# Number of classes that an answer shows at once; a click shows the others.
SHOWN_CLASSES = 5
# Pages that can be asked for again in another language.
LASTING_PAGES = {"pages.show_form", "pages.show_card", "api.show_page"}
# Scripts that main.js imports, directly or not; a page that names them fetches them all at once.
MODULES = sorted(
    f"modules/{file.name}"
    for file in (Path(__file__).parents[1] / "static" / "modules").glob("*.js")
    if file.name != "main.js"
)

pages = Blueprint("pages", __name__)


@pages.get("/")
def show_form() -> str:
    """Show the form that accepts pictures."""
    max_bytes = current_app.config["MAX_UPLOAD_BYTES"]
    workers, chosen_version = _find_workers(), request.args.get(VERSION)
    descriptions = chosen_model().descriptions
    return render_template(
        "form.html",
        field_name=FIELD_NAME,
        modules=MODULES,
        models=_find_models(),
        chosen_model=request.args.get(MODEL),
        versions=[*workers],
        chosen_version=chosen_version,
        introduction=introduce(descriptions, workers, chosen_version),
        # The page's script finds these before it sends a picture, and shows the same words.
        errors=[EmptyFileError(), UploadTooLargeError(max_bytes=max_bytes)],
    )


@pages.get("/predict")
def show_form_again() -> BaseResponse:
    """Redirect those who reload or bookmark a result to the form."""
    return redirect(url_for("pages.show_form"), 303)


@pages.post("/predict")
def predict() -> Response:
    """Say what the model sees in each picture, as a page, as cards of it, or as JSON."""
    with current_app.extensions["admission"].turn(read_uploads) as uploads:
        asked = request.args.get(VERSION) or None
        versions = chosen_model().client.fetch_workers() if asked == ALL_VERSIONS else [asked]
        return _answer(classify_all(uploads, versions, with_model_input=not wants_json()))


@pages.get("/explain")
def show_explanation() -> str:
    """Return the part of the page in which its script explains an answer."""
    return render_template("explanation.html")


@pages.post("/explain")
def explain() -> Response:
    """Say in JSON what the model sees in a picture, and which parts of it count for that."""
    with current_app.extensions["admission"].turn(read_explained_upload) as uploads:
        return _answer(classify_all(uploads, [request.args.get(VERSION) or None], explain=True))


def _answer(outcomes: list[Outcome]) -> Response:
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors and len(outcomes) == 1:
        raise errors[0]
    template = "card.html" if wants_card() else "result.html"
    response = json_or_page(_to_json(outcomes), template, outcomes=outcomes)
    if len(errors) == len(outcomes):
        response.status_code = errors[0].code
        response.headers.update(errors[0].headers)
    return response


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


@pages.get("/model")
def show_card() -> Response:
    """Say what the model knows and how good it is: as a page, or as the card itself."""
    asked = request.args.get(VERSION) or None
    with current_app.extensions["admission"].probe():
        # Where all versions are compared, the links lead here with their name.
        card = chosen_model().client.fetch_description(None if asked == ALL_VERSIONS else asked)
    card.pop("examples", None)
    recalls = [*zip(card["class_names"], card.get("recalls", ()), strict=False)]
    bands = [
        (f"{100 * low:g} – {100 * high:g} %", share) for low, high, share in card.get("bands", ())
    ]
    strangers = [(_name_strangers(kind), share) for kind, _, share in card.get("strangers", ())]
    return json_or_page(
        card, "model.html", card=card, recalls=recalls, bands=bands, strangers=strangers
    )


def _name_strangers(kind: str) -> str:
    names: dict[str, str] = {
        "noise": _("noise"),
        "flat colours": _("flat colours"),
        "letters and digits": _("letters and digits"),
        "textures": _("textures"),
        "test images": _("its own classes, by mistake"),
    }
    return names.get(kind, kind)


def _find_workers() -> dict[str, list[str]]:
    """Return the workers of all versions, the default first; none where TorchServe is away."""
    with suppress(WebUIError):
        return chosen_model().client.fetch_workers()
    return {}


def _find_models() -> list[str]:
    """Return the models that one may choose among, the default first; none without a choice."""
    if current_app.config["TEACHES"]:
        default = current_app.config["MODEL_NAME"]
        with suppress(WebUIError):
            return [default, *sorted(chosen_model().client.fetch_models() - {default})]
    return []


@pages.app_url_defaults
def _keep_choice(endpoint: str, values: dict[str, object]) -> None:
    """Pass the model and the version that were chosen on to every page that a page links to."""
    for choice in (MODEL, VERSION):
        if request and (chosen := request.args.get(choice)) and endpoint != "static":
            values.setdefault(choice, chosen)


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
