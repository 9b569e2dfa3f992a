"""What is particular to lifetime audiences: who may have them, over which days, and what their states allow."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from audience_core.domain.account import Account
from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus
from audience_core.domain.control_stores import AudienceStore
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.lifetime import DateRange
from audience_core.errors import ConflictError, ForbiddenError, InvalidInputError
from audience_core.management.problems import Problem
from audience_core.management.versions import require_version

_DESCRIPTION = frozenset({"name", "external_name", "tags", "recalculation"})


def require_allowed(account: Account) -> None:
    """Raise `ForbiddenError` when the account may have no lifetime audiences."""
    if not account.has_lifetime_audiences:
        raise ForbiddenError("lifetime audiences are not part of this account's plan")


def require_creatable(account: Account, kind: AudienceKind, given: Mapping[str, Any], *, is_active: bool) -> None:
    """Raise `ForbiddenError`, or `InvalidInputError` naming the fields that do not go with the kind."""
    if kind is AudienceKind.LIFETIME:
        require_allowed(account)
    problems = tuple(_problems(kind, given, is_active=is_active))
    if problems:
        raise InvalidInputError("the audience cannot be created like this", problems)


def require_editable(audience: Audience, changes: Mapping[str, Any]) -> None:
    """Raise `ConflictError` or `InvalidInputError` when the audience cannot be changed like this."""
    problems = tuple(_problems(audience.kind, changes, is_active=False))
    if problems:
        raise InvalidInputError("the audience cannot be changed like this", problems)
    if audience.kind is AudienceKind.LIFETIME and audience.status is not AudienceStatus.DRAFT:
        means_else = any(changes[name] != getattr(audience, name) for name in changes.keys() - _DESCRIPTION)
        if means_else:
            raise ConflictError(f"the audience is {audience.status}: clone it, and change the clone")


def refuse(audience: Audience, what: str) -> None:
    """Raise `ConflictError` for a lifetime audience; `what` cannot be done with those."""
    if audience.kind is AudienceKind.LIFETIME:
        raise ConflictError(f"a lifetime audience cannot be {what}: it is calculated (POST /v1/lifetime-calculations)")


def require_connectable(audience: Audience, now: datetime) -> None:
    """Raise `ConflictError` unless outputs can be connected to it."""
    status = audience.status_at(now)
    if audience.kind is AudienceKind.LIFETIME and status is AudienceStatus.ARCHIVED:
        raise ConflictError("the audience is archived: clone it, and calculate the clone")
    if audience.kind is AudienceKind.REAL_TIME and status is not AudienceStatus.ACTIVE:
        raise ConflictError("the audience is a draft: activate it first")


def archive(
    store: AudienceStore, account_id: AccountId, audience_id: AudienceId, version: int | None, now: datetime
) -> Audience:
    """Put a ready audience away before its time; for one that is archived already, nothing.

    Raises:
        ConflictError: it is not ready.
    """
    audience = store.get(account_id, audience_id)
    require_version(audience, version)
    status = audience.status_at(now)
    if status is AudienceStatus.ARCHIVED:
        return audience
    if status is not AudienceStatus.READY:
        raise ConflictError(f"the audience is {status}: only ready lifetime audiences can be archived")
    return store.save(audience.model_copy(update={"status": AudienceStatus.ARCHIVED, "updated_at": now}))


def _problems(kind: AudienceKind, given: Mapping[str, Any], *, is_active: bool) -> Iterator[Problem]:
    days: DateRange | None = given.get("date_range")
    if kind is AudienceKind.REAL_TIME:
        if given.get("recalculation") is not None:
            yield "/recalculation", "is for lifetime audiences: real-time ones are always current"
        if days is not None:
            yield "/date_range", "is for lifetime audiences: real-time ones see the account's look-back"
        return
    if is_active:
        yield "/activate", "is for real-time audiences: calculate a lifetime one"
    if days is not None and days.start and days.end and days.end < days.start:
        yield "/date_range/end", "must not be before start"
