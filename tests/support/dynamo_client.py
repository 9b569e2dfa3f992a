"""Listening to the client that all tables share, and not any longer than a test lasts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from audience_core.persistence.tables import connection


@contextmanager
def listening(region: str | None, event: str, handler: Callable[..., Any]) -> Iterator[None]:
    """`event`: of botocore, such as `before-call.dynamodb`."""
    events = connection(region).client.meta.events
    events.register(event, handler)
    try:
        yield
    finally:
        events.unregister(event, handler)
