"""What real servers write to their logs, and what they do not."""

import json

import pytest

from serving.supervision import MAX_LOG_BYTES
from serving.torchserve import log_files
from tests.helpers.server import Server
from tests.helpers.waiting import wait_until

SECRET = b"what-was-sent"


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"\x89PNG\n%s %%zz&a=b", 500),
        ("application/x-www-form-urlencoded", b"data=x\tat %s%%&b", 500),
        (
            "multipart/form-data; boundary=x",
            # No name of a charset may begin with "-" or "_", with which a key may begin.
            b'--x\r\nContent-Disposition: form-data;name="a"\r\nContent-Type:a;charset=x%s\r\n\r\n',
            500,
        ),
        ("multipart/form-data; boundary=x", b"\x89PNG %s", 400),
    ],
)
def test_no_body_and_no_key_is_logged_whatever_a_body_calls_itself(
    server: Server, content_type: str, body: bytes, status: int
) -> None:
    keys = json.loads(server.settings.key_file.read_text()).values()
    directory = server.settings.torchserve_run_directory
    log = directory / "logs" / "torchserve.log"
    before = log.stat().st_size
    server.ask_page(SECRET)
    for secret in (SECRET, *(entry["key"].encode() for entry in keys)):
        response = server.post(headers={"Content-Type": content_type}, body=body % secret)
        assert response.status == status
    if status == 500:
        # The class of the exception is.
        wait_until(lambda: b"DecoderException\n" in log.read_bytes()[before:])
    logs = b"".join(path.read_bytes() for path in directory.rglob("*.log"))
    assert SECRET not in logs
    assert not [entry for entry in keys if entry["key"].encode() in logs]


def test_a_log_that_has_become_too_large_starts_anew_and_the_old_one_is_kept(
    server: Server,
) -> None:
    for log in log_files(server.settings):
        with log.open("ab") as file:
            file.write(b"x" * MAX_LOG_BYTES)
        wait_until(lambda log=log: log.stat().st_size == 0)  # type: ignore[misc]
        assert log.with_suffix(".old.log").stat().st_size > MAX_LOG_BYTES
