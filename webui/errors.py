"""Everything that can go wrong, one class per cause, each in words for the person using the UI.

The words are looked up in the language of the request when they are shown, not before.
"""

from flask_babel import lazy_gettext as _

from webui.languages import Text, format_number, format_size


class WebUIError(Exception):
    """An error with an HTTP status, a heading and a message that says what to do next.

    Args:
        values: Attributes of this one error: those that its text quotes, or others than its class
            has.

    Attributes:
        code: The HTTP status.
        heading: A few words that name what happened.
        text: The message, with the name of an attribute in the place of its value.
        retry_after_seconds: Time after which the same request may succeed, if that is known.
        methods: The methods that the address accepts, if another one was tried.
        type: The cause, for programs: the name of the class, or what the model's handler says.
    """

    code = 500
    heading: Text = _("Something went wrong")
    text: Text
    retry_after_seconds: int | None = None
    methods: str | None = None

    def __init__(self, **values: object) -> None:
        super().__init__()
        self.type = type(self).__name__
        vars(self).update(values)

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        """The words in the language of the current request."""
        # A template would insert a lazy text unescaped, together with what it quotes.
        return str(self.text) % {name: _localize(name, value) for name, value in vars(self).items()}

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers of the answer."""
        headers = {"Retry-After": self.retry_after_seconds, "Allow": self.methods}
        return {name: str(value) for name, value in headers.items() if value is not None}

    def as_dict(self) -> dict[str, int | str]:
        """Return the one shape that errors have everywhere, TorchServe's own."""
        return {"code": self.code, "type": self.type, "message": self.message}


def _localize(name: str, value: object) -> object:
    if isinstance(value, int) and name.endswith("_bytes"):
        return format_size(value)
    return format_number(value) if isinstance(value, float) else value


class BadRequestError(WebUIError):
    """The request itself is broken."""

    code = 400
    heading = _("That request could not be understood")
    text = _("The request was broken or incomplete. Send it again.")


class NoFileError(WebUIError):
    """The request contains no file."""

    code = 400
    heading = _("No picture was chosen")
    text = _("No picture arrived. Choose a file and send it again; the form field is “image”.")


class EmptyFileError(WebUIError):
    """The file is empty."""

    code = 400
    heading = _("That file is empty")
    text = _("The file has no content (0 bytes). Choose another one.")


class UploadTooLargeError(WebUIError):
    """The picture is larger than the web UI or TorchServe accepts."""

    code = 413
    heading = _("That picture is too large")
    text = _(
        "The picture is larger than the limit of %(max_bytes)s. Send a smaller version: nothing is "
        "lost, because the model only looks at a thumbnail."
    )


class UploadsTooLargeError(WebUIError):
    """The request is larger than all of its pictures may be together, or has too many fields."""

    code = 413
    heading = _("That is too much at once")
    text = _(
        "All pictures together may have up to %(max_bytes)s, each of them up to "
        "%(max_picture_bytes)s, and their number is limited to %(max_pictures)d. Send fewer at "
        "once, or smaller ones, and nothing else."
    )


class TooManyPicturesError(WebUIError):
    """The request contains more pictures than it may."""

    code = 413
    heading = _("Too many pictures at once")
    text = _("The number of pictures at once is limited to %(max_pictures)d. Send fewer.")


class UnsupportedMediaTypeError(WebUIError):
    """The body of the request is neither a form nor a picture."""

    code = 415
    heading = _("That request contains no picture")
    text = _(
        "Send a form (multipart/form-data) with the picture as the file “image”, or the picture "
        "itself as application/octet-stream."
    )


class CrossSiteError(WebUIError):
    """A page of another site sent the request."""

    code = 403
    heading = _("Another site sent that picture")
    text = _("Pictures are only accepted from this site's own page. Go there and send it again.")


class RateLimitError(WebUIError):
    """One address has sent as many pictures, or as large ones, as RATE_LIMIT allows."""

    code = 429
    heading = _("Too many pictures in a short time")
    text = _(
        "You have sent as many pictures as one address may send in so short a time. Go on in "
        "%(retry_after_seconds)d s."
    )


class StoppingError(WebUIError):
    """The server is about to stop, and answers only what it has accepted."""

    code = 503
    heading = _("The server is about to stop")
    text = _("The server is about to stop, so it takes no pictures. Try again in a few seconds.")
    retry_after_seconds = 5


class NotFoundError(WebUIError):
    """There is nothing at this address."""

    code = 404
    heading = _("There is no such page")
    text = _("There is nothing at this address. The form for pictures is on the start page.")


class MethodNotAllowedError(WebUIError):
    """The address exists, but does not support the method."""

    code = 405
    heading = _("That does not work here")
    text = _("This address only accepts these methods: %(methods)s.")


class InternalError(WebUIError):
    """The web UI itself made a mistake."""

    text = _(
        "The mistake is in this program, not in your picture. Try again; the program's log says "
        "what happened."
    )
