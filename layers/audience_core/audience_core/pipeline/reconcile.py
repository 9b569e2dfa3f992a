"""The nightly audit: samples of what is stored are worked out anew, and what differs is put right and told.

Nothing here is needed as long as everything else is right, so whatever it repairs is a fault to be looked into.
"""

import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import nlargest
from itertools import islice

from audience_core.domain.control_stores import AccountStore, AudienceStore
from audience_core.domain.event import Environment
from audience_core.domain.ids import NEVER, AccountId, AudienceId, Mpid
from audience_core.domain.membership import Membership, MembershipChange, Reason
from audience_core.domain.profile import BUCKETS, Delta, Profile
from audience_core.domain.stores import HistoryStore, MarkStore, MembershipStore, ProfileStore, Tally
from audience_core.errors import StaleVersionError
from audience_core.evaluation.incremental import Evaluation, evaluate
from audience_core.evaluation.program import Program
from audience_core.pipeline.programs import Programs

logger = logging.getLogger(__name__)

STRETCH = 100
_MARK = "reconcile"
_ROUNDS = 3
# A stream forgets after 24 hours.
_STREAM_MS = 25 * 3_600_000
# Of a bucket's history, to see whether it is counted: so many entries, and the latest of them.
_READ, _LATEST = 5000, 20

type Row = tuple[AudienceId, Mpid]
# Of one bucket of profiles of a member set.
type _Size = tuple[AccountId, AudienceId, int]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What reconciling needs.

    Args:
        pause: waits until what is on its way to member lists has surely arrived; called when something looks wrong.
        pause_for_sizes: the same of sizes, which are counted later.
        clock: UTC ms.
    """

    accounts: AccountStore
    audiences: AudienceStore
    programs: Programs
    profiles: ProfileStore
    history: HistoryStore
    memberships: MembershipStore
    marks: MarkStore
    pause: Callable[[], None]
    pause_for_sizes: Callable[[], None]
    clock: Callable[[], int]


@dataclass(slots=True)
class Findings:
    """How much was looked at, and how much of it was wrong and is mended."""

    profiles: int = 0
    audiences: int = 0
    memberships_repaired: int = 0
    rows_repaired: int = 0
    counts_repaired: int = 0
    connections_restarted: int = 0

    @property
    def repairs(self) -> int:
        return self.memberships_repaired + self.rows_repaired + self.counts_repaired + self.connections_restarted


def reconcile(of: Reconciliation, stretches: int, audiences: int, chance: random.Random) -> Findings:
    """Look at random stretches of profiles, and at the next audiences in turn.

    Args:
        stretches: how many, of up to 100 profiles each; `audiences`: how many, each with all its buckets.
    """
    findings = Findings()
    account_ids = sorted(account.account_id for account in of.accounts.all())
    for _ in range(stretches if account_ids else 0):
        _check_stretch(of, chance.choice(account_ids), chance, findings)
    wrong: dict[_Size, Tally] = {}
    for account_id, audience_id in _in_turn(of, account_ids, audiences):
        _check_audience(of, account_id, audience_id, chance, findings)
        wrong |= _wrong_sizes(of, account_id, audience_id)
    findings.counts_repaired += _mend_counts(of, wrong)
    return findings


def _check_stretch(of: Reconciliation, account_id: AccountId, chance: random.Random, findings: Findings) -> None:
    bucket = chance.randrange(BUCKETS)
    where = (account_id, Environment.PRODUCTION, bucket)
    profiles = of.profiles.stretch(*where, _somewhere(bucket, chance), STRETCH)
    # Behind a point that few come after the stretch begins anew.
    profiles = profiles or of.profiles.stretch(*where, None, STRETCH)
    findings.profiles += len(profiles)
    program = of.programs.current(account_id).program
    for profile in profiles:
        findings.memberships_repaired += _repaired(of, program, profile)
    # Sets that definitions no longer have may be in profiles, but have no lists.
    wanted = [(each, profile.mpid) for profile in profiles for each in profile.memberships & program.trees.keys()]
    missing = set(wanted) - of.memberships.listed(account_id, wanted)
    findings.rows_repaired += _mend_rows(of, account_id, missing)


def _somewhere(bucket: int, chance: random.Random) -> Mpid:
    return Mpid(chance.randint(-(2**57), 2**57 - 1) * BUCKETS + bucket)


def _repaired(of: Reconciliation, program: Program, profile: Profile) -> bool:
    """Whether a profile's memberships were not those of a fresh evaluation at the same instant; they are now."""
    if profile.program_version != program.version:
        return False  # it is still to be visited by the backfill of what was published
    now = of.clock()
    fresh = from_scratch(program, profile, now)
    if profile.memberships ^ evaluate(program, profile, Delta(), now).flipped == fresh.flipped:
        return False
    changed = sorted(profile.memberships ^ fresh.flipped)
    profile.changes = tuple(MembershipChange(a, a in fresh.flipped, now, Reason.BACKFILL) for a in changed)
    profile.memberships = set(fresh.flipped)
    profile.agenda, profile.agenda_until = fresh.agenda, fresh.agenda_until
    try:
        of.profiles.save(profile, now)
    except StaleVersionError:
        return False  # somebody wrote it in between: another night
    logger.error("memberships repaired", extra={"mpid": str(profile.mpid), "audiences": changed})
    return True


