"""Cursors of listings: signed text that continues the very listing of the very account it came from."""

from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options

from audience_core.domain.export_stores import SigningKeys
from audience_core.domain.ids import AccountId
from audience_core.errors import InvalidInputError

_ALGORITHM = "HS256"
# What else is signed with these keys continues no listing, and a cursor opens nothing else.
_PURPOSE = "cursor"


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors (RFC 7519) of one listing.

    Args:
        account_id: whose listing it is.
        listing: names what is listed, filters included.
    """

    keys: SigningKeys
    account_id: AccountId
    listing: str

    def encode(self, position: str | None) -> str | None:
        """Args:
        position: where the next page begins; None after the last.
        """
        if position is None:
            return None
        claims = {"aud": _PURPOSE, "acc": self.account_id, "of": self.listing, "at": position}
        key = self.keys.current()
        return jwt.encode(claims, key.secret, _ALGORITHM, headers={"kid": key.key_id})

    def decode(self, cursor: str | None) -> str | None:
        """The position; raise `InvalidInputError` for text that this listing did not give out."""
        if cursor is None:
            return None
        try:
            claims = self._claims(cursor)
        except (jwt.InvalidTokenError, ValueError):
            raise _unknown() from None
        if (claims.get("acc"), claims.get("of")) != (self.account_id, self.listing):
            raise _unknown()
        return str(claims["at"])

    def _claims(self, cursor: str) -> dict[str, Any]:
        key = self.keys.find(str(jwt.get_unverified_header(cursor).get("kid")))
        if key is None:
            raise jwt.InvalidTokenError
        options: Options = {"require": ["aud", "acc", "of", "at"]}
        claims: dict[str, Any] = jwt.decode(cursor, key.secret, [_ALGORITHM], options, audience=_PURPOSE)
        return claims


def _unknown() -> InvalidInputError:
    return InvalidInputError("the cursor does not belong to this listing", (("/query/next", "unknown cursor"),))
