"""A/B tests of audiences: made once and frozen, looked at, and deleted together with what is connected to them."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from string import ascii_uppercase
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.ab_test import CONTROL, MAX_VARIATIONS, SLICES, AbTest, Variant, VariantName
from audience_core.domain.account import Record
from audience_core.domain.audience import Audience, AudienceKind
from audience_core.domain.control_stores import OutputStore, SplitAudiences, Workflows
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError
from audience_core.evaluation.text import fold
from audience_core.management import connections
from audience_core.management.problems import Problem
from audience_core.management.versions import persistently, require_version


class NewVariation(Record):
    """Args:
    name: "Variation A", "Variation B" and so on when none is given.
    percentage: of the audience's members, a whole number.
    """

    model_config = ConfigDict(extra="forbid")

    name: VariantName | None = None
    percentage: Annotated[int, Field(strict=True, ge=1, le=SLICES)]


class NewAbTest(Record):
    """Args:
    variations: who is in none of them is in Control.
    """

    model_config = ConfigDict(extra="forbid")

    variations: Annotated[tuple[NewVariation, ...], Field(min_length=1, max_length=MAX_VARIATIONS)]


def create(
    store: SplitAudiences, account_id: AccountId, audience_id: AudienceId, new: NewAbTest, now: datetime
) -> Audience:
    """The audience with the test, which nothing can change any more.

    Raises:
        InvalidInputError: more than 100 %, or a name that is taken.
        ConflictError: it has a test already, or is calculated on demand.
    """
    names = _names(new.variations)
    problems = (*_share_problems(new.variations), *_name_problems(names))
    if problems:
        raise InvalidInputError("the audience cannot be split like this", problems)
    _require_splittable(store.get(account_id, audience_id))
    ids = [store.next_id(account_id) for _ in (*names, CONTROL)]
    test = _split(f"t-{secrets.token_hex(8)}", ids, names, [each.percentage for each in new.variations], now)

    def with_test(audience: Audience) -> Audience:
        _require_splittable(audience)
        return audience.model_copy(update={"ab_test": test, "updated_at": now})

    return _change(store, account_id, audience_id, with_test)


def ab_test_of(audience: Audience) -> AbTest:
    """Raise `NotFoundError` when the audience has none."""
    if audience.ab_test is None:
        raise NotFoundError(f"audience {audience.audience_id} has no A/B test")
    return audience.ab_test


def delete(
    store: SplitAudiences,
    outputs: OutputStore,
    workflows: Workflows,
    account_id: AccountId,
    audience_id: AudienceId,
    version: int | None,
    now: datetime,
) -> None:
    """Delete the test, and every connection of a variant: those go once their partners have forgotten the members.

    The test is marked first: whoever connects a variant meanwhile sees either the mark, or the connection is seen here
    (`connections.create`). If it stops half-way, deleting it again does the rest.
    """
    audience = store.get(account_id, audience_id)
    require_version(audience, version)
    test = ab_test_of(audience)

    def ending(audience: Audience) -> Audience:
        _require_same(audience, test)
        return audience.model_copy(update={"ab_test": test.model_copy(update={"is_ending": True})})

    def without(audience: Audience) -> Audience:
        _require_same(audience, test)
        return audience.model_copy(update={"ab_test": None, "updated_at": now})

    _change(store, account_id, audience_id, ending)
    for connection in outputs.list_connections(account_id, audience_id):
        if connection.variant is not None and connection.variant.test_id == test.test_id:
            connections.delete_once(outputs, workflows, connection)
    _change(store, account_id, audience_id, without)


def _change(
    store: SplitAudiences, account_id: AccountId, audience_id: AudienceId, change: Callable[[Audience], Audience]
) -> Audience:
    """Save a change that does not mind what else of the audience changes meanwhile."""
    return persistently(lambda: store.save(change(store.get(account_id, audience_id))))


def _require_splittable(audience: Audience) -> None:
    if audience.kind is AudienceKind.LIFETIME:
        raise ConflictError("a lifetime audience cannot be split: its members are calculated once")
    if audience.ab_test is not None:
        raise ConflictError("the audience has an A/B test, which cannot be changed: delete it first")


def _require_same(audience: Audience, test: AbTest) -> None:
    if audience.ab_test is None or audience.ab_test.test_id != test.test_id:
        raise ConflictError("somebody else deleted the A/B test in between")


def _split(
    test_id: str, ids: Sequence[AudienceId], names: Sequence[str], percentages: Sequence[int], now: datetime
) -> AbTest:
    """Consecutive ranges in the order of creation; Control is the rest."""
    ends = [sum(percentages[:count]) for count in range(len(percentages) + 1)]
    bounds = zip(ends, [*ends[1:], SLICES], strict=True)
    variants = tuple(
        Variant(audience_id=audience_id, test_id=test_id, name=name, first=first, until=until)
        for audience_id, name, (first, until) in zip(ids, [*names, CONTROL], bounds, strict=True)
    )
    return AbTest(test_id=test_id, variants=variants, created_at=now)


def _names(variations: Sequence[NewVariation]) -> list[str]:
    """Given names, and for the others the first letters that no given name has taken."""
    taken = {fold(each.name) for each in variations if each.name}
    free = (name for letter in ascii_uppercase if fold(name := f"Variation {letter}") not in taken)
    return [each.name or next(free) for each in variations]


def _share_problems(variations: Sequence[NewVariation]) -> Iterator[Problem]:
    total = 0
    for place, each in enumerate(variations):
        total += each.percentage
        if total > SLICES:
            detail = f"makes {total} % together with those before it; all variations may have {SLICES} %"
            yield f"/variations/{place}/percentage", detail


def _name_problems(names: Sequence[str]) -> Iterator[Problem]:
    seen = set[str]()
    for place, name in enumerate(names):
        if fold(name) == fold(CONTROL):
            yield f"/variations/{place}/name", f"{CONTROL} is the name of those who are in no variation"
        elif fold(name) in seen:
            yield f"/variations/{place}/name", "another variation has this name"
        seen.add(fold(name))
