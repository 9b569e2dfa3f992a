"""Keeps every join and leave with its instant and its reason: by profile, and in a log of each audience by time."""

from collections.abc import Iterable, Sequence

from audience_core.domain.control_stores import AccountStore
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.membership import HistoryEntry, MembershipChange, Reason
from audience_core.domain.profile import Profile
from audience_core.domain.stores import HistoryStore


def record(
    history: HistoryStore,
    accounts: AccountStore,
    account_id: AccountId,
    changes: Sequence[tuple[Mpid, int, MembershipChange]],
) -> None:
    """Keep changes for as long as the account says.

    Args:
        changes: each with its profile and that profile's version, by which a repeat is known.
    """
    if changes:
        entries = [_entry(mpid, version, change) for mpid, version, change in changes]
        history.record(account_id, entries, accounts.get(account_id).history_retention_days)


def log(
    history: HistoryStore,
    accounts: AccountStore,
    account_id: AccountId,
    told: Iterable[tuple[str, Sequence[tuple[Mpid, int, MembershipChange]]]],
) -> None:
    """Keep the same changes by time.

    Args:
        told: the changes of each record, after its number in the stream.
    """
    entries = [(sequence, _entry(*change)) for sequence, changes in told for change in changes]
    if entries:
        history.log(account_id, entries, accounts.get(account_id).history_retention_days)


def changes_between(old: Profile | None, new: Profile | None, at: int) -> Sequence[tuple[Mpid, int, MembershipChange]]:
    """What one write of a profile changed; a profile that was removed left all its audiences, at `at` (UTC ms)."""
    if new is not None:
        return [(new.mpid, new.version, change) for change in new.changes]
    if old is None:
        return []
    return [
        (old.mpid, old.version + 1, MembershipChange(audience_id, False, at, Reason.DELETION))
        for audience_id in sorted(old.memberships)
    ]


def _entry(mpid: Mpid, version: int, change: MembershipChange) -> HistoryEntry:
    return HistoryEntry(change.audience_id, mpid, change.is_member, change.at, change.reason, version)
