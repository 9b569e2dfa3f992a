"""Opting in to receiving audiences, and out again: terms, a logo, a switch."""

import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from audience_core.domain.account import Record
from audience_core.domain.sharing import MAX_LOGO_BYTES, LogEntry, Receiving, Step
from audience_core.domain.sharing_stores import LogoFiles, Upload
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError
from audience_core.management import sharing
from audience_core.management.sharing import Party, SharingStores
from audience_core.management.sharing_terms import TERMS
from audience_core.management.versions import persistently, require_version

_UPLOAD_ID = re.compile(r"u-[0-9a-f]{32}")


class ReceivingEdit(Record):
    """What to change; a field that is missing or null stays as it is.

    Args:
        terms_version: of the terms that are accepted: the current ones.
        is_on: on needs accepted terms and a logo; off ends every arrangement for good.
    """

    model_config = ConfigDict(extra="forbid")

    terms_version: str | None = None
    is_on: bool | None = None


class NewLogo(Record):
    """Args:
    size_bytes: of the PNG file, exactly.
    """

    model_config = ConfigDict(extra="forbid")

    size_bytes: Annotated[int, Field(strict=True, ge=1, le=MAX_LOGO_BYTES)]


def get(stores: SharingStores, party: Party) -> Receiving:
    """Off, of version 0, for an account that never had to do with it."""
    found = stores.sharing.receiving(party.account_id)
    if found is not None:
        return found
    return Receiving(account_id=party.account_id, name=stores.accounts.get(party.account_id).name)


def edit(stores: SharingStores, party: Party, version: int | None, change: ReceivingEdit, now: datetime) -> Receiving:
    """Accept the terms, switch receiving on, or switch it off.

    Raises:
        InvalidInputError: these are not the current terms.
        ConflictError: something is missing before it can be on.
    """
    before = get(stores, party)
    require_version(before, version)
    if change.terms_version not in (None, TERMS.version):
        detail = f"the current terms are of version {TERMS.version}"
        raise InvalidInputError("these terms cannot be accepted", (("/terms_version", detail),))
    after, steps = _identified(before), list[Step]()
    if change.terms_version is not None and before.terms_version != change.terms_version:
        accepted: dict[str, Any] = {
            "terms_version": change.terms_version,
            "terms_accepted_at": now,
            "terms_accepted_by": party.client_id,
        }
        after, steps = after.model_copy(update=accepted), [Step.TERMS_ACCEPTED]
    if change.is_on is not None and change.is_on is not before.is_on:
        after = after.model_copy(update={"is_on": change.is_on})
        steps.append(Step.OPTED_IN if change.is_on else Step.OPTED_OUT)
    if after.is_on and not before.is_on:
        _require_complete(after)
    saved = stores.sharing.save_receiving(after, [_entry(party, step, now) for step in steps]) if steps else before
    if change.is_on is False:
        sharing.end_all_received(stores, party, now)
    return saved


def begin_logo(files: LogoFiles, party: Party, new: NewLogo) -> tuple[str, Upload]:
    """Where to put the file, and by which id to speak of it afterwards."""
    upload_id = f"u-{secrets.token_hex(16)}"
    return upload_id, files.upload(party.account_id, upload_id, new.size_bytes)


def use_logo(
    stores: SharingStores,
    files: LogoFiles,
    cleaned: Callable[[bytes], bytes],
    party: Party,
    upload_id: str,
    now: datetime,
) -> Receiving:
    """Make what was uploaded the account's logo.

    Args:
        cleaned: the image, written anew; raises `InvalidInputError` for what is no PNG that can be taken.

    Raises:
        NotFoundError: nothing was uploaded under this id.
        InvalidInputError: it cannot be taken; it is removed.
    """
    if not _UPLOAD_ID.fullmatch(upload_id):
        raise NotFoundError(f"nothing was uploaded as {upload_id}")
    sent = files.sent(party.account_id, upload_id, MAX_LOGO_BYTES)
    try:
        if len(sent) > MAX_LOGO_BYTES:
            raise InvalidInputError(f"the logo has more than {MAX_LOGO_BYTES} bytes")
        key = files.keep(party.account_id, cleaned(sent))
    finally:
        files.forget(party.account_id, upload_id)

    def act() -> Receiving:
        changed = _identified(get(stores, party)).model_copy(update={"logo": key})
        return stores.sharing.save_receiving(changed, [_entry(party, Step.LOGO_CHANGED, now)])

    return persistently(act)


def _identified(receiving: Receiving) -> Receiving:
    if receiving.receiver_id:
        return receiving
    return receiving.model_copy(update={"receiver_id": f"r-{secrets.token_hex(8)}"})


def _require_complete(receiving: Receiving) -> None:
    if receiving.terms_version != TERMS.version:
        raise ConflictError(f"accept the terms of version {TERMS.version} first: send terms_version")
    if not receiving.logo:
        raise ConflictError("upload a logo first (POST /v1/sharing/receiving/logo)")


def _entry(party: Party, step: Step, now: datetime) -> LogEntry:
    detail = TERMS.version if step is Step.TERMS_ACCEPTED else ""
    return LogEntry(
        account_id=party.account_id, at=now, step=step, by_us=True, client_id=party.client_id, detail=detail
    )
