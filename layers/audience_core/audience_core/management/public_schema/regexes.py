"""Wildcard patterns as regular expressions of the whole value, and such expressions as wildcard patterns."""

import re

_SPECIAL = frozenset(".^$*+?{}[]|()\\")
_WILDCARDS = frozenset("*?\\")
_PATTERN_TOKEN = re.compile(r"\\(.?)|(\*)|(\?)|(.)", re.DOTALL)
_REGEX_TOKEN = re.compile(r"\\([^A-Za-z0-9])|(\.\*)|(\.)(?![+?{])|([^.^$*+?{}\[\]|()\\](?![*+?{]))", re.DOTALL)


def regex_of(pattern: str) -> str:
    parts = ["^"]
    for escaped, star, question, literal in _PATTERN_TOKEN.findall(pattern):
        if star or question:
            parts.append(".*" if star else ".")
        else:
            parts.append(_escaped(literal or escaped or "\\", _SPECIAL))
    return "".join([*parts, "$"])


def pattern_of(regex: str) -> str | None:
    """None if the expression says what a pattern cannot."""
    # An escaped "$" at the end is no anchor: removing it would leave a lone backslash, which is refused below.
    body, parts, at = regex.removeprefix("^").removesuffix("$"), [], 0
    while at < len(body):
        token = _REGEX_TOKEN.match(body, at)
        if token is None:
            return None
        escaped, star, question, literal = token.groups()
        parts.append("*" if star else "?" if question else _escaped(escaped or literal, _WILDCARDS))
        at = token.end()
    return "".join(parts)


def _escaped(character: str, special: frozenset[str]) -> str:
    return f"\\{character}" if character in special else character
