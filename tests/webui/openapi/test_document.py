"""The OpenAPI document is valid, complete and true, and the page shows all of it."""

import re
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from handler.request import InvalidParameterError
from model import PROJECT
from model.images.errors import ImageError, UnreadableImageError, UnsupportedFormatError
from tests.helpers.fake_torchserve import WORKER_DIED, FakeTorchServe
from tests.helpers.sending import AS_HTML, AS_JSON, PNG, send_body, upload, upload_all
from tests.webui.conftest import CreateClient
from webui.errors import WebUIError
from webui.torchserve.errors import RejectedImageError

Json = dict[str, Any]

OTHER_SITE = {"Sec-Fetch-Site": "cross-site"}
PAGES = {"/", "/static/<path:filename>"}


@pytest.fixture
def document(client: FlaskClient) -> Json:
    found: Json = client.get("/api", headers=AS_JSON).get_json()
    return found


def all_responses(document: Json) -> Iterator[tuple[str, Json]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from operation["responses"].items()
    yield from document["components"]["responses"].items()


def described_errors(document: Json) -> dict[str, int]:
    return {
        name: int(status)
        for status, response in all_responses(document)
        if status >= "400"
        for name in response["content"]["application/json"]["examples"]
    }


def subclasses(kind: Any) -> set[Any]:
    return {kind}.union(*map(subclasses, kind.__subclasses__()))


def assert_valid(document: Json, schema: Json, value: object) -> None:
    jsonschema_rs.Draft202012Validator(
        {**schema, "components": document["components"]}, validate_formats=True
    ).validate(value)


def assert_as_described(document: Json, operation: Json, response: TestResponse) -> None:
    described = operation["responses"][str(response.status_code)]
    media = described["content"][response.mimetype]
    value = response.get_json() if response.is_json else response.text
    assert_valid(document, media["schema"], value)
    for name, header in described.get("headers", {}).items():
        assert name in response.headers or not header["required"]


def test_document_is_valid_openapi(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()
    assert {path: set(schema[path]) for path in schema} == {
        path: set(operations) for path, operations in document["paths"].items()
    }
    for shape in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(shape)


def test_document_has_the_version_of_the_project(document: Json) -> None:
    with (PROJECT / "pyproject.toml").open("rb") as file:
        assert document["info"]["version"] == tomllib.load(file)["project"]["version"]


def test_every_address_is_described(app: Flask, document: Json) -> None:
    routes = {
        (rule.rule, method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule not in PAGES
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {
        (path, method) for path, operations in document["paths"].items() for method in operations
    }
    assert described == routes


def test_exactly_the_errors_that_exist_are_described_with_their_status(document: Json) -> None:
    described = described_errors(document)
    # The first three are kinds of errors, and the web UI sends no parameter that could be wrong.
    unused = {WebUIError, ImageError, RejectedImageError, InvalidParameterError}
    expected = {
        error.__name__: error.code
        for base in (WebUIError, ImageError)
        for error in subclasses(base) - unused
    }
    assert described == expected


def test_examples_quote_the_handler(document: Json) -> None:
    responses = document["paths"]["/predict"]["post"]["responses"]
    for kind in (UnreadableImageError, UnsupportedFormatError):
        content = responses[str(kind.code)]["content"]["application/json"]
        assert content["examples"][kind.__name__]["value"]["message"] == kind.default_message


def test_every_example_is_valid(document: Json) -> None:
    for shape in document["components"]["schemas"].values():
        for example in shape["examples"]:
            assert_valid(document, shape, example)
    for _status, response in all_responses(document):
        media = response["content"].get("application/json", {})
        for example in media.get("examples", {}).values():
            assert_valid(document, media["schema"], example["value"])


@pytest.mark.parametrize("accept", [AS_JSON, AS_HTML])
def test_answers_to_pictures_are_as_described(
    client: FlaskClient, torchserve: FakeTorchServe, document: Json, accept: dict[str, str]
) -> None:
    responses = [
        (200, send_body(client, PNG, "image/png", accept)),
        (200, upload_all(client, PNG, accept=accept)),
        (200, upload_all(client, PNG, b"", PNG, accept=accept)),
        (400, upload_all(client, accept=accept)),
        (400, upload_all(client, b"", b"", accept=accept)),
        (403, upload_all(client, PNG, accept={**accept, **OTHER_SITE})),
        (413, upload_all(client, bytes(1_000_001), accept=accept)),
        (413, upload_all(client, *[PNG] * 17, accept=accept)),
        (413, upload_all(client, *[PNG] * 99, accept=accept)),
        (415, send_body(client, b"[]", "application/json", accept)),
    ]
    for status, expected, type_name in (
        (400, 400, "UnreadableImageError"),
        (413, 413, "ImageTooLargeError"),
        (415, 415, "UnsupportedFormatError"),
        (503, 503, "ServiceUnavailableException"),
        (500, 502, "InternalServerException"),
    ):
        torchserve.will_answer_error(status, type_name)
        responses.append((expected, upload(client, accept=accept)))
    torchserve.will_answer_error(507, "InternalServerException", WORKER_DIED, times=2)
    responses.append((503, upload(client, accept=accept)))
    for expected, response in responses:
        assert response.status_code == expected
        assert_as_described(document, document["paths"]["/predict"]["post"], response)


def test_answers_to_those_who_send_too_many_are_as_described(
    client_with: CreateClient, document: Json
) -> None:
    client = client_with(rate_limit="1 per hour")
    assert upload(client).status_code == 200
    response = upload(client, accept=AS_JSON)
    assert response.status_code == 429
    assert_as_described(document, document["paths"]["/predict"]["post"], response)


def test_answers_of_probes_are_as_described(
    client: FlaskClient, torchserve: FakeTorchServe, document: Json
) -> None:
    paths = document["paths"]
    for path in ("/healthz", "/readyz"):
        assert_as_described(document, paths[path]["get"], client.get(path))
    torchserve.will_describe(200, [{"workers": []}])
    assert_as_described(document, paths["/readyz"]["get"], client.get("/readyz"))
    torchserve.will_describe(500, {"code": 500, "type": "Oh"})
    assert_as_described(document, paths["/readyz"]["get"], client.get("/readyz"))
    torchserve.key_file.unlink()
    response = client.get("/readyz")
    assert (response.status_code, "Retry-After" in response.headers) == (502, True)
    assert_as_described(document, paths["/readyz"]["get"], response)


@pytest.mark.parametrize("accept", [AS_JSON, AS_HTML])
def test_other_answers_are_as_described(
    client: FlaskClient, document: Json, accept: dict[str, str]
) -> None:
    for path in ("/predict", "/api", "/api/openapi.json"):
        response = client.get(path, headers=accept)
        assert_as_described(document, document["paths"][path]["get"], response)
    elsewhere = {"responses": document["components"]["responses"]}
    for method, path in (("GET", "/nothing-here"), ("DELETE", "/predict")):
        assert_as_described(document, elsewhere, client.open(path, method=method, headers=accept))


def test_a_described_picture_arrives_as_it_was_sent(
    client: FlaskClient, torchserve: FakeTorchServe, document: Json
) -> None:
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    bodies = [PNG, b"\xff\xd8\xff and so on", b'{"instances": []}', b"no picture"]
    for media_type in content.keys() - {"multipart/form-data"}:
        torchserve.images.clear()
        for body in bodies:
            send_body(client, body, media_type.replace("*", "png"))
        assert torchserve.images == bodies


def test_document_states_the_limits_of_the_moment(client_with: CreateClient) -> None:
    limits = {
        "max_upload_bytes": 7_000,
        "max_pictures": 3,
        "max_form_bytes": 9_000,
        "rate_limit": "5 per second",
        "torchserve_timeout_seconds": 2,
    }
    document = client_with(**limits).get("/api/openapi.json").get_json()
    stated = document["info"]["x-limits"]
    assert {name.lower(): limit["value"] for name, limit in stated.items()} == limits
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert content["multipart/form-data"]["schema"]["properties"]["image"]["maxItems"] == 3


def test_server_is_the_one_that_was_asked(client_with: CreateClient) -> None:
    client = client_with(webui_host="0.0.0.0")  # noqa: S104
    for base in ("http://pictures.example:81", "https://example.org/below"):
        document = client.get("/api/openapi.json", base_url=base).get_json()
        assert [server["url"] for server in document["servers"]] == [base]


def test_accept_decides_between_page_and_document(client: FlaskClient) -> None:
    page = client.get("/api", headers=AS_HTML)
    as_json = client.get("/api", headers=AS_JSON)
    assert (page.mimetype, as_json.mimetype) == ("text/html", "application/json")
    assert client.get("/api").mimetype == "text/html"
    assert page.vary.as_set() == {"accept", "accept-encoding", "accept-language"}
    assert page.vary.as_set() == as_json.vary.as_set()
    for accept in (AS_JSON, AS_HTML):
        assert client.get("/api/openapi.json", headers=accept).get_json() == as_json.get_json()


def test_document_is_in_english_whatever_the_reader_speaks(
    client: FlaskClient, document: Json
) -> None:
    german = client.get("/api/openapi.json", headers={"Accept-Language": "de"})
    assert german.get_json() == document


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture
def page(client: FlaskClient) -> Page:
    return Page(client.get("/api", headers=AS_HTML).text)


def test_page_holds_the_whole_document(page: Page, document: Json) -> None:
    words = re.sub(r"\s+", " ", page.words)
    expected = [*document["paths"], *described_errors(document), *document["info"]["x-limits"]]
    for operations in document["paths"].values():
        for method, operation in operations.items():
            expected += [method.upper(), operation["summary"], *operation["responses"]]
            expected += operation["description"].replace("`", "").split("\n\n")
    for name, shape in document["components"]["schemas"].items():
        expected += [name, *shape["properties"]]
    expected += [
        example["summary"]
        for status, response in all_responses(document)
        if status >= "400"
        for example in response["content"]["application/json"]["examples"].values()
    ]
    assert [text for text in expected if text not in words] == []


def test_page_shows_calls_that_can_be_pasted(page: Page) -> None:
    assert "curl -H 'Accept: application/json' -F image=@picture.jpg http://localhost/predict" in (
        page.words
    )
    assert "'http://localhost/predict'" in page.words


def test_page_can_be_used_without_eyes_or_mouse(page: Page) -> None:
    levels = [int(tag[1]) for tag, _attributes in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    assert len(page.all("table")) == len(page.all("caption")) == len(page.all("thead"))
    assert all("scope" in heading for heading in page.all("th"))
    ids = [attributes["id"] for _tag, attributes in page.tags if "id" in attributes]
    within = [link["href"] for link in page.all("a") if (link["href"] or "").startswith("#")]
    assert len(within) > 10
    assert all(link is not None and link[1:] in ids for link in within)
