"""What the web UI counts for Prometheus, of real requests."""

from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import PREDICTION, Answer, FakeTorchServe, Held
from tests.helpers.sending import AS_JSON, PNG, upload, upload_all
from tests.helpers.waiting import wait_until
from webui.admission import MOST_RUNNING


def value(app: Flask, name: str, **labels: str) -> float | None:
    found: float | None = app.extensions["metrics"].registry.get_sample_value(name, labels)
    return found


def requests(app: Flask, method: str, route: str, status: int) -> float | None:
    name = "webui_request_duration_seconds_count"
    return value(app, name, method=method, route=route, status=str(status))


def test_requests_are_timed_by_route_and_status(
    app: Flask, client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.answers_to[PNG] = Answer(200, PREDICTION, delay=0.1)
    upload(client, accept=AS_JSON)
    labels = {"method": "POST", "route": "/predict", "status": "200"}
    seconds = value(app, "webui_request_duration_seconds_sum", **labels)
    assert requests(app, "POST", "/predict", 200) == 1
    assert seconds is not None
    assert 0.1 < seconds < 10
    client.get("/v2/models/zoo")
    assert requests(app, "GET", "/v2/models/<name>", 200) == 1


def test_visitors_cannot_make_up_labels(app: Flask, client: FlaskClient) -> None:
    for index in range(3):
        client.get(f"/nothing/{index}")
    client.open("/predict", method="BREW")
    assert requests(app, "", "", 404) == 3
    assert requests(app, "", "", 405) == 1


def test_each_picture_that_gets_an_error_is_counted_by_its_type(
    app: Flask, client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.answers_to[PNG] = Answer(503, {})
    assert upload(client).status_code >= 500
    upload_all(client, PNG, b"", PNG)
    assert value(app, "webui_errors_total", type="ModelServerError") == 3
    assert value(app, "webui_errors_total", type="EmptyFileError") == 1


def test_requests_that_run_and_that_wait_are_told_apart(
    app: Flask, torchserve: FakeTorchServe
) -> None:
    running_at_once = MOST_RUNNING[1]
    held = torchserve.answers_to[PNG] = Held()

    def under_way() -> list[float | None]:
        states = ("running", "waiting")
        return [value(app, "webui_picture_requests", state=state) for state in states]

    assert under_way() == [0, 0]
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(lambda: upload(app.test_client())) for _ in range(5)]
        wait_until(lambda: under_way() == [running_at_once, 5 - running_at_once])
        held.released.set()
        assert all(future.result().status_code == 200 for future in futures)
    assert under_way() == [0, 0]


def test_the_page_itself_tells_visitors_none_of_it(client: FlaskClient) -> None:
    assert client.get("/metrics").status_code == 404
