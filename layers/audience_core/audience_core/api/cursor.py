"""Cursors of listings: opaque text that continues the very listing it came from."""

import base64
import json

from audience_core.errors import InvalidInputError


def encode(listing: str, position: str | None) -> str | None:
    """Args:
    listing: names what is listed, filters included.
    position: where the next page begins; None after the last.
    """
    if position is None:
        return None
    return base64.urlsafe_b64encode(json.dumps([listing, position]).encode()).decode().rstrip("=")


def decode(listing: str, cursor: str | None) -> str | None:
    """The position; raise `InvalidInputError` for text that this listing did not give out."""
    if cursor is None:
        return None
    try:
        origin, position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError) as error:
        raise _unknown() from error
    if origin != listing or not isinstance(position, str):
        raise _unknown()
    return position


def _unknown() -> InvalidInputError:
    return InvalidInputError("the cursor does not belong to this listing", (("/query/next", "unknown cursor"),))
