"""What an edit would do to an audience's members, measured before anything is saved."""

from collections.abc import Iterable
from datetime import datetime

from audience_core.domain.account import Record
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.control_stores import AccountStore, AudienceStore, WorkspaceStore
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.profile import Profile
from audience_core.domain.stores import ProfileStore
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.program import Program
from audience_core.evaluation.relevance import population
from audience_core.evaluation.values import to_ms
from audience_core.evaluation.view import View
from audience_core.management import edits, sampling
from audience_core.management.audiences import AudienceEdit, require_sound
from audience_core.management.lifetime import refuse
from audience_core.management.sampling import Estimate
from audience_core.management.versions import require_version


class Change(Record):
    """How many; `low` and `high` hold the truth 95 times in 100, and are the same as `count` when it is exact."""

    count: int
    low: int
    high: int


class DryRun(Record):
    """Args:
    joins, leaves: users who would be in the audience and are not now, and the other way round.
    size_before, size_after: its members by its live definition, and by that of the edit.
    is_exact: every profile was looked at.
    sampled: how many profiles were; `population`: how many there probably are in the account.
    """

    at: datetime
    joins: Change
    leaves: Change
    size_before: Change
    size_after: Change
    is_exact: bool
    sampled: int
    population: int


def dry_run(
    accounts: AccountStore,
    store: AudienceStore,
    workspaces: WorkspaceStore,
    profiles: ProfileStore,
    account_id: AccountId,
    audience_id: AudienceId,
    version: int | None,
    change: AudienceEdit,
    now: datetime,
) -> DryRun:
    """Nothing is saved. A draft is measured as if it were active.

    Raises:
        InvalidInputError: the edit would be refused.
        ConflictError: it is a lifetime audience, which sees more than profiles hold.
    """
    audience = store.get(account_id, audience_id)
    require_version(audience, version)
    refuse(audience, "measured")
    changes = {name: value for name, value in change if value is not None}
    wanted = edits.intended(store, audience).model_copy(update=changes)
    require_sound(store, workspaces, account_id, wanted, audience_id)
    days = accounts.get(account_id).look_back_days
    count = _Count(
        audience_id,
        _program(audience, store.list(account_id), days),
        _program(wanted, edits.all_intended(store, account_id).values(), days),
        to_ms(now),
    )
    sample = sampling.read(profiles, account_id, count.visit)
    return DryRun(
        at=now,
        joins=_change(sampling.estimate(count.joins, sample.share)),
        leaves=_change(sampling.estimate(count.leaves, sample.share)),
        size_before=_change(sampling.estimate(count.before, sample.share)),
        size_after=_change(sampling.estimate(count.after, sample.share)),
        is_exact=sample.share == 1,
        sampled=sample.read,
        population=round(sample.read / sample.share),
    )


class _Count:
    def __init__(self, audience_id: AudienceId, before: Program, after: Program, now: int) -> None:
        self._audience_id, self._programs, self._now = audience_id, (before, after), now
        self.joins = self.leaves = self.before = self.after = 0

    def visit(self, profile: Profile) -> None:
        was, will_be = (_is_member(program, self._audience_id, profile, self._now) for program in self._programs)
        self.before += was
        self.after += will_be
        self.joins += will_be and not was
        self.leaves += was and not will_be


def _is_member(program: Program, audience_id: AudienceId, profile: Profile, now: int) -> bool:
    return audience_id in population(program, profile) and program.holds(audience_id, View(profile), now)


def _program(audience: Audience, others: Iterable[Audience], look_back_days: int) -> Program:
    """The audience with those that its definition may read."""
    active = [
        each for each in others if each.status is AudienceStatus.ACTIVE and each.audience_id != audience.audience_id
    ]
    return compile_program(0, [audience, *active], look_back_days)


def _change(found: Estimate) -> Change:
    return Change(count=found.size, low=found.low, high=found.high)
