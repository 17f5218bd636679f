"""The page that accepts pictures."""

import re

import pytest
from flask.testing import FlaskClient

from tests.webui.conftest import CreateClient


def test_form_names_its_limits(client_with: CreateClient) -> None:
    page = client_with(max_pictures=7).get("/").text
    assert 'data-max-bytes="1000000"' in page
    assert "up to 976.6 KiB each, 7 at once" in page


@pytest.mark.parametrize("path", ["/", "/api"])
def test_everything_a_page_links_to_exists_and_ids_are_unique(
    client: FlaskClient, path: str
) -> None:
    page = client.get(path).text
    addresses = re.findall(r'(?:src|href)="(/[^"]*)"', page)
    assert "/static/styles/base.css" in addresses
    for address in addresses:
        with client.get(address) as response:
            assert response.status_code == 200, address
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) > 10
    assert len(ids) == len(set(ids))
