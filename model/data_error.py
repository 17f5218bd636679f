"""The error of data that can't be used."""


class DataError(ValueError):
    """The data can't be used as it is; the message says what to do."""
