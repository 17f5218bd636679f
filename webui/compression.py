"""Compression of texts for browsers that accept it."""

import gzip

from flask import Response, request

ENCODING = "gzip"
COMPRESSED_TYPES = {"application/json", "image/svg+xml", "text/css", "text/html", "text/javascript"}
# Bounds of what is compressed: shorter texts gain nothing, and longer ones are pages full of
# pictures, which are compressed already.
MIN_BYTES = 512
MAX_BYTES = 256 * 1024
LEVEL = 6
OK = 200


def compress(response: Response) -> Response:
    """Return ``response``, compressed if it is a text of some size and the request allows it."""
    if response.status_code != OK or response.mimetype not in COMPRESSED_TYPES:
        return response
    response.vary.add("Accept-Encoding")
    length = response.content_length or 0
    if not MIN_BYTES <= length <= MAX_BYTES or not request.accept_encodings[ENCODING]:
        return response
    response.direct_passthrough = False
    response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
    response.headers["Content-Encoding"] = ENCODING
    etag, _ = response.get_etag()
    if etag:
        # The bytes differ, the content does not.
        response.set_etag(etag, weak=True)
    return response
