"""Uploaded pictures, which stay in memory from the socket to TorchServe."""

from dataclasses import dataclass
from io import BytesIO

from flask import Request, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from webui.errors import (
    EmptyFileError,
    FormTooLargeError,
    NoFileError,
    TooManyPicturesError,
    UnsupportedMediaTypeError,
    UploadTooLargeError,
)

FIELD_NAME = "image"
# A multipart body also holds its boundaries, part headers and small fields.
FORM_OVERHEAD_BYTES = 65_536
# Beside the pictures.
MOST_OTHER_PARTS = 15
# Of one text field, and of the headers of a part.
MOST_TEXT_BYTES = 512 * 1024
FORM_TYPES = {"", "multipart/form-data", "application/x-www-form-urlencoded"}


class InMemoryRequest(Request):
    """A request whose files are kept in memory, whatever their size."""

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> BytesIO:
        # Werkzeug's own method writes files of more than 500 kB to disk.
        return BytesIO()

    def _load_form_data(self) -> None:
        # Raises RequestEntityTooLarge for the whole body: what is refused below is in the form.
        _ = self.stream
        try:
            super()._load_form_data()
        except RequestEntityTooLarge as error:
            most_pictures = current_app.config["MAX_PICTURES"]
            most_parts = most_pictures + MOST_OTHER_PARTS
            raise FormTooLargeError(most_parts, MOST_TEXT_BYTES, most_pictures) from error


@dataclass(frozen=True)
class Upload:
    """A picture as it arrived.

    Attributes:
        filename: as the browser says, which may be anything; empty for a picture without a name.
        content: of the file.
    """

    filename: str
    content: bytes

    def require_size(self, max_bytes: int) -> None:
        """Return when the content has 1 to `max_bytes` bytes.

        Raises EmptyFileError or UploadTooLargeError when it has not.
        """
        if not self.content:
            raise EmptyFileError
        if len(self.content) > max_bytes:
            raise UploadTooLargeError(max_bytes)


def read_uploads() -> list[Upload]:
    """Return the pictures in the current request, at least one: files of a form, or its body.

    Raises NoFileError, TooManyPicturesError, FormTooLargeError or UnsupportedMediaTypeError; Flask
    raises RequestEntityTooLarge for a body that is larger than all pictures may be together.
    """
    if _is_picture(request.mimetype):
        return [Upload("", request.get_data())]
    if request.mimetype not in FORM_TYPES:
        raise UnsupportedMediaTypeError
    most = current_app.config["MAX_PICTURES"]
    files = [file for file in request.files.getlist(FIELD_NAME) if file.filename]
    if not files:
        raise NoFileError
    if len(files) > most:
        raise TooManyPicturesError(most)
    return [Upload(file.filename or "", file.read()) for file in files]


def count_uploads() -> int:
    """Return how many pictures the current request holds, right or wrong; 1 where it has none.

    Raises what reading the form raises.
    """
    return 1 if _is_picture(request.mimetype) else max(1, len(request.files.getlist(FIELD_NAME)))


def _is_picture(media_type: str) -> bool:
    return media_type == "application/octet-stream" or media_type.startswith("image/")
