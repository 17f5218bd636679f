"""Uploaded pictures, which stay in memory from the socket to TorchServe."""

from io import BytesIO

from flask import Request, request
from werkzeug.exceptions import RequestEntityTooLarge

from webui.errors import EmptyFileError, FormTooLargeError, NoFileError, UploadTooLargeError

FIELD_NAME = "image"
# A multipart body also holds its boundaries, part headers and small fields.
FORM_OVERHEAD_BYTES = 65_536
MOST_FORM_PARTS = 16
# Of one text field, and of the headers of a part.
MOST_TEXT_BYTES = 512 * 1024


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
            raise FormTooLargeError(MOST_FORM_PARTS, MOST_TEXT_BYTES) from error


def read_upload(max_bytes: int) -> tuple[bytes, str]:
    """Return the content and the name of the file in the current request.

    Raises NoFileError, EmptyFileError, FormTooLargeError for what surrounds the file, or
    UploadTooLargeError when the content has more than `max_bytes` bytes; Flask raises
    RequestEntityTooLarge for a whole body that is much larger.
    """
    upload = request.files.get(FIELD_NAME)
    if upload is None or not upload.filename:
        raise NoFileError
    content = upload.read()
    if not content:
        raise EmptyFileError
    if len(content) > max_bytes:
        raise UploadTooLargeError(max_bytes)
    return content, upload.filename
