"""What each version says of itself, remembered for pages that must not wait for it."""

import threading
from contextlib import suppress
from time import monotonic
from typing import Any

from webui.errors import WebUIError
from webui.torchserve.client import TorchServeClient

Description = dict[str, Any]
# Seconds for which a description counts as new; another archive may be registered at any time.
NEW_SECONDS = 60.0
# Seconds that a page waits for a description: workers describe themselves between pictures.
PATIENCE_SECONDS = 0.25


class Descriptions:
    """The descriptions of versions, which threads may share.

    Args:
        client: What asks TorchServe.
    """

    def __init__(self, client: TorchServeClient) -> None:
        self._client = client
        self._asking = threading.Lock()
        self._known: dict[str, Description] = {}
        self._expiry: dict[str, float] = {}

    def get(self, version: str) -> Description | None:
        """Return the card of a version with its examples, or None where TorchServe is slow.

        An old description is as good as none at all to a page, so only one request at a time asks
        for a new one, and none waits for another where there is an old one.
        """
        if monotonic() < self._expiry.get(version, 0):
            return self._known[version]
        if self._asking.acquire(timeout=0 if version in self._known else PATIENCE_SECONDS):
            try:
                self._renew(version)
            finally:
                self._asking.release()
        return self._known.get(version)

    def _renew(self, version: str) -> None:
        # Another request may have asked while this one waited.
        if monotonic() < self._expiry.get(version, 0):
            return
        with suppress(WebUIError):
            self._known[version] = self._client.fetch_description(version, PATIENCE_SECONDS)
        if version in self._known:
            self._expiry[version] = monotonic() + NEW_SECONDS
