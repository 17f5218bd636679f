"""Reads TorchServe's messages through a buffer.

TorchServe 0.12 makes a system call for each number and each text of a request, about forty in all,
which is a quarter of what a worker computes for a small picture and a small network.
"""

import sys
from functools import cache
from io import BufferedReader
from socket import SocketIO, socket

from ts.protocol import otf_message_handler

BUFFER_BYTES = 1 << 16


def buffer_messages() -> None:
    """Let TorchServe 0.12 read ahead.

    Call this while the front end waits for a reply, as it does while a model is loaded: then no
    part of a message has been read yet.
    """
    otf_message_handler._retrieve_buffer = _receive  # noqa: SLF001


def _receive(connection: socket, length: int) -> bytes:
    received = _reader(connection).read(length)
    if len(received) < length:
        # The front end has gone. TorchServe's own function ends the process in this way, too.
        sys.exit(0)
    return received


@cache
def _reader(connection: socket) -> BufferedReader:
    return BufferedReader(SocketIO(connection, "r"), BUFFER_BYTES)
