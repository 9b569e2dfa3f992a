"""One part of one pass of a backfill: some buckets of profiles, page by page, from where the part stopped before."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.job import Job, JobStep, Part
from audience_core.domain.messages import Reevaluation
from audience_core.domain.mpid_order import share_of_bucket
from audience_core.domain.profile import BUCKETS, Delta, Profile
from audience_core.domain.stores import Page
from audience_core.errors import StaleVersionError
from audience_core.pipeline.backfill import Backfill, job_id_of, require_ours
from audience_core.pipeline.evaluate_profile import evaluate_profile
from audience_core.pipeline.member_sets import live_audiences
from audience_core.pipeline.process import process
from audience_core.pipeline.programs import Definitions

PAGE, SETTLE_PAGE = 400, 2000
# When more rows than these are waited for, nothing else is compared.
MAX_PENDING = 100

_ENVIRONMENT = Environment.PRODUCTION

type Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Order:
    """Which part of which pass a worker is to do.

    Args:
        first, last: the buckets, both ends inclusive.
        token: of the run that gives the order.
    """

    account_id: AccountId
    program_version: int
    token: int
    step: JobStep
    first: int
    last: int


def work(stores: Backfill, order: Order, clock: Clock, until_ms: int) -> Part:
    """Go on with a part until it is done, waits for member lists, or the time is up.

    Args:
        clock: now, UTC ms.
        until_ms: no page begins after this instant, but the first one.

    Raises:
        NotOursError: the job was cancelled or is another run's now.
        StaleVersionError: another worker has begun with this part.
    """
    job = _require_ours(stores, order, clock())
    part = stores.jobs.claim(_new_part(order))
    while not part.is_done:
        definitions = stores.pipeline.programs.current(order.account_id)
        if definitions.mark.published != order.program_version:
            return part.model_copy(update={"is_done": True})  # a later backfill does all this
        before = part.bucket, part.cursor
        part = _pages(stores, definitions, job, part, order, clock, until_ms)
        part = part.model_copy(
            update={"progress": _progress(part, order), "is_done": _is_done(part, order), "error": ""}
        )
        stores.jobs.save_part(part)
        if clock() >= until_ms or (part.bucket, part.cursor) == before:
            break
        _require_ours(stores, order, clock())
    return part


def note_error(stores: Backfill, order: Order, error: str) -> None:
    """Tell watchers why the latest attempt at a part failed, unless another one has begun."""
    for part in stores.jobs.parts(order.account_id, job_id_of(order.program_version)):
        if (part.step, part.name) == (order.step, _name(order)):
            with suppress(StaleVersionError):
                stores.jobs.save_part(part.model_copy(update={"error": error}))


def _pages(
    stores: Backfill, definitions: Definitions, job: Job, part: Part, order: Order, clock: Clock, until_ms: int
) -> Part:
    """The part after the next page, or after several small ones.

    A small account has few profiles in a bucket: what is asked and noted around a page would cost more than the page.
    """
    looked_at = part.looked_at
    while True:
        before = part.bucket, part.cursor
        part = _STEPS[order.step](stores, definitions, job, part, order, clock())
        is_waiting = (part.bucket, part.cursor) == before
        is_enough = part.looked_at - looked_at >= PAGE or clock() >= until_ms
        if is_waiting or is_enough or _is_at_end(part, order):
            return part


def _evaluate_page(stores: Backfill, definitions: Definitions, job: Job, part: Part, order: Order, now_ms: int) -> Part:
    """Evaluate a page of profiles; whom somebody wrote in between is read and evaluated again."""
    page = stores.pipeline.profiles.page(*_place(part), PAGE)
    outdated = [each for each in page.items if each.program_version < definitions.program.version]
    news = [each for each in outdated if evaluate_profile(definitions, each, Delta(), now_ms)]
    _save(stores, part.account_id, news, now_ms)
    return _after(part, page, len(news))


def _settle_page(stores: Backfill, definitions: Definitions, job: Job, part: Part, order: Order, now_ms: int) -> Part:
    """Compare a page of profiles with the lists of the sets that this job fills; rows that differ are pending.

    Lists follow profiles through a stream, a moment later. A row that agreed once has come through.
    """
    sets = {each for each, since in definitions.since.items() if since > job.after}
    pending = _still_pending(stores, part, sets)
    part = part.model_copy(update={"pending": pending})
    if _is_at_end(part, order) or len(pending) >= MAX_PENDING:
        return part
    page = stores.pipeline.profiles.outlines(*_place(part), SETTLE_PAGE)
    upto = page.items[-1].mpid if page.next and page.items else None
    wanted = {(each, profile.mpid) for profile in page.items for each in profile.memberships & sets}
    found = {
        (each, mpid)
        for each in sets
        for mpid in stores.memberships.between(part.account_id, each, part.bucket, part.last, upto)
    }
    differing = sorted(wanted ^ found)
    if len(differing) > MAX_PENDING:
        # Lists are far behind. A few rows tell when it is worth while to compare the page again.
        return part.model_copy(update={"pending": (*pending, *differing[-MAX_PENDING:])})
    return _after(part, page, 0).model_copy(update={"pending": (*pending, *differing)})


def _publish_page(stores: Backfill, definitions: Definitions, job: Job, part: Part, order: Order, now_ms: int) -> Part:
    """Write the profiles whose memberships of audiences differ, now that staged sets are live."""
    page = stores.pipeline.profiles.page(*_place(part), PAGE)
    differing = [each for each in page.items if _differs(definitions, each)]
    news = [each for each in differing if evaluate_profile(definitions, each, Delta(), now_ms)]
    _save(stores, part.account_id, news, now_ms)
    if page.next is None:
        for member_set, tenure in definitions.known.items():
            if tenure.until == definitions.program.version:
                stores.memberships.forget(part.account_id, member_set, part.bucket)
    return _after(part, page, len(news))


_STEPS = {JobStep.EVALUATE: _evaluate_page, JobStep.SETTLE: _settle_page, JobStep.PUBLISH: _publish_page}


def _differs(definitions: Definitions, profile: Profile) -> bool:
    known, version = definitions.known, definitions.program.version
    was = live_audiences(profile.memberships, profile.program_version, known)
    return was != live_audiences(profile.memberships, version, known)


def _still_pending(stores: Backfill, part: Part, sets: Collection[AudienceId]) -> tuple[tuple[AudienceId, Mpid], ...]:
    pending = [row for row in part.pending if row[0] in sets]
    profiles = stores.pipeline.profiles.load(part.account_id, _ENVIRONMENT, {mpid for _, mpid in pending})
    present = stores.memberships.listed(part.account_id, pending) if pending else frozenset()
    return tuple(
        row
        for row in pending
        if (row in present) is not (row[1] in profiles and row[0] in profiles[row[1]].memberships)
    )


def _save(stores: Backfill, account_id: AccountId, profiles: Sequence[Profile], now_ms: int) -> None:
    stale = stores.pipeline.profiles.save_all(profiles, now_ms)
    if stale:
        process(stores.pipeline, [Reevaluation(account_id, mpid) for mpid in stale], now_ms)


def _require_ours(stores: Backfill, order: Order, now_ms: int) -> Job:
    return require_ours(stores.jobs, order.account_id, order.program_version, order.token, now_ms)


def _name(order: Order) -> str:
    return f"{order.first:02d}-{order.last:02d}"


def _new_part(order: Order) -> Part:
    return Part(
        account_id=order.account_id,
        job_id=job_id_of(order.program_version),
        step=order.step,
        name=_name(order),
        bucket=order.first,
        share=(order.last - order.first + 1) / BUCKETS,
    )


def _place(part: Part) -> tuple[AccountId, Environment, int, str | None]:
    return part.account_id, _ENVIRONMENT, part.bucket, part.cursor


def _after(part: Part, page: Page[Profile], written: int) -> Part:
    changes = {"cursor": page.next, "looked_at": part.looked_at + len(page.items), "written": part.written + written}
    if page.next is None:
        return part.model_copy(update={**changes, "bucket": part.bucket + 1, "last": None})
    return part.model_copy(update={**changes, "last": page.items[-1].mpid if page.items else part.last})


def _is_at_end(part: Part, order: Order) -> bool:
    return part.bucket > order.last


def _is_done(part: Part, order: Order) -> bool:
    return _is_at_end(part, order) and not part.pending


def _progress(part: Part, order: Order) -> float:
    within = 0.0 if part.last is None else share_of_bucket(part.last)
    return min(1.0, (part.bucket - order.first + within) / (order.last - order.first + 1))
