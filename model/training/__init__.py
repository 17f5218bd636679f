"""What the loop in ``train.py`` is made of."""

from model.command_line import CommandError


class RunError(CommandError):
    """A run can't be made or resumed as it was asked for; the message says what to do."""
