"""Setting the sample shop up: what is there is used again, what is unknown is made anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audience_cli.api import Api
from audience_cli.settings import Settings
from local.sample_shop import INPUTS
from local.shop.audiences import AUDIENCES
from local.shop.provision import HISTORY, IMPORTS, OUTPUT, provision
from tests.unit.cli.fake_api import CLIENT, FakeApi, fake_api

PARTNER = "http://127.0.0.1:9/"


def page(*items: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(items), "next": None}


@pytest.fixture
def server() -> Iterator[FakeApi]:
    """A product in which the shop is set up already."""
    with fake_api() as server:
        server.on("GET", "/v1/workspaces", page({"id": "w-1", "name": "Trailhead"}, {"id": "w-2", "name": IMPORTS}))
        inputs = [{"id": f"i-{name}", "name": INPUTS[name], "key": f"key-{name}"} for name in INPUTS]
        server.on("GET", "/v1/workspaces/w-1/inputs", page(*inputs))
        server.on("GET", "/v1/workspaces/w-2/inputs", page({"id": "i-h", "name": HISTORY, "key": "key-h"}))
        server.on("GET", "/v1/outputs", page({"id": "o-1", "name": OUTPUT, "settings": {"url": PARTNER}}))
        rows = [{"id": n, "name": each.name, "status": "active"} for n, each in enumerate(AUDIENCES, 1)]
        server.on("GET", "/v1/audiences", page(*rows))
        for number, _ in enumerate(AUDIENCES, 1):
            server.on("GET", f"/v1/audiences/{number}/connections", page({"id": "c-1", "output_id": "o-1"}))
        yield server


@pytest.fixture
def api(server: FakeApi, tmp_path: Path) -> Iterator[Api]:
    settings = Settings(server.url, server.token_url, *CLIENT)
    with Api(settings, tmp_path) as api:
        yield api


def remembered() -> dict[str, Any]:
    inputs = {f"i-{name}": {"key": f"key-{name}", "secret": f"secret-{name}"} for name in INPUTS}
    return {"partner_secret": "s", "inputs": {**inputs, "i-h": {"key": "key-h", "secret": "secret-h"}}}


def test_a_shop_that_is_there_is_left_as_it_is(api: Api, server: FakeApi) -> None:
    found = provision(api, remembered(), PARTNER)

    assert {each.method for each in server.asked} == {"GET"}
    assert found.inputs["ios"] == ("key-ios", "secret-ios")
    assert found.audiences == (1, 2, 3, 4, 5)


def test_an_input_whose_secret_nobody_knows_gets_another(api: Api, server: FakeApi) -> None:
    server.on("POST", "/v1/workspaces/w-1/inputs/i-ios/rotate", {"id": "i-ios", "key": "new", "secret": "fresh"})
    credentials = remembered()
    del credentials["inputs"]["i-ios"]

    found = provision(api, credentials, PARTNER)

    assert found.inputs["ios"] == ("new", "fresh")
    assert credentials["inputs"]["i-ios"]["secret"] == "fresh"


def test_a_partner_that_moved_is_told_to_the_output(api: Api, server: FakeApi) -> None:
    server.on("PATCH", "/v1/outputs/o-1", {})

    provision(api, remembered(), "http://127.0.0.1:10/")

    [change] = [each for each in server.asked if each.method == "PATCH"]
    assert change.body == {"settings": {"url": "http://127.0.0.1:10/", "signing_secret": "s"}}


def test_the_cli_imports_into_a_workspace_of_its_own(api: Api) -> None:
    credentials = remembered()

    provision(api, credentials, PARTNER)

    assert (credentials["input_key"], credentials["input_secret"]) == ("key-h", "secret-h")


def test_a_missing_audience_is_created_activated_and_connected(api: Api, server: FakeApi) -> None:
    server.answers["GET", "/v1/audiences"].clear()
    rows = [{"id": n, "name": each.name, "status": "active"} for n, each in enumerate(AUDIENCES, 1) if n != 3]
    server.on("GET", "/v1/audiences", page(*rows))
    server.on("POST", "/v1/audiences", {"id": 9, "status": "draft"}, 201)
    server.on("POST", "/v1/audiences/9/activate", {})
    server.on("GET", "/v1/audiences/9/connections", page())
    server.on("POST", "/v1/audiences/9/connections", {}, 201)

    found = provision(api, remembered(), PARTNER)

    posts = [(each.path, each.body) for each in server.asked if each.method == "POST"]
    assert found.audiences == (1, 2, 9, 4, 5)
    assert [path for path, _ in posts] == [
        "/v1/audiences",
        "/v1/audiences/9/activate",
        "/v1/audiences/9/connections",
    ]
    assert posts[0][1]["workspaces"] == ["w-1"]
    assert posts[2][1] == {"output_id": "o-1"}
