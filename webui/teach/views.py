"""The page that teaches: classes, their pictures, the training, and what it has trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask_babel import lazy_gettext as _
from werkzeug.wrappers import Response as BaseResponse

from webui.errors import BadRequestError
from webui.negotiation import negotiated
from webui.pictures.classification import Outcome, classify_all
from webui.pictures.uploads import FIELD_NAME, read_uploads
from webui.settings import Settings, is_model_name
from webui.teach.classes import Classes, TaughtClass
from webui.teach.commands import deploy, try_out
from webui.teach.training import Training, can_train

# Numbers of classes and of pictures of each with which a training works, and the number of pictures
# with which it works well.
LEAST_CLASSES, LEAST_PICTURES, GOOD_PICTURES = 2, 5, 20
# Settings that say where TorchServe and its models are.
DEPLOY_SETTINGS = (
    *("MODEL_STORE", "TORCHSERVE_RUN_DIRECTORY"),
    *("TORCHSERVE_INFERENCE_PORT", "TORCHSERVE_MANAGEMENT_PORT"),
)
# Seconds for which a browser keeps a picture, whose name changes with its content.
PICTURE_SECONDS = 30 * 24 * 3600

teach = Blueprint("teach", __name__, url_prefix="/teach")


class Lessons(NamedTuple):
    """What is taught, and the training."""

    classes: Classes
    training: Training

    @classmethod
    def of(cls, settings: Settings) -> "Lessons":
        """Return what is in the folder that the settings name."""
        directory = settings.teach_directory.resolve()
        return cls(Classes(directory / "pictures"), Training(directory, directory / "pictures"))


@teach.get("")
def show() -> Response:
    """Show the classes with their pictures, and what became of the training."""
    return _show()


@teach.post("/classes")
def add_class() -> BaseResponse:
    """Add a class."""
    return _return_to_class(_lessons().classes.add(request.form.get("name", "")))


@teach.post("/classes/<name>/remove")
def remove_class(name: str) -> BaseResponse:
    """Remove a class with its pictures."""
    _lessons().classes.remove(name)
    return _return_to("classes")


@teach.post("/classes/<name>/pictures")
def add_pictures(name: str) -> Response:
    """Add pictures to a class, but for those that the model can't read."""
    classes = _lessons().classes
    classes.folder(name)
    outcomes = classify_all(read_uploads())
    for outcome in outcomes:
        if prediction := outcome.prediction:
            kind = prediction.get("image", {}).get("format", "picture")
            classes.add_picture(name, outcome.upload.content, kind)
    return _show(refused=[outcome for outcome in outcomes if outcome.error])


@teach.get("/classes/<name>/pictures/<picture>")
def show_picture(name: str, picture: str) -> Response:
    """Send a picture of a class."""
    folder = _lessons().classes.folder(name)
    return send_from_directory(folder, picture, max_age=PICTURE_SECONDS)


@teach.post("/classes/<name>/pictures/remove")
def remove_picture(name: str) -> BaseResponse:
    """Remove a picture of a class."""
    _lessons().classes.remove_picture(name, request.form.get("picture", ""))
    return _return_to_class(name)


@teach.post("/training")
def train() -> BaseResponse:
    """Train, or go on with what was stopped; where a training is under way, nothing changes."""
    lessons = _lessons()
    if not can_train() or not _is_enough(lessons.classes.list()):
        raise BadRequestError(
            text=_("Training needs PyTorch, and two classes with five pictures each.")
        )
    lessons.training.start(go_on="go-on" in request.form)
    return _return_to("training")


@teach.post("/training/stop")
def stop() -> BaseResponse:
    """Stop the training, which can go on later."""
    _lessons().training.stop()
    return _return_to("training")


@teach.post("/try")
def try_model() -> Response:
    """Say what the trained model sees in pictures."""
    run = _find_trained_run()
    return _show(tried=[try_out(run, upload) for upload in read_uploads()])


@teach.post("/keep")
def keep() -> BaseResponse:
    """Archive the trained model under a name, and serve it beside the others."""
    run, config, name = _find_trained_run(), current_app.config, request.form.get("name", "")
    if not is_model_name(name) or name == config["MODEL_NAME"]:
        raise BadRequestError(
            text=_(
                "A model's name has letters, digits, “_”, “-” and “.”, with a letter or a digit "
                "first, and is not that of the first model. Choose another name."
            )
        )
    deploy(run, name, {variable: str(config[variable]) for variable in DEPLOY_SETTINGS})
    _lessons().training.remember_kept(name)
    return _return_to("keep")


def _lessons() -> Lessons:
    lessons: Lessons = current_app.extensions["lessons"]
    return lessons


def _find_trained_run() -> Path:
    job = _lessons().training.look()
    if job.state != "trained" or not job.run:
        raise BadRequestError(text=_("There is no trained model yet. Train one first."))
    return job.run


def _is_enough(classes: Sequence[TaughtClass]) -> bool:
    fewest = min((len(each.pictures) for each in classes), default=0)
    return len(classes) >= LEAST_CLASSES and fewest >= LEAST_PICTURES


def _show(*, tried: Sequence[Outcome] = (), refused: Sequence[Outcome] = ()) -> Response:
    lessons = _lessons()
    classes = lessons.classes.list()
    page = render_template(
        "teach.html",
        field_name=FIELD_NAME,
        classes=classes,
        least_pictures=LEAST_PICTURES,
        good_pictures=GOOD_PICTURES,
        can_train=can_train(),
        is_enough=_is_enough(classes),
        job=lessons.training.look(),
        tried=tried,
        refused=refused,
    )
    return negotiated(make_response(page))


def _return_to_class(name: str) -> BaseResponse:
    names = [each.name for each in _lessons().classes.list()]
    return _return_to(f"class-{1 + names.index(name)}")


def _return_to(part: str) -> BaseResponse:
    return redirect(url_for("teach.show", _anchor=part), 303)
