"""Texts go over the wire compressed, to browsers that take them so."""

import gzip

from flask import Response, request

ENCODING = "gzip"
COMPRESSED_TYPES = {
    "application/json",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/javascript",
}
# Less gains nothing, and more is pictures inside of a page, which are compressed already.
LEAST_BYTES = 512
MOST_BYTES = 256 * 1024
LEVEL = 6
OK = 200


def compress(response: Response) -> Response:
    """Return `response`, compressed if it is a text of some size and the request allows it."""
    if response.status_code != OK or response.mimetype not in COMPRESSED_TYPES:
        return response
    response.vary.add("Accept-Encoding")
    length = response.content_length or 0
    if not LEAST_BYTES <= length <= MOST_BYTES or not request.accept_encodings[ENCODING]:
        return response
    response.direct_passthrough = False
    response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
    response.headers["Content-Encoding"] = ENCODING
    etag, _ = response.get_etag()
    if etag:
        # The same content in other bytes.
        response.set_etag(etag, weak=True)
    return response
