"""Store cursors: where a query stopped, as opaque text."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from audience_core.errors import InvalidInputError


def encode(key: Mapping[str, Any] | None) -> str | None:
    """None for the last page."""
    return None if key is None else base64.urlsafe_b64encode(json.dumps(key, sort_keys=True).encode()).decode()


def decode(cursor: str | None) -> dict[str, Any] | None:
    """Raise `InvalidInputError` for text that no store gave out."""
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError as error:
        raise InvalidInputError("the cursor is not one of ours", (("/next", "unknown cursor"),)) from error
    if not isinstance(key, dict):
        raise InvalidInputError("the cursor is not one of ours", (("/next", "unknown cursor"),))
    return key
