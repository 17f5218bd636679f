"""What the loop in ``train.py`` is made of.

What is asked for is in ``recipes``, ``config`` and ``options``; what is trained, in
``initial_network``, ``optimizer`` and ``batches``; where, in ``devices`` and ``distributed``; what
comes of it, in ``metrics``, ``checkpoint`` and ``run``; and how it ends, in ``command``.
"""

from model.command_line import CommandError


class RunError(CommandError):
    """A run can't be made or resumed as it was asked for; the message says what to do."""
