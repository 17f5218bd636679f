"""Messages of TorchServe's front end, over a real socket, in every way that they may be cut."""

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ts.protocol import otf_message_handler

from handler.read_ahead import RECEIVE_BYTES, MessageReader, install_read_ahead

END = struct.pack("!i", -1)
Pair = tuple[socket.socket, socket.socket]


def text(content: bytes) -> bytes:
    return struct.pack("!i", len(content)) + content


def pack(
    request_id: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    parameters: Sequence[tuple[bytes, bytes, bytes]],
) -> bytes:
    return b"".join(
        [
            text(request_id),
            *(text(part) for header in headers for part in header),
            END,
            *(text(part) for parameter in parameters for part in parameter),
            END,
        ]
    )


REQUESTS = (
    pack(b"first", [(b"a", b"1"), (b"top_k", b"")], [(b"body", b"", b"\0\xff" * 9)]),
    pack(b"second", [], []),
    pack(b"", [(b"b", b"\xc3\xa4")], [("ü".encode(), b"image/png", b""), (b"top_k", b"x", b"3")]),
)
MESSAGE = b"I" + b"".join(REQUESTS) + END


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    with ours, theirs:
        yield ours, theirs


def send(connection: socket.socket, parts: Sequence[bytes]) -> threading.Thread:
    def send_all() -> None:
        for part in parts:
            connection.sendall(part)

    thread = threading.Thread(target=send_all)
    thread.start()
    return thread


def expected(pair: Pair, message: bytes) -> Any:
    """What TorchServe's own reader makes of it."""
    ours, theirs = pair
    thread = send(theirs, [message])
    found = otf_message_handler.retrieve_msg(ours)
    thread.join()
    return found


def test_a_message_is_read_as_torchserve_reads_it(pair: Pair, torchserves_reader: Any) -> None:
    command, requests = expected(pair, MESSAGE)
    assert len(requests) == 3
    install_read_ahead()
    thread = send(pair[1], [MESSAGE])
    assert torchserves_reader.retrieve_msg(pair[0]) == (command, requests)
    thread.join()


def test_a_message_may_be_cut_anywhere(pair: Pair) -> None:
    _, requests = expected(pair, MESSAGE)
    for cut in range(1, len(MESSAGE)):
        reader = MessageReader(pair[0])
        pair[1].sendall(MESSAGE[:cut])
        command = reader.take(1)
        thread = send(pair[1], [MESSAGE[cut:]])
        assert (command, reader.take_requests()) == (b"I", requests), cut
        thread.join()


def test_messages_that_arrive_together_are_read_one_by_one(pair: Pair) -> None:
    _, requests = expected(pair, MESSAGE)
    _, second = expected(pair, b"I" + REQUESTS[0] + END)
    reader = MessageReader(pair[0])
    thread = send(pair[1], [MESSAGE + b"I" + REQUESTS[0] + END + MESSAGE])
    for wanted in (requests, second, requests):
        assert reader.take(1) == b"I"
        assert reader.take_requests() == wanted
    thread.join()


@pytest.mark.parametrize("size", [RECEIVE_BYTES - 1, RECEIVE_BYTES, 5_000_000])
def test_a_large_picture_is_read_whole(pair: Pair, size: int) -> None:
    picture = bytes(range(251)) * (size // 251 + 1)
    message = b"I" + pack(b"id", [], [(b"body", b"", picture[:size])]) + REQUESTS[0] + END
    reader = MessageReader(pair[0])
    thread = send(pair[1], [message])
    assert reader.take(1) == b"I"
    large, small = reader.take_requests()
    thread.join()
    assert large["parameters"][0]["value"] == picture[:size]
    assert small["requestId"] == b"first"


def test_json_and_text_stay_bytes(pair: Pair) -> None:
    for content_type in (b"application/json", b"text/plain"):
        request = pack(b"id", [], [(b"body", content_type, b"{\xff")])
        reader = MessageReader(pair[0])
        pair[1].sendall(request + END)
        assert reader.take_requests()[0]["parameters"][0]["value"] == b"{\xff"


def test_a_front_end_that_has_gone_ends_the_worker(pair: Pair) -> None:
    pair[1].sendall(MESSAGE[: len(MESSAGE) // 2])
    pair[1].close()
    reader = MessageReader(pair[0])
    assert reader.take(1) == b"I"
    with pytest.raises(SystemExit) as ended:
        reader.take_requests()
    assert ended.value.code == 0


def test_a_new_connection_has_a_reader_of_its_own(torchserves_reader: Any) -> None:
    install_read_ahead()
    for _ in range(2):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(MESSAGE + b"the rest of a connection that is given up")
            command, requests = torchserves_reader.retrieve_msg(ours)
            assert command == b"I"
            assert [request["requestId"] for request in requests] == [b"first", b"second", b""]
