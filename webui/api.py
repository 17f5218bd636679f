"""What programs can ask this web UI, for programs and for people."""

from flask import Blueprint

api = Blueprint("api", __name__)


@api.get("/api")
def show_page() -> str:
    """Show the description of the API."""
    return ""