def from_scratch(program: Program, profile: Profile, now: int) -> Evaluation:
    """What a profile is a member of by what it holds, whatever was known of it before: all of that is flipped."""
    blank = replace(profile, memberships=set(), agenda=(), agenda_until=NEVER, program_version=-1)
    return evaluate(program, blank, Delta(), now)


def _in_turn(of: Reconciliation, account_ids: Iterable[AccountId], limit: int) -> list[tuple[AccountId, AudienceId]]:
    """The live member sets of audiences, after those of the last run, and from the first again."""
    everything = sorted((a, each.live_set) for a in account_ids for each in of.audiences.outlines(a))
    last = tuple(map(int, (of.marks.get(_MARK) or "0#0").split("#")))
    chosen = [*(each for each in everything if each > last), *(each for each in everything if each <= last)][:limit]
    if chosen:
        of.marks.put(_MARK, "#".join(map(str, chosen[-1])))
    return chosen


def _check_audience(
    of: Reconciliation, account_id: AccountId, audience_id: AudienceId, chance: random.Random, findings: Findings
) -> None:
    findings.audiences += 1
    bucket = chance.randrange(BUCKETS)
    stretch = (account_id, audience_id, bucket)
    rows = of.memberships.bucket_members(*stretch, _somewhere(bucket, chance), STRETCH)
    rows = rows or of.memberships.bucket_members(*stretch, None, STRETCH)
    members = of.profiles.load(account_id, Environment.PRODUCTION, [row.mpid for row in rows]) if rows else {}
    strangers = {(audience_id, row.mpid) for row in rows if not _is_member(members.get(row.mpid), audience_id)}
    findings.rows_repaired += _mend_rows(of, account_id, strangers)


def _is_member(profile: Profile | None, audience_id: AudienceId) -> bool:
    return profile is not None and audience_id in profile.memberships


def _mend_rows(of: Reconciliation, account_id: AccountId, suspects: Iterable[Row]) -> int:
    """Bring rows of member lists in line with the profiles; how many were not, after the pause either."""
    suspects = sorted(suspects)
    if not suspects:
        return 0
    of.pause()
    return sum(_mend_row(of, account_id, audience_id, mpid) for audience_id, mpid in suspects)


