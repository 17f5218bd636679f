"""Everything that can go wrong, one class per cause, each in words for the person using the UI."""

from typing import ClassVar

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from webui.wording import format_size

RETRY_AFTER_SECONDS = 5
# A full queue is worked off in less.
RETRY_AFTER_OVERLOAD_SECONDS = 1


class WebUIError(Exception):
    """An error with an HTTP status, a heading and a message that says what to do next.

    Its type on the wire is the name of its class.
    """

    code = 500
    heading = "Something went wrong"

    def __init__(self, message: str) -> None:
        """Keep `message`, which people will read: what happened, and what to do next."""
        super().__init__(message)
        self.message = message
        self.type = type(self).__name__
        self.headers: dict[str, str] = {}

    def as_dict(self) -> dict[str, int | str]:
        """Return the one shape that errors have everywhere, TorchServe's own."""
        return {"code": self.code, "type": self.type, "message": self.message}


class NoFileError(WebUIError):
    """The request holds no file."""

    code = 400
    heading = "No picture was chosen"

    def __init__(self) -> None:
        """Name the form field, for those who use no form."""
        super().__init__(
            "No picture arrived. Choose a file and send it again; the form field is “image”."
        )


class EmptyFileError(WebUIError):
    """The file holds not one byte."""

    code = 400
    heading = "That file is empty"

    def __init__(self) -> None:
        """Say that the file has nothing in it."""
        super().__init__("The file has no content (0 bytes). Choose another one.")


class UploadTooLargeError(WebUIError):
    """The picture is larger than the web UI or TorchServe takes."""

    code = 413
    heading = "That picture is too large"

    def __init__(self, limit: int | None = None) -> None:
        """Name the `limit`, in bytes, where it is known, and the means to get below it."""
        most = (
            "the model server takes" if limit is None else f"{format_size(limit)}, the limit here"
        )
        super().__init__(
            f"The picture is larger than {most}. Send a smaller version: nothing is lost, because "
            "the model only looks at a thumbnail."
        )


class FormTooLargeError(WebUIError):
    """The form holds too many fields, or too much text."""

    code = 413
    heading = "That form holds too much"

    def __init__(self, most_fields: int, most_text_bytes: int) -> None:
        """Name both limits; the second one is that of a single text field."""
        super().__init__(
            f"The form has more than {most_fields} fields, or a text field of more than "
            f"{format_size(most_text_bytes)}. Send the picture alone, as a file in the field "
            "“image”."
        )


class RejectedImageError(WebUIError):
    """The model's handler refused the picture: the answer is the handler's own."""

    heading = "That picture could not be read"
    headings: ClassVar = {
        "ImageTooLargeError": UploadTooLargeError.heading,
        "UnsupportedFormatError": "The model cannot read that kind of file",
    }

    def __init__(self, code: int, type_name: str, message: str) -> None:
        """Take over what the handler said: `code` 400 to 499, `type_name` and `message`."""
        super().__init__(message)
        self.code = code
        self.type = type_name
        self.heading = self.headings.get(type_name, self.heading)


class ModelNotReadyError(WebUIError):
    """TorchServe runs, and the model takes no picture at the moment."""

    code = 503
    heading = "The model is not ready"

    def __init__(self, message: str) -> None:
        """Add when to come back."""
        super().__init__(message)
        self.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)


class OverloadedError(WebUIError):
    """The model works, and as many pictures wait for it as TorchServe lets wait."""

    code = 503
    heading = "Too many pictures at once"

    def __init__(self) -> None:
        """Say that the picture is all right, and when to come back."""
        super().__init__(
            "So many pictures are waiting that yours found no place. Nothing is wrong with it: "
            "wait a second and send it again."
        )
        self.headers["Retry-After"] = str(RETRY_AFTER_OVERLOAD_SECONDS)


class ModelServerUnreachableError(WebUIError):
    """Nobody answers where TorchServe should."""

    code = 502
    heading = "The model server does not answer"

    def __init__(self) -> None:
        """Say how to start the server."""
        super().__init__(
            "The web page works, but the model server behind it cannot be reached. Is it "
            "running? Start it with “make serve”, then send the picture again."
        )


class ModelServerTimeoutError(WebUIError):
    """TorchServe took longer than TORCHSERVE_TIMEOUT_SECONDS."""

    code = 504
    heading = "The model took too long"

    def __init__(self, seconds: float) -> None:
        """Name the `seconds` that were waited."""
        super().__init__(
            f"No answer came within {seconds:g} seconds. The server may be busy: wait a moment "
            "and send the picture again."
        )


class ModelServerKeyError(WebUIError):
    """TorchServe refuses the keys in its own key file, or they cannot be read."""

    code = 502
    heading = "The model server refused the key"

    def __init__(self) -> None:
        """Say what usually helps."""
        super().__init__(
            "The model server does not accept this site's key. Restart both with “make serve”; if "
            "that does not help, check that TORCHSERVE_RUN_DIRECTORY is the directory in which "
            "this model server runs."
        )


class ModelServerError(WebUIError):
    """TorchServe answered with something that nobody expected."""

    code = 502
    heading = "The model server made a mistake"

    def __init__(self, detail: str) -> None:
        """Name the `detail`, a clause that says what was wrong with the answer."""
        super().__init__(
            f"The model server's answer was not as expected: {detail}. Send the picture again; if "
            "this stays so, the server's log says more."
        )


class NotFoundError(WebUIError):
    """There is nothing at this address."""

    code = 404
    heading = "There is no such page"

    def __init__(self) -> None:
        """Point to the page that exists."""
        super().__init__("There is nothing at this address. The start page is at “/”.")


class MethodNotAllowedError(WebUIError):
    """The address exists, the method does not."""

    code = 405
    heading = "That does not work here"

    def __init__(self, allowed: list[str]) -> None:
        """Name the methods that are `allowed`, in the message and in the Allow header."""
        methods = ", ".join(allowed)
        super().__init__(f"This address takes other requests only: {methods}.")
        self.headers["Allow"] = methods


class BadRequestError(WebUIError):
    """The request itself is broken."""

    code = 400
    heading = "That request could not be understood"

    def __init__(self) -> None:
        """Say that sending it again may help."""
        super().__init__("The request was broken or incomplete. Send it again.")


class InternalError(WebUIError):
    """A mistake in the web UI."""

    def __init__(self) -> None:
        """Say that it is not the user's fault, and nothing about the inside."""
        super().__init__(
            "The mistake is in this program, not in your picture. Try again; the program's log "
            "says what happened."
        )


def as_web_ui_error(exception: Exception, max_upload_bytes: int) -> WebUIError:
    """Return the WebUIError that tells people about any `exception`."""
    match exception:
        case WebUIError():
            return exception
        case NotFound():
            return NotFoundError()
        case MethodNotAllowed():
            return MethodNotAllowedError(sorted(exception.valid_methods or ()))
        case RequestEntityTooLarge():
            return UploadTooLargeError(max_upload_bytes)
        case HTTPException(code=code) if code is not None and code < InternalError.code:
            return BadRequestError()
        case _:
            return InternalError()
