"""Versions of resources as entity tags: an update says which version it changes."""

from audience_core.errors import MissingPreconditionError

# No stored version is negative, so this one is always stale.
_UNKNOWN = -1


def etag(version: int) -> str:
    return f'"{version}"'


def required_version(if_match: str | None) -> int | None:
    """The version that If-Match names, None for `*`; raise `MissingPreconditionError` when there is no header."""
    if if_match is None:
        raise MissingPreconditionError("send the ETag of the version you change in If-Match, or * for any")
    return optional_version(if_match)


def optional_version(if_match: str | None) -> int | None:
    """As `required_version`; no header is as good as `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().strip('"')
    return int(text) if text.isascii() and text.isdigit() else _UNKNOWN
