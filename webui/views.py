"""The pages: the form, and the result."""

from typing import TYPE_CHECKING

from flask import (
    Blueprint,
    Response,
    current_app,
    jsonify,
    make_response,
    redirect,
    render_template,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from webui.answers import negotiated, wants_json
from webui.picture import to_data_uri
from webui.uploads import FIELD_NAME, read_upload

if TYPE_CHECKING:
    from webui.torchserve_client import TorchServeClient

pages = Blueprint("pages", __name__)


@pages.get("/")
def show_form() -> str:
    """Show the form that takes a picture."""
    return render_template(
        "form.html", field_name=FIELD_NAME, max_bytes=current_app.config["MAX_UPLOAD_BYTES"]
    )


@pages.get("/predict")
def show_form_again() -> BaseResponse:
    """Lead those who reload or bookmark a result back to the form."""
    return redirect(url_for("pages.show_form"), 303)


@pages.post("/predict")
def predict() -> Response:
    """Answer what the model sees in the picture, as a page or as TorchServe's own JSON."""
    content, filename = read_upload(current_app.config["MAX_UPLOAD_BYTES"])
    client: TorchServeClient = current_app.extensions["torchserve"]
    prediction = client.predict(content)
    if wants_json():
        return negotiated(jsonify(prediction))
    ranking = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])
    page = render_template(
        "result.html",
        prediction=prediction,
        ranking=ranking,
        filename=filename,
        picture=to_data_uri(content),
        field_name=FIELD_NAME,
    )
    return negotiated(make_response(page))
