"""Addresses for whatever monitors the program; they always answer in JSON."""

from flask import Blueprint, Response, current_app, jsonify

from webui.negotiation import negotiated
from webui.torchserve.client import PIXEL
from webui.torchserve.models import chosen_model

probes = Blueprint("probes", __name__)
probes.after_request(negotiated)


@probes.get("/healthz")
def report_health() -> Response:
    """Say that the web UI runs, whatever TorchServe does."""
    return jsonify(status="ok")


@probes.get("/readyz")
def report_readiness() -> Response:
    """Say whether the model answers, and the server is not about to stop."""
    with current_app.extensions["admission"].probe():
        chosen_model().client.predict(PIXEL)
    return jsonify(status="ready")
