"""What the loop in ``train.py`` is made of."""


class RunError(ValueError):
    """A run can't be made or resumed as it was asked for; the message says what to do."""
