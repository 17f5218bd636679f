"""Reads TorchServe's messages with fewer system calls than TorchServe itself."""

import struct
import sys
from socket import socket
from typing import Any

from ts.protocol import otf_message_handler

# Minimum number of bytes that are requested from the socket at once.
RECEIVE_BYTES = 1 << 16
INTEGER = struct.Struct("!i")
END_OF_LIST = -1


class MessageReader:
    """Receives all that has arrived at a worker's socket, and reads requests from this buffer.

    TorchServe makes a system call for each number and each text of a request, about forty in all: a
    third of the worker's time for a small picture. The docstrings of
    ``ts.protocol.otf_message_handler`` describe the messages.

    Args:
        connection: The connection to TorchServe's front end, at the beginning of a message.
    """

    def __init__(self, connection: socket) -> None:
        self.connection = connection
        self._received = b""
        self._position = 0

    def take(self, length: int) -> bytes:
        """Return the next ``length`` bytes; end the process if the front end has gone."""
        end = self._position + length
        if end > len(self._received):
            self._receive(length)
            end = length
        taken = self._received[self._position : end]
        self._position = end
        return taken

    def take_requests(self) -> list[dict[str, Any]]:
        """Return the requests of a batch, in the shape of TorchServe's ``_retrieve_inference_msg``.

        All values stay bytes, whatever content type they claim.
        """
        requests = []
        while (length := self._take_integer()) != END_OF_LIST:
            request_id = self.take(length)
            headers = []
            while (length := self._take_integer()) != END_OF_LIST:
                headers.append({"name": self.take(length), "value": self._take_text()})
            parameters = []
            while (length := self._take_integer()) != END_OF_LIST:
                name, content_type = self.take(length).decode(), self._take_text().decode()
                parameters.append(
                    {"name": name, "contentType": content_type, "value": self._take_text()}
                )
            requests.append({"requestId": request_id, "headers": headers, "parameters": parameters})
        return requests

    def _take_text(self) -> bytes:
        return self.take(self._take_integer())

    def _take_integer(self) -> int:
        position = self._position
        if position + INTEGER.size > len(self._received):
            return int(INTEGER.unpack(self.take(INTEGER.size))[0])
        self._position = position + INTEGER.size
        return int(INTEGER.unpack_from(self._received, position)[0])

    def _receive(self, length: int) -> None:
        parts = [self._received[self._position :]]
        missing = length - len(parts[0])
        while missing > 0:
            part = self.connection.recv(max(missing, RECEIVE_BYTES))
            if not part:
                # TorchServe's own reader ends the process in this way too.
                sys.exit(0)
            parts.append(part)
            missing -= len(part)
        self._received = b"".join(parts)
        self._position = 0


class _Readers:
    """Replaces two of TorchServe's functions, which get the socket as an argument each time."""

    def __init__(self) -> None:
        self._reader: MessageReader | None = None

    def retrieve_buffer(self, connection: socket, length: int) -> bytes:
        return self._of(connection).take(length)

    def retrieve_inference_message(self, connection: socket) -> list[dict[str, Any]]:
        return self._of(connection).take_requests()

    def _of(self, connection: socket) -> MessageReader:
        if self._reader is None or self._reader.connection is not connection:
            self._reader = MessageReader(connection)
        return self._reader


def install_read_ahead() -> None:
    """Make TorchServe 0.12 read its messages through a :class:`MessageReader`.

    Call this while the front end waits for a reply, as it does while a model is loaded: then no
    part of a message has been read yet.
    """
    readers = _Readers()
    otf_message_handler._retrieve_buffer = readers.retrieve_buffer  # noqa: SLF001
    otf_message_handler._retrieve_inference_msg = readers.retrieve_inference_message  # noqa: SLF001
