"""From changed profiles to what may be some seconds old: sizes, joins and leaves, and each audience's history by time.

A reader of the profiles table's stream of its own, beside fan-out and slower: it waits until many records have come
together, and writes once for an audience what fan-out would have to write once for a change.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audience_core.domain.control_stores import AccountStore
from audience_core.domain.erasure import counted_of
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.profile import bucket_of
from audience_core.domain.profile_change import ProfileChange
from audience_core.domain.stores import CountStep, HistoryStore, IdentityStore, MembershipStore
from audience_core.pipeline.history import changes_between, log
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.passed import note_passed
from audience_core.pipeline.profile_changes import newest_program, of_audiences, of_unnamed_sets


@dataclass(frozen=True, slots=True)
class Counting:
    """What counting needs of the outside world."""

    accounts: AccountStore
    history: HistoryStore
    memberships: MembershipStore
    identities: IdentityStore
    sets: MemberSets


def count_members(stores: Counting, changes: Sequence[ProfileChange], now_ms: int) -> None:
    """Bring figures and logs up to the given records, which are in stream order; repeats are harmless."""
    by_account: dict[AccountId, list[ProfileChange]] = defaultdict(list)
    for change in changes:
        if change.profile.environment is Environment.PRODUCTION:
            by_account[change.profile.account_id].append(change)
    for account_id, of_sets in by_account.items():
        known = stores.sets.at(account_id, max(newest_program(change) for change in of_sets))
        mine = [of_audiences(change, known) for change in of_sets]
        # Before the sizes: whoever reads a size and then the log finds the way back from it.
        told = [(each.sequence, changes_between(each.old, each.new, each.at)) for each in mine]
        log(stores.history, stores.accounts, account_id, told)
        unnamed = [of_unnamed_sets(change, known) for change in of_sets]
        if steps := _steps([*mine, *unnamed]):
            stores.memberships.count(account_id, steps)
    note_passed(stores.identities, [each.profile for each in changes if each.new is None], counted_of, now_ms)


def _steps(changes: Iterable[ProfileChange]) -> dict[AudienceId, list[CountStep]]:
    """By audience, and by member set for sets that have an id of their own."""
    steps: dict[AudienceId, list[CountStep]] = defaultdict(list)
    for change in changes:
        bucket, joined, left = bucket_of(change.profile.mpid), change.joined(), change.left()
        for each in joined | left:
            steps[each].append(CountStep(bucket, change.sequence, change.at, int(each in joined), int(each in left)))
    return steps
