"""A limit to the number of pictures that one address may send in a time."""

import math
import time
from typing import Any, NoReturn

from flask import Flask
from flask_limiter import Limiter, RequestLimit
from flask_limiter.util import get_remote_address

from webui.errors import RateLimitError, TooManyPicturesError
from webui.settings import UNLIMITED
from webui.uploads import count_uploads


def limit_rate(app: Flask, rate: str, *endpoints: str) -> None:
    """Limit the pictures that some views together accept from each address.

    The pictures are counted in the memory of this process.

    Args:
        app: The application that has the views.
        rate: The limit, such as ``5 per second``, or ``unlimited``.
        endpoints: Names of the views.
    """
    if rate == UNLIMITED:
        return
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")
    limit = limiter.shared_limit(rate, "pictures", cost=count_uploads, on_breach=_refuse)
    for endpoint in endpoints:
        view: Any = app.view_functions[endpoint]
        app.view_functions[endpoint] = limit(view)


def _refuse(limit: RequestLimit) -> NoReturn:
    most = limit.limit.amount
    if count_uploads() > most:
        # Waiting would not help.
        raise TooManyPicturesError(max_pictures=most)
    seconds = max(1, math.ceil(limit.window.reset_time - time.time()))
    raise RateLimitError(retry_after_seconds=seconds)
