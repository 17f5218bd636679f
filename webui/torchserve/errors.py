"""What can go wrong between the web UI and TorchServe, one class per cause."""

from typing import ClassVar

from flask_babel import lazy_gettext as _

from webui.errors import EmptyFileError, UploadTooLargeError, WebUIError
from webui.languages import FIRST_LANGUAGE, Text, current_language


class RejectedImageError(WebUIError):
    """The model's handler refused the picture: the answer is the handler's own.

    Args:
        code: The handler's status, 400 to 499.
        type_name: The handler's name for the cause.
        message: The handler's words, which are English.
    """

    heading = _("That picture could not be read")
    headings: ClassVar[dict[str, Text]] = {
        "ImageTooLargeError": UploadTooLargeError.heading,
        "UnsupportedFormatError": _("The model cannot read that kind of file"),
    }
    # The handler speaks one language only, and says more than these do.
    translatable_messages: ClassVar[dict[str, Text]] = {
        "EmptyBodyError": EmptyFileError.text,
        "ImageTooLargeError": _(
            "The picture has too many pixels, or would take too long to decode. Send a smaller "
            "version: nothing is lost, because the model only looks at a thumbnail."
        ),
        "UnreadableImageError": _(
            "The file is damaged or incomplete. Save or export the picture again and send that."
        ),
        "UnsupportedFormatError": _(
            "The file is not a picture in one of the formats that the model reads: AVIF, BMP, GIF, "
            "HEIC, JPEG, PNG, PPM, TIFF or WebP. Save it as one of these."
        ),
    }

    def __init__(self, code: int, type_name: str, message: str) -> None:
        # A percent sign in the handler's words begins no placeholder.
        super().__init__(code=code, type=type_name, text=message.replace("%", "%%"))
        self.heading = self.headings.get(type_name, self.heading)

    @property
    def message_on_page(self) -> Text:
        """The handler's own words, or fewer in the language of the page."""
        if current_language() == FIRST_LANGUAGE:
            return self.message
        fallback = _("The model server refused what was sent.")
        return self.translatable_messages.get(self.type, fallback)


class ModelNotReadyError(WebUIError):
    """TorchServe runs, but the model accepts no picture at the moment."""

    code = 503
    heading = _("The model is not ready")
    text = _(
        "The model is still loading, or has more pictures waiting than it accepts. Try again in a "
        "few seconds."
    )
    retry_after_seconds = 5


class UnknownVersionError(WebUIError):
    """The model has no version of the name that the address gives."""

    code = 404
    heading = _("There is no such version")
    text = _(
        "The model has no version “%(version)s”. Leave the version out of the address, or choose "
        "one on the start page."
    )


class OverloadedError(WebUIError):
    """The model works, and TorchServe's queue of waiting pictures is full."""

    code = 503
    heading = _("Too many pictures are waiting")
    text = _(
        "Too many pictures are already waiting, so yours was not accepted. Nothing is wrong with "
        "it: wait a second and send it again."
    )
    # A full queue is worked off in less.
    retry_after_seconds = 1


class ModelServerError(WebUIError):
    """TorchServe gave an unexpected answer."""

    code = 502
    heading = _("The model server made a mistake")
    # The detail is a clause that says what was wrong with the answer.
    text = _(
        "The model server's answer was not as expected: %(detail)s. Send the picture again; if "
        "this keeps happening, the server's log says more."
    )


class ModelServerKeyError(WebUIError):
    """TorchServe refuses the keys in its own key file, or they cannot be read."""

    code = 502
    heading = _("The model server refused the key")
    text = _(
        "The model server does not accept this site's key. Restart both with “make serve”; if that "
        "does not help, check that TORCHSERVE_RUN_DIRECTORY is the directory in which this model "
        "server runs."
    )


class ModelServerUnreachableError(WebUIError):
    """TorchServe does not answer."""

    code = 502
    heading = _("The model server does not answer")
    text = _(
        "The web page works, but the model server behind it does not answer. It may still be "
        "starting; if it is not running, start it with “make serve”."
    )
    retry_after_seconds = 5


class ModelServerTimeoutError(WebUIError):
    """TorchServe took longer than TORCHSERVE_TIMEOUT_SECONDS."""

    code = 504
    heading = _("The model took too long")
    text = _(
        "No answer came within %(seconds)s seconds. The server may be busy: wait a moment and send "
        "the picture again."
    )
