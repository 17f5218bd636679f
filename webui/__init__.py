"""The web UI: a form that takes a picture, and a page that says what the model sees in it."""

import os

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from webui.answers import answer_exception
from webui.probes import probes
from webui.security import add_security_headers
from webui.settings import Settings
from webui.torchserve_client import TorchServeClient
from webui.uploads import (
    FORM_OVERHEAD_BYTES,
    MOST_FORM_PARTS,
    MOST_TEXT_BYTES,
    InMemoryRequest,
)
from webui.views import pages
from webui.wording import describe_image, format_percentage, format_size


class OrderedJSONProvider(DefaultJSONProvider):
    """Keeps TorchServe's order of classes, which is from the likeliest to the least likely."""

    sort_keys = False
    ensure_ascii = False


def create_app(settings: Settings | None = None) -> Flask:
    """Return the web UI as a WSGI application; without `settings`, the environment's are used.

    Raises SettingsError when the environment holds a value that cannot be used.
    """
    if settings is None:
        settings = Settings.from_environment(os.environ)
    app = Flask(__name__)
    app.request_class = InMemoryRequest
    app.json = OrderedJSONProvider(app)
    app.config.update(
        MAX_UPLOAD_BYTES=settings.max_upload_bytes,
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + FORM_OVERHEAD_BYTES,
        MAX_FORM_PARTS=MOST_FORM_PARTS,
        MAX_FORM_MEMORY_SIZE=MOST_TEXT_BYTES,
    )
    app.extensions["torchserve"] = TorchServeClient(settings)
    app.jinja_env.filters.update(
        percentage=format_percentage, size=format_size, image_description=describe_image
    )
    app.register_blueprint(pages)
    app.register_blueprint(probes)
    app.register_error_handler(Exception, answer_exception)
    app.after_request(add_security_headers)
    return app
