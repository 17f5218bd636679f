"""The web UI: a form that accepts pictures, and a page that says what the model sees in them.

What happens to every request stands in this folder. Below it:

    pages/       the start page with its answers, what the model knows, and the probes
    pictures/    the pictures of a request: how they arrive, what they cost, what becomes of each
    torchserve/  what asks TorchServe
    openapi/     the description of the API
    protocols/   KServe's protocols
    teach/       the page that teaches a model classes of one's own
"""

from http import HTTPStatus

from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from flask_babel import format_decimal
from flask_compress import Compress
from werkzeug.middleware.proxy_fix import ProxyFix

from webui.admission import Admission
from webui.error_handling import answer_exception
from webui.languages import (
    Languages,
    describe_image,
    format_duration,
    format_percentage,
    format_size,
)
from webui.logs import add_request_id, identify_request
from webui.metrics import Metrics
from webui.openapi.code_snippets import create_code_snippets
from webui.openapi.view import api
from webui.pages.probes import probes
from webui.pages.views import pages
from webui.pictures.uploads import FORM_OVERHEAD_BYTES, MAX_OTHER_PARTS, MAX_TEXT_BYTES, FormRequest
from webui.protocols.views import kserve, open_inference
from webui.security import add_security_headers, refuse_other_sites, refuse_unknown_hosts
from webui.settings import Settings
from webui.teach.views import Lessons, teach
from webui.torchserve.models import create_models

# Size up to which answers are compressed; longer ones are pages full of pictures, which are.
MAX_COMPRESSED_BYTES = 256 * 1024

compression = Compress()


def create_app(settings: Settings) -> Flask:
    """Create the web UI as a WSGI application."""
    app = Flask(__name__)
    app.request_class = FormRequest
    app.json = DefaultJSONProvider(app)
    # TorchServe's order of classes is kept, from the likeliest to the least likely.
    app.json.sort_keys = app.json.ensure_ascii = False
    app.jinja_env.policies["json.dumps_kwargs"] = {}
    # Every setting under its name in the environment.
    app.config |= {name.upper(): value for name, value in vars(settings).items()}
    max_form_bytes = max(settings.max_form_bytes, settings.max_upload_bytes)
    app.config.update(
        MAX_FORM_BYTES=max_form_bytes,
        MAX_CONTENT_LENGTH=max_form_bytes + FORM_OVERHEAD_BYTES,
        MAX_FORM_PARTS=settings.max_pictures + MAX_OTHER_PARTS,
        MAX_FORM_MEMORY_SIZE=MAX_TEXT_BYTES,
        ALLOWED_HOSTS=settings.hosts,
        TEACHES=settings.teaches,
        COMPRESS_ALGORITHM="gzip",
        COMPRESS_REGISTER=False,
    )
    app.extensions["admission"] = admission = Admission(
        settings.rate_limit, settings.torchserve_timeout_seconds
    )
    # What is registered first comes first before a request, and last after it.
    app.extensions["metrics"] = Metrics(app, admission)
    app.extensions["models"] = create_models(settings)
    app.jinja_env.filters.update(
        percentage=format_percentage,
        number=format_decimal,
        size=format_size,
        duration=format_duration,
        image_description=describe_image,
        code_snippets=create_code_snippets,
    )
    Languages(app)
    for before in (identify_request, refuse_unknown_hosts, refuse_other_sites):
        app.before_request(before)
    for blueprint in (pages, probes, api, kserve, open_inference):
        app.register_blueprint(blueprint)
    if settings.teaches:
        app.extensions["lessons"] = Lessons.of(settings)
        app.register_blueprint(teach)
    app.register_error_handler(Exception, answer_exception)
    app.after_request(add_security_headers)
    app.after_request(add_request_id)
    compression.init_app(app)
    app.after_request(_compress)
    if count := settings.proxies:
        proxied = ProxyFix(app.wsgi_app, count, count, count, x_prefix=count)
        app.wsgi_app = proxied  # type: ignore[method-assign]
    return app


def _compress(response: Response) -> Response:
    is_long = (response.content_length or 0) > MAX_COMPRESSED_BYTES
    # Flask-Compress would compress parts of files, too.
    if is_long or response.status_code == HTTPStatus.PARTIAL_CONTENT:
        return response
    # It would leave files open that are read piece by piece.
    response.direct_passthrough = False
    response.make_sequence()
    return compression.after_request(response)