def _mend_row(of: Reconciliation, account_id: AccountId, audience_id: AudienceId, mpid: Mpid) -> bool:
    """A profile that was written meanwhile is asked again: what it told before may have come before this write."""
    is_mended = False
    for _ in range(_ROUNDS):
        profile = _profile(of, account_id, mpid)
        is_member = _is_member(profile, audience_id)
        if is_member is bool(of.memberships.listed(account_id, [(audience_id, mpid)])):
            break
        joined = [Membership(audience_id, mpid, _since(of, account_id, audience_id, mpid))] if is_member else []
        of.memberships.apply(account_id, joined, [] if is_member else [(audience_id, mpid)])
        is_mended = True
        logger.error("member list repaired", extra={"audience_id": audience_id, "mpid": str(mpid)})
        if _version(_profile(of, account_id, mpid)) == _version(profile):
            break
    return is_mended


def _profile(of: Reconciliation, account_id: AccountId, mpid: Mpid) -> Profile | None:
    return of.profiles.load(account_id, Environment.PRODUCTION, [mpid]).get(mpid)


def _version(profile: Profile | None) -> int:
    return profile.version if profile else 0


def _since(of: Reconciliation, account_id: AccountId, audience_id: AudienceId, mpid: Mpid) -> int:
    entries = of.history.of_profile(account_id, _owner(of, account_id, audience_id), mpid, None, 1).items
    return entries[0].at if entries and entries[0].is_member else of.clock()


def _owner(of: Reconciliation, account_id: AccountId, member_set: AudienceId) -> AudienceId:
    """The audience whose members a set holds: history is kept under that."""
    tenure = of.programs.current(account_id).known.get(member_set)
    return tenure.audience_id if tenure else member_set


def _wrong_sizes(of: Reconciliation, account_id: AccountId, audience_id: AudienceId) -> dict[_Size, Tally]:
    tallies = {
        (account_id, audience_id, bucket): of.memberships.tally(account_id, audience_id, bucket)
        for bucket in range(BUCKETS)
    }
    return {where: tally for where, tally in tallies.items() if _differs(tally)}


def _mend_counts(of: Reconciliation, wrong: Mapping[_Size, Tally]) -> int:
    """Correct the size of each bucket that was wrong, if all of it is counted and nothing moved during the pause.

    Sizes are counted long after members are listed, so one pause is made for all that look wrong.
    """
    if not wrong:
        return 0
    of.pause_for_sizes()
    unmoved = [where for where, tally in wrong.items() if of.memberships.tally(*where) == tally]
    still = _all_counted(of, unmoved)
    for where in still:
        tally = wrong[where]
        logger.error("size repaired", extra={"audience_id": where[1], "bucket": where[2]})
        of.memberships.adjust(*where, tally.listed - tally.counted, tally.sequence)
    return len(still)


def _all_counted(of: Reconciliation, sizes: Iterable[_Size]) -> list[_Size]:
    """Without audiences of which something is still to be counted: that would come on top of what is put right."""
    behind: set[tuple[AccountId, AudienceId]] = set()
    found = []
    for account_id, audience_id, bucket in sizes:
        if (account_id, audience_id) in behind:
            continue
        if _is_behind(of, account_id, audience_id, bucket):
            behind.add((account_id, audience_id))
            logger.error("counting is behind", extra={"audience_id": audience_id, "bucket": bucket})
        else:
            found.append((account_id, audience_id, bucket))
    return found


def _is_behind(of: Reconciliation, account_id: AccountId, audience_id: AudienceId, bucket: int) -> bool:
    """Whether fan-out has recorded changes that the log, which is written before counting, lacks.

    What is older than the stream's memory will never be counted, and has to be put right.
    """
    owner, since = _owner(of, account_id, audience_id), of.clock() - _STREAM_MS
    recorded = islice(of.history.by_profile(account_id, owner, bucket, None), _READ)
    latest = nlargest(_LATEST, (each for each in recorded if each.at > since), key=lambda entry: entry.at)
    return bool(of.history.unlogged(account_id, latest))


def _differs(tally: Tally) -> bool:
    return tally.listed != tally.counted
