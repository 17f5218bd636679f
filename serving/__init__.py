"""The parts of ``serve.py``: finding Java, starting TorchServe, and supervising the processes."""


class ServeError(RuntimeError):
    """Serving can't start or go on; the message says what to do."""
