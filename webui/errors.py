"""Everything that can go wrong, one class per cause, each in words for the person using the UI.

The words are looked up in the language of the request when they are shown, not before.
"""

from typing import ClassVar

from flask_babel import LazyString, lazy_ngettext
from flask_babel import lazy_gettext as _

from webui.languages import FIRST_LANGUAGE, current_language
from webui.wording import Text, format_number, format_size

RETRY_AFTER_SECONDS = 5
# A full queue is worked off in less.
RETRY_AFTER_OVERLOAD_SECONDS = 1


class WebUIError(Exception):
    """An error with an HTTP status, a heading and a message that says what to do next.

    Its type on the wire is the name of its class. Sending the same again helps where its headers
    hold Retry-After, after so many seconds.
    """

    code = 500
    heading: Text = _("Something went wrong")

    def __init__(self, message: Text) -> None:
        """Keep `message`, which people will read: what happened, and what to do next."""
        super().__init__(message)
        self._message = message
        self.type = type(self).__name__
        self.headers: dict[str, str] = {}

    @property
    def message(self) -> str:
        """The words in the language of the current request."""
        # Not the words looked up later: a page would take those as they are, unescaped, together
        # with what they quote.
        return str(self._message)

    def as_dict(self) -> dict[str, int | str]:
        """Return the one shape that errors have everywhere, TorchServe's own."""
        return {"code": self.code, "type": self.type, "message": self.message}


class NoFileError(WebUIError):
    """The request holds no file."""

    code = 400
    heading = _("No picture was chosen")

    def __init__(self) -> None:
        """Name the form field, for those who use no form."""
        super().__init__(
            _("No picture arrived. Choose a file and send it again; the form field is “image”.")
        )


class EmptyFileError(WebUIError):
    """The file holds not one byte."""

    code = 400
    heading = _("That file is empty")

    def __init__(self) -> None:
        """Say that the file has nothing in it."""
        super().__init__(_("The file has no content (0 bytes). Choose another one."))


class UploadTooLargeError(WebUIError):
    """The picture is larger than the web UI or TorchServe takes."""

    code = 413
    heading = _("That picture is too large")

    def __init__(self, limit: int | None = None) -> None:
        """Name the `limit`, in bytes, where it is known, and the means to get below it."""
        message = _(
            "The picture is larger than the model server takes. Send a smaller version: nothing "
            "is lost, because the model only looks at a thumbnail."
        )
        if limit is not None:
            message = _(
                "The picture is larger than %(limit)s, the limit here. Send a smaller version: "
                "nothing is lost, because the model only looks at a thumbnail.",
                limit=LazyString(format_size, limit),
            )
        super().__init__(message)


class UploadsTooLargeError(WebUIError):
    """What was sent is larger than all pictures of one request may be together."""

    code = 413
    heading = _("That is too much at once")

    def __init__(self, limit: int, picture_limit: int) -> None:
        """Name the `limit` for all pictures together and the one for each, both in bytes."""
        super().__init__(
            _(
                "More than %(limit)s arrived, the limit for all pictures together; one alone may "
                "have %(picture_limit)s. Send fewer at once, or smaller ones.",
                limit=LazyString(format_size, limit),
                picture_limit=LazyString(format_size, picture_limit),
            )
        )


class TooManyPicturesError(WebUIError):
    """More pictures than one request may hold."""

    code = 413
    heading = _("Too many pictures at once")

    def __init__(self, limit: int) -> None:
        """Name the `limit`, a number of pictures."""
        super().__init__(
            lazy_ngettext(
                "At most %(num)d picture is taken at once. Send fewer.",
                "At most %(num)d pictures are taken at once. Send fewer.",
                limit,
            )
        )


class FormTooLargeError(WebUIError):
    """The form holds too many fields, or too much text."""

    code = 413
    heading = _("That form holds too much")

    def __init__(self, most_fields: int, most_text_bytes: int, most_pictures: int) -> None:
        """Name the limits; the second one is that of a single text field."""
        super().__init__(
            _(
                "The form has more than %(fields)d fields, or a text field of more than "
                "%(size)s. Send at most %(pictures)d pictures, as files in the field “image”, and "
                "nothing else.",
                fields=most_fields,
                size=LazyString(format_size, most_text_bytes),
                pictures=most_pictures,
            )
        )


class UnsupportedMediaTypeError(WebUIError):
    """The body of the request is neither a form nor a picture."""

    code = 415
    heading = _("That request holds no picture")

    def __init__(self) -> None:
        """Name what is taken."""
        super().__init__(
            _(
                "Send a form (multipart/form-data) with the picture as the file “image”, or the "
                "picture itself as application/octet-stream."
            )
        )


class CrossSiteError(WebUIError):
    """A page of another site sent the request."""

    code = 403
    heading = _("Another site sent that picture")

    def __init__(self) -> None:
        """Say where to send it from."""
        super().__init__(
            _("Pictures are taken from this site's own page only. Go there and send it again.")
        )


class RateLimitError(WebUIError):
    """One address has sent as many pictures as RATE_LIMIT allows."""

    code = 429
    heading = _("Too many pictures in a short time")

    def __init__(self, retry_after_seconds: int) -> None:
        """Say how long to wait, and add it for programs."""
        super().__init__(
            _(
                "You have sent as many pictures as are taken from one address in so short a time. "
                "Go on in %(seconds)d s.",
                seconds=retry_after_seconds,
            )
        )
        self.headers["Retry-After"] = str(retry_after_seconds)


