"""Links to finished exports: a signed token that opens one archive, for seven days, and nothing else."""

from datetime import UTC, datetime
from typing import Any

import jwt
from jwt.types import Options

from audience_core.domain.export import Archive, Export
from audience_core.domain.export_stores import SigningKeys
from audience_core.domain.ids import AccountId
from audience_core.errors import ForbiddenError, GoneError

_ALGORITHM = "HS256"
# Whatever else may be signed with these keys one day does not open an archive.
_PURPOSE = "export-download"


def sign(keys: SigningKeys, account_id: AccountId, export_id: str, expires_at: int) -> str:
    """A token (RFC 7519) for a link.

    Args:
        expires_at: UTC ms.
    """
    claims = {"aud": _PURPOSE, "exp": expires_at // 1000, "acc": account_id, "sub": export_id}
    key = keys.current()
    return jwt.encode(claims, key.secret, _ALGORITHM, headers={"kid": key.key_id})


def read(keys: SigningKeys, token: str, now: datetime) -> tuple[AccountId, str]:
    """Which account's export a token opens.

    Raises:
        ForbiddenError: we did not sign it, or not for this purpose. Nothing tells which.
        GoneError: its time is over.
    """
    try:
        claims = _claims(keys, token)
        account_id, export_id, expires = AccountId(int(claims["acc"])), str(claims["sub"]), int(claims["exp"])
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
        # The cause could tell somebody who tries which part was wrong.
        raise refusal() from None
    if expires <= now.timestamp():
        raise over()
    return account_id, export_id


def message(export: Export, archive: Archive, link: str) -> tuple[str, str]:
    """Subject and text of the e-mail that brings a link."""
    names = [f"{file.audience_name} ({file.audience_id})" for file in export.files]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    until = datetime.fromtimestamp(archive.expires_at / 1000, UTC)
    text = (
        f"Your export of {len(names)} audience{'s' if len(names) > 1 else ''} is ready:\n\n{link}\n\n"
        f"The link works until {until:%Y-%m-%d %H:%M} UTC, for everybody who has it.\n\n"
        f"{archive.name}: {archive.bytes:,} bytes, {sum(archive.rows_by_identity.values()):,} rows\n"
        + "".join(f"- {name}\n" for name in names)
    )
    return f"Your export is ready: {names[0]}{more}", text


def refusal() -> ForbiddenError:
    return ForbiddenError("this link is not valid")


def over() -> GoneError:
    return GoneError("this link does not lead to a file any more: export the audience again")


def _claims(keys: SigningKeys, token: str) -> dict[str, Any]:
    key = keys.find(str(jwt.get_unverified_header(token).get("kid")))
    if key is None:
        raise jwt.InvalidTokenError
    # The time is compared with the caller's clock, above.
    options: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims: dict[str, Any] = jwt.decode(token, key.secret, [_ALGORITHM], options, audience=_PURPOSE)
    return claims
