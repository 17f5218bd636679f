import socket
from threading import Thread

import pytest
from ts.protocol import otf_message_handler

from handler.buffered_messages import buffer_messages

BODY = bytes(range(256)) * 4096


def send_and_close(connection: socket.socket) -> None:
    with connection:
        connection.sendall(b"\0\0\0\7" + BODY)


def test_what_arrives_in_pieces_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otf_message_handler, "_retrieve_buffer", None)
    buffer_messages()
    front_end, worker = socket.socketpair()
    with worker:
        sender = Thread(target=send_and_close, args=[front_end])
        sender.start()
        assert otf_message_handler._retrieve_int(worker) == 7  # noqa: SLF001
        assert otf_message_handler._retrieve_buffer(worker, len(BODY)) == BODY  # noqa: SLF001
        sender.join()
        with pytest.raises(SystemExit):
            otf_message_handler._retrieve_int(worker)  # noqa: SLF001
