"""Which files an export has: one for each audience, or for each chosen variant of an audience's A/B test."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.ab_test import MAX_VARIATIONS, Variant, VariantName
from audience_core.domain.account import Record
from audience_core.domain.audience import AudienceKind, AudienceOutline, AudienceStatus
from audience_core.domain.control_stores import AudienceStore, JobStore
from audience_core.domain.export import ExportFile, ExportFormat
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.sharing import ReceivedAudience
from audience_core.domain.sharing_stores import SharingStore
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError
from audience_core.evaluation.text import fold
from audience_core.exports.manifest import file_name
from audience_core.management.jobs import backfill_id
from audience_core.management.problems import Problem
from audience_core.management.received import OwnAndReceived

MAX_FILES = 100
_NO_MEMBERS = {
    AudienceStatus.CALCULATING: "is being calculated: wait until it is ready",
    AudienceStatus.ARCHIVED: "is archived: clone it, and calculate the clone",
}
_DRAFT = {
    AudienceKind.REAL_TIME: "is a draft, which has no members: activate it first",
    AudienceKind.LIFETIME: "is a draft, which has no members: calculate it first",
}


class ExportedAudience(Record):
    """An audience to export.

    Args:
        variants: names of variations of its A/B test, or Control; each is a file of its own. Missing or null: all
            members in one file.
    """

    model_config = ConfigDict(extra="forbid")

    id: int
    variants: Annotated[tuple[VariantName, ...], Field(min_length=1, max_length=MAX_VARIATIONS + 1)] | None = None


def chosen_files(
    store: AudienceStore,
    sharing: SharingStore,
    jobs: JobStore,
    account_id: AccountId,
    wanted: Sequence[ExportedAudience],
    form: ExportFormat,
    now: datetime,
) -> tuple[ExportFile, ...]:
    """The files of an export, in the order in which they were asked for.

    Raises:
        InvalidInputError: an audience or a variant is unknown, chosen twice, or has no members to export; or a received
            audience is not to be exported.
        ConflictError: an audience has not all its members yet, or its A/B test is being deleted.
    """
    ids = [AudienceId(each.id) for each in wanted]
    known = {each.audience_id: each for each in store.outlines(account_id)}
    known |= _received(OwnAndReceived(store, sharing), account_id, set(ids) - known.keys())
    problems: list[Problem] = []
    for place, each in enumerate(wanted):
        audience = known.get(ids[place])
        if what := _objection(audience, now, is_repeated=ids[place] in ids[:place]):
            problems.append((f"/audiences/{place}/id", what))
        problems += _unknown_variants(f"/audiences/{place}/variants", audience, each.variants)
    if sum(len(each.variants or "1") for each in wanted) > MAX_FILES:
        problems.append(("/audiences", f"give more than {MAX_FILES} files: export some of the variants apart"))
    if problems:
        raise InvalidInputError("some of the audiences cannot be exported: see errors", tuple(problems))
    _require_calculated(store, jobs, account_id, [known[each] for each in ids])
    pairs = [(known[AudienceId(each.id)], each.variants) for each in wanted]
    return tuple(_file(audience, form, variant) for audience, names in pairs for variant in _variants(audience, names))


def _received(
    both: OwnAndReceived, account_id: AccountId, ids: Collection[AudienceId]
) -> dict[AudienceId, AudienceOutline]:
    found: dict[AudienceId, AudienceOutline] = {}
    for audience_id in ids:
        with suppress(NotFoundError):
            found[audience_id] = both.get(account_id, audience_id)
    return found


def _objection(audience: AudienceOutline | None, now: datetime, *, is_repeated: bool) -> str:
    if audience is None:
        return "there is no such audience"
    if isinstance(audience, ReceivedAudience) and not audience.may_export:
        return "is shared without the right to export it"
    status = audience.status_at(now)
    if status is AudienceStatus.DRAFT:
        return _DRAFT[audience.kind]
    return _NO_MEMBERS.get(status) or ("is chosen twice" if is_repeated else "")


def _unknown_variants(pointer: str, audience: AudienceOutline | None, names: Sequence[str] | None) -> Iterator[Problem]:
    if names is None or audience is None:
        return
    test = audience.ab_test
    if test is None:
        yield pointer, "the audience has no A/B test"
        return
    known, before = {fold(each.name) for each in test.variants}, set[str]()
    for place, name in enumerate(names):
        if fold(name) not in known:
            yield f"{pointer}/{place}", f"it is split into {', '.join(each.name for each in test.variants)}"
        elif fold(name) in before:
            yield f"{pointer}/{place}", "is chosen twice"
        before.add(fold(name))


def _variants(audience: AudienceOutline, names: Sequence[str] | None) -> list[Variant | None]:
    """In the order in which they were asked for; all members alone when none was."""
    if names is None or audience.ab_test is None:
        return [None]
    if audience.ab_test.is_ending:
        raise ConflictError(f"the A/B test of audience {audience.audience_id} is being deleted")
    by_name = {fold(each.name): each for each in audience.ab_test.variants}
    return [by_name[fold(name)] for name in names]


def _require_calculated(
    store: AudienceStore, jobs: JobStore, account_id: AccountId, audiences: Sequence[AudienceOutline]
) -> None:
    backfilled = {home: jobs.backfilled(home) for home in {each.home for each in audiences}}
    late = [each for each in audiences if each.program_version > backfilled[each.home]]
    waiting = [str(each.audience_id) for each in late]
    if any(each.home != account_id for each in late):
        raise ConflictError(f"not all members are known yet of {', '.join(waiting)}: try again later")
    if waiting:
        job = backfill_id(store.program(account_id).published)
        raise ConflictError(f"not all members are known yet of {', '.join(waiting)}: wait for the job {job}")


def _file(audience: AudienceOutline, form: ExportFormat, variant: Variant | None) -> ExportFile:
    return ExportFile(
        audience_id=audience.audience_id,
        audience_name=audience.name,
        name=file_name(audience, form, variant),
        source=audience.source if isinstance(audience, ReceivedAudience) else None,
        variant=variant,
        calculation_id=audience.result.calculation_id if audience.result else "",
    )