class RejectedImageError(WebUIError):
    """The model's handler refused the picture: the answer is the handler's own."""

    heading = _("That picture could not be read")
    headings: ClassVar[dict[str, Text]] = {
        "ImageTooLargeError": UploadTooLargeError.heading,
        "UnsupportedFormatError": _("The model cannot read that kind of file"),
    }
    # The handler speaks one language only, and says more than these do.
    translatable_messages: ClassVar[dict[str, Text]] = {
        "EmptyBodyError": _("The file has no content (0 bytes). Choose another one."),
        "ImageTooLargeError": _(
            "The picture has too many pixels, or would take too long to decode. Send a smaller "
            "version: nothing is lost, because the model only looks at a thumbnail."
        ),
        "UnreadableImageError": _(
            "The file is damaged or incomplete. Save or export the picture again and send that."
        ),
        "UnsupportedFormatError": _(
            "The file is no picture in one of the formats that the model reads: AVIF, BMP, GIF, "
            "HEIC, JPEG, PNG, PPM, TIFF or WebP. Save it as one of these."
        ),
    }

    def __init__(self, code: int, type_name: str, message: str) -> None:
        """Take over what the handler said: `code` 400 to 499, `type_name` and `message`."""
        super().__init__(message)
        self.code = code
        self.type = type_name
        self.heading = self.headings.get(type_name, self.heading)

    @property
    def message_on_page(self) -> Text:
        """The handler's own words, or fewer in the language of the page."""
        if current_language() == FIRST_LANGUAGE:
            return self.message
        fallback = _("The model server refused what was sent.")
        return self.translatable_messages.get(self.type, fallback)


class ModelNotReadyError(WebUIError):
    """TorchServe runs, and the model takes no picture at the moment."""

    code = 503
    heading = _("The model is not ready")

    def __init__(self, message: Text) -> None:
        """Add when to come back."""
        super().__init__(message)
        self.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)


class OverloadedError(WebUIError):
    """The model works, and as many pictures wait for it as TorchServe lets wait."""

    code = 503
    heading = _("Too many pictures are waiting")

    def __init__(self) -> None:
        """Say that the picture is all right, and when to come back."""
        super().__init__(
            _(
                "So many pictures are waiting that yours found no place. Nothing is wrong with "
                "it: wait a second and send it again."
            )
        )
        self.headers["Retry-After"] = str(RETRY_AFTER_OVERLOAD_SECONDS)


class ModelServerUnreachableError(WebUIError):
    """Nobody answers where TorchServe should."""

    code = 502
    heading = _("The model server does not answer")

    def __init__(self) -> None:
        """Say how to start the server, and when one that starts may be there."""
        super().__init__(
            _(
                "The web page works, but the model server behind it does not answer. It may still "
                "be starting; if it is not running, start it with “make serve”."
            )
        )
        self.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)


class ModelServerTimeoutError(WebUIError):
    """TorchServe took longer than TORCHSERVE_TIMEOUT_SECONDS."""

    code = 504
    heading = _("The model took too long")

    def __init__(self, seconds: float) -> None:
        """Name the `seconds` that were waited."""
        super().__init__(
            _(
                "No answer came within %(seconds)s seconds. The server may be busy: wait a moment "
                "and send the picture again.",
                seconds=LazyString(format_number, seconds),
            )
        )


class ModelServerKeyError(WebUIError):
    """TorchServe refuses the keys in its own key file, or they cannot be read."""

    code = 502
    heading = _("The model server refused the key")

    def __init__(self) -> None:
        """Say what usually helps."""
        super().__init__(
            _(
                "The model server does not accept this site's key. Restart both with “make "
                "serve”; if that does not help, check that TORCHSERVE_RUN_DIRECTORY is the "
                "directory in which this model server runs."
            )
        )


class ModelServerError(WebUIError):
    """TorchServe answered with something that nobody expected."""

    code = 502
    heading = _("The model server made a mistake")

    def __init__(self, detail: Text) -> None:
        """Name the `detail`, a clause that says what was wrong with the answer."""
        super().__init__(
            _(
                "The model server's answer was not as expected: %(detail)s. Send the picture "
                "again; if this stays so, the server's log says more.",
                detail=detail,
            )
        )


class NotFoundError(WebUIError):
    """There is nothing at this address."""

    code = 404
    heading = _("There is no such page")

    def __init__(self) -> None:
        """Point to the page that exists."""
        super().__init__(_("There is nothing at this address. The start page is at “/”."))


class MethodNotAllowedError(WebUIError):
    """The address exists, the method does not."""

    code = 405
    heading = _("That does not work here")

    def __init__(self, allowed: list[str]) -> None:
        """Name the methods that are `allowed`, in the message and in the Allow header."""
        methods = ", ".join(allowed)
        super().__init__(_("This address takes other requests only: %(methods)s.", methods=methods))
        self.headers["Allow"] = methods


class BadRequestError(WebUIError):
    """The request itself is broken."""

    code = 400
    heading = _("That request could not be understood")

    def __init__(self) -> None:
        """Say that sending it again may help."""
        super().__init__(_("The request was broken or incomplete. Send it again."))


class InternalError(WebUIError):
    """A mistake in the web UI."""

    def __init__(self) -> None:
        """Say that it is not the user's fault, and nothing about the inside."""
        super().__init__(
            _(
                "The mistake is in this program, not in your picture. Try again; the program's "
                "log says what happened."
            )
        )
