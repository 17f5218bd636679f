"""The OpenAPI document is valid, complete and true, and the page shows all of it."""

import html
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from handler.request import InvalidParameterError
from model import PROJECT
from model.images.errors import ImageError
from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_HTML, AS_JSON, PNG, send_body, upload_all
from tests.webui.conftest import CreateClient
from webui.errors import WebUIError
from webui.openapi.view import DOCUMENT
from webui.settings import Settings
from webui.torchserve.errors import RejectedImageError

PAGES = {"/", "/static/<path:filename>"}
SCHEMAS = DOCUMENT["components"]["schemas"]
ERRORS = {each["const"]: each for each in SCHEMAS["Error"]["properties"]["type"]["oneOf"]}
OPERATIONS = {
    (path, method): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def subclasses(kind: Any) -> set[Any]:
    return {kind}.union(*map(subclasses, kind.__subclasses__()))


def all_media() -> Iterator[dict[str, Any]]:
    for operation in OPERATIONS.values():
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            yield from part.get("content", {}).values()


def assert_valid(schema: dict[str, Any], value: object) -> None:
    jsonschema_rs.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, validate_formats=True
    ).validate(value)


def assert_as_described(response: TestResponse, path: str = "", method: str = "post") -> None:
    described = OPERATIONS[path or response.request.path, method]["responses"]
    media = described[str(response.status_code)]["content"][response.mimetype]
    assert_valid(media["schema"], response.get_json() if response.is_json else response.text)


def test_document_is_valid_openapi() -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.validate()
    assert {(path, method) for path in schema for method in schema[path]} == OPERATIONS.keys()
    for shape in SCHEMAS.values():
        jsonschema_rs.meta.validate(shape)


def test_document_has_the_version_of_the_project() -> None:
    with (PROJECT / "pyproject.toml").open("rb") as file:
        assert DOCUMENT["info"]["version"] == tomllib.load(file)["project"]["version"]


def test_document_states_the_default_limit() -> None:
    limits = {int(limit) for limit in re.findall(r"'maxItems': ([0-9]{2,})", str(DOCUMENT))}
    assert limits == {Settings().max_pictures}


def test_every_address_is_described(app: Flask) -> None:
    routes = {
        (re.sub("<(.*?)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule not in PAGES
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert OPERATIONS.keys() == routes


def test_exactly_the_errors_that_exist_are_described_with_their_status() -> None:
    # The first three are kinds of errors, and the web UI sends no parameter that could be wrong.
    unused = {WebUIError, ImageError, RejectedImageError, InvalidParameterError}
    assert {name: error["x-status"] for name, error in ERRORS.items()} == {
        error.__name__: error.code
        for base in (WebUIError, ImageError)
        for error in subclasses(base) - unused
    }


def test_every_example_is_valid() -> None:
    examples = [(media["schema"], media["example"]) for media in all_media() if "example" in media]
    assert len(examples) > 10
    for schema, example in examples:
        assert_valid(schema, example)


@pytest.mark.parametrize("accept", [AS_JSON, AS_HTML])
def test_answers_to_pictures_are_as_described(
    client: FlaskClient, torchserve: FakeTorchServe, accept: dict[str, str]
) -> None:
    responses = [
        send_body(client, PNG, "image/png", accept),
        upload_all(client, PNG, b"", PNG, accept=accept),
        upload_all(client, accept=accept),
        upload_all(client, PNG, accept={**accept, "Sec-Fetch-Site": "cross-site"}),
        upload_all(client, *[PNG] * 17, accept=accept),
        upload_all(client, PNG, accept=accept, path="/predict?version=9.9"),
        send_body(client, b"[]", "application/json", accept),
    ]
    for status in (400, 413, 415, 500, 503):
        torchserve.will_answer_error(status, "ServiceUnavailableException")
        responses.append(upload_all(client, PNG, accept=accept))
    assert {response.status_code for response in responses} == {
        *(200, 400, 403, 404, 413, 415, 502, 503)
    }
    for response in responses:
        assert_as_described(response)


def test_answers_to_those_who_send_too_many_are_as_described(client_with: CreateClient) -> None:
    client = client_with(rate_limit="1 per hour")
    upload_all(client, PNG)
    body = {"inputs": [{"name": "", "datatype": "BYTES", "shape": [1], "data": [""]}]}
    responses = [
        upload_all(client, PNG, accept=AS_JSON),
        client.post("/v1/models/zoo:predict", json={"instances": [{"b64": ""}]}),
        client.post("/v2/models/zoo/infer", json=body),
    ]
    for response, path in zip(
        responses, ("/predict", "/v1/models/{name}:predict", "/v2/models/{name}/infer"), strict=True
    ):
        assert response.status_code == 429
        assert_as_described(response, path)


def test_answers_of_probes_are_as_described(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    paths = ("/readyz", "/v1/models/{name}", "/v2/health/ready", "/v2/models/{name}/ready")
    for status in (200, 503):
        for path in paths:
            response = client.get(path.replace("{name}", "zoo"))
            assert response.status_code == status
            assert_as_described(response, path, "get")
        torchserve.workers["7.3"] = []
        torchserve.will_answer_error(503, "ServiceUnavailableException", times=len(paths))


def test_accept_decides_between_page_and_document(client: FlaskClient) -> None:
    page = client.get("/api", headers=AS_HTML)
    as_json = client.get("/api", headers=AS_JSON)
    assert (page.mimetype, as_json.mimetype) == ("text/html", "application/json")
    assert client.get("/api").mimetype == "text/html"
    assert page.vary.as_set() == {"accept", "accept-encoding", "accept-language"}
    assert page.vary.as_set() == as_json.vary.as_set()
    for accept in (AS_JSON, AS_HTML):
        assert client.get("/api/openapi.json", headers=accept).get_json() == DOCUMENT


@pytest.fixture
def words(client: FlaskClient) -> str:
    """What the page says."""
    page = client.get("/api", headers=AS_HTML).text
    return html.unescape(re.sub("<[^>]*>", "", page))


def test_page_holds_the_whole_document(words: str) -> None:
    expected = [*SCHEMAS, *ERRORS]
    described = [*SCHEMAS.values(), *ERRORS.values()]
    for schema in SCHEMAS.values():
        expected += schema["properties"]
        described += schema["properties"].values()
    for (path, method), operation in OPERATIONS.items():
        expected += [f"{method.upper()} {path}", operation["summary"], *operation["responses"]]
        described += [*operation.get("parameters", ()), *operation["responses"].values()]
    expected += [each["description"].replace("`", "") for each in described]
    assert [text for text in expected if text not in words] == []


def test_page_shows_calls_that_can_be_pasted(words: str) -> None:
    assert "-F 'image=@\"picture.jpg\"' http://localhost/predict" in words
    assert "'http://localhost/predict'" in words
