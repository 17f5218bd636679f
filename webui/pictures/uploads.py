"""Uploaded pictures, from the request to TorchServe."""

import re
from base64 import b64encode
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO

from flask import Request, current_app, request

from webui.errors import NoFileError, TooManyPicturesError, UnsupportedMediaTypeError
from webui.pictures.work import estimate_work

FIELD_NAME = "image"
# Room in a multipart body for its boundaries, part headers and small fields.
FORM_OVERHEAD_BYTES = 65_536
# Maximum number of parts beside the pictures.
MAX_OTHER_PARTS = 15
# Maximum size of one text field, and of the headers of a part.
MAX_TEXT_BYTES = 512 * 1024
# What an explanation takes, up to a third of a second, in units of work.
EXPLANATION_WORK = 15
# Media types of forms; the empty one belongs to an empty request.
FORM_TYPES = {"", "multipart/form-data", "application/x-www-form-urlencoded"}
# First bytes of the formats that browsers show, by media type.
SHOWN = re.compile(
    rb"(?P<png>\x89PNG\r\n\x1a\n)|(?P<jpeg>\xff\xd8\xff)|(?P<gif>GIF8[79]a)|(?P<bmp>BM)|"
    rb"(?P<webp>RIFF.{4}WEBP)|(?P<avif>.{4}ftyp(?:.{4})*?avi[fs])",
    re.DOTALL,
)


class FormRequest(Request):
    """A request whose files are in memory; the server had the whole form on the disk already."""

    def _get_file_stream(self, *_: object, **__: object) -> BytesIO:
        return BytesIO()


@dataclass(frozen=True)
class Upload:
    """A picture as it arrived.

    Attributes:
        filename: The name that the browser gave, which may be anything; empty if there is none.
        content: The bytes of the file.
        more_work: What it costs beyond being decoded.
    """

    filename: str
    content: bytes
    more_work: int = 0

    @cached_property
    def work(self) -> int:
        """What it costs to answer for the picture, 1 or more."""
        return estimate_work(self.content) + self.more_work

    @property
    def data_uri(self) -> str | None:
        """The picture as a ``data:`` URI, or None for a format that browsers do not show.

        The content decides, never the file's name: only a few formats get a media type, so that an
        SVG or HTML file can never become part of a page.
        """
        # AVIF's first box has a length, in which its brands are.
        found = SHOWN.match(self.content[: min(int.from_bytes(self.content[:4]), 256)])
        if not found:
            return None
        return f"data:image/{found.lastgroup};base64,{b64encode(self.content).decode()}"


def read_uploads() -> list[Upload]:
    """Return the pictures in the current request, one or more: a form's files, or the body itself.

    Raises:
        NoFileError: The form contains no picture.
        TooManyPicturesError: The form contains too many.
        UnsupportedMediaTypeError: The body is neither a form nor a picture.
        RequestEntityTooLarge: The body is larger than all pictures may be together, or a form with
            too many fields or too much text.
    """
    if request.mimetype == "application/octet-stream" or request.mimetype.startswith("image/"):
        return [Upload("", request.get_data())]
    if request.mimetype not in FORM_TYPES:
        raise UnsupportedMediaTypeError
    most = current_app.config["MAX_PICTURES"]
    files = [file for file in request.files.getlist(FIELD_NAME) if file.filename]
    if not files:
        raise NoFileError
    if len(files) > most:
        raise TooManyPicturesError(max_pictures=most)
    return [Upload(file.filename or "", file.read()) for file in files]


def read_explained_upload() -> list[Upload]:
    """Return the only picture in the current request, with the work of an explanation.

    Raises:
        WebUIError: See :func:`read_uploads`, which also raises what Werkzeug has.
    """
    upload, *others = read_uploads()
    if others:
        raise TooManyPicturesError(max_pictures=1)
    return [replace(upload, more_work=EXPLANATION_WORK)]
