"""The version of the model that answers: the one that the address names, or TorchServe's default.

The address may also ask for all versions, to compare what they see in the same picture.
"""

import re

from flask import current_app, request

from webui.errors import WebUIError
from webui.torchserve.client import TorchServeClient
from webui.torchserve.errors import UnknownVersionError

PARAMETER = "version"
ALL = "all"
# What TorchServe accepts as a version, which becomes part of a URL.
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def keep_version(endpoint: str, values: dict[str, object]) -> None:
    """Pass a version that was chosen on to every page that a page links to."""
    named = request.args.get(PARAMETER) if request else None
    if named and VERSION.fullmatch(named) and endpoint != "static":
        values.setdefault(PARAMETER, named)


def asked_versions() -> list[str | None]:
    """Return the versions that shall answer the current request; None is TorchServe's default.

    Raises:
        UnknownVersionError: No version can have the name that the address gives.
        WebUIError: All versions are asked for, and TorchServe does not say which there are.
    """
    named = request.args.get(PARAMETER)
    if named == ALL:
        return list(_client("torchserve").fetch_versions())
    if named and not VERSION.fullmatch(named):
        raise UnknownVersionError(version=named)
    return [named or None]


def list_versions() -> list[str]:
    """Return all versions, the default first; none where TorchServe does not answer at once."""
    try:
        return _client("impatient_torchserve").fetch_versions()
    except WebUIError:
        return []


def _client(extension: str) -> TorchServeClient:
    client: TorchServeClient = current_app.extensions[extension]
    return client
