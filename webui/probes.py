"""Addresses for whatever watches over the program; they always answer in JSON."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, jsonify

if TYPE_CHECKING:
    from webui.torchserve_client import TorchServeClient

probes = Blueprint("probes", __name__)


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
    """Make sure that nobody sees the state of a minute ago."""
    response.headers["Cache-Control"] = "no-store"
    return response
