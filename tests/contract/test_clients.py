"""Every client tells AWS in the same words who is asking."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config

from audience_core.persistence.clients import client
from audience_core.persistence.tables import connection


def of_queues(region: str, own: Config | None = None) -> tuple[Any, Callable[[], Any]]:
    made = client("sqs", region, own)
    return made, made.list_queues


def of_queues_with_settings_of_their_own(region: str) -> tuple[Any, Callable[[], Any]]:
    return of_queues(region, Config(connect_timeout=7))


def of_tables(region: str) -> tuple[Any, Callable[[], Any]]:
    made = connection(region).client
    return made, made.list_tables


@pytest.mark.parametrize("make", [of_queues, of_queues_with_settings_of_their_own, of_tables])
def test_clients_introduce_themselves_in_the_words_of_the_product(
    aws: str, make: Callable[[str], tuple[Any, Callable[[], Any]]]
) -> None:
    made, ask = make(aws)
    said: list[bytes] = []

    def listen(request: Any, **_: Any) -> None:
        said.append(request.headers["User-Agent"])

    made.meta.events.register_first("before-send", listen)
    try:
        ask()
    finally:
        made.meta.events.unregister("before-send", listen)

    assert said[0].decode().split()[0] == "audience-manager"
    assert "lang/python" not in said[0].decode()


def test_own_settings_are_kept(aws: str) -> None:
    assert client("sqs", aws, Config(connect_timeout=7)).meta.config.connect_timeout == 7
