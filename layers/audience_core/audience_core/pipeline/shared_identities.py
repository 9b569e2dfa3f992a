"""Identities that members of one connection share: a partner that knows no more of them must not lose the other one.

Who else holds an identity is asked of the identity rows, which name every holder, and of these members' own rows in
the ledger, which say what they desire. Both are read only when something is removed
(docs/decisions/0012-removals-of-shared-identities.md).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.output import Connection, Forward, LedgerRow, Target, delivery_bucket_of
from audience_core.domain.stores import IdentityStore, LedgerStore, WakeUpQueue
from audience_core.outputs.connector import gone
from audience_core.outputs.lanes import wake_ups_of
from audience_core.outputs.registry import ConnectorKind


@dataclass(frozen=True, slots=True)
class SharedIdentities:
    """What is removed of identities at the partner of one connection, and what of that must stay."""

    identities: IdentityStore
    ledger: LedgerStore
    wake_ups: WakeUpQueue
    connection: Connection
    kind: ConnectorKind

    def spared(self, rows: Sequence[LedgerRow], changes: Sequence[Forward], now_ms: int) -> list[Forward]:
        """The changes that the rows ask for, without the removal of what the partner must keep for another member.

        That member's row must say that the partner has the identity: then its own removal will be told one day. If the
        partner may have heard this removal before, in a send of unknown outcome, the other member is said again.
        """
        kept: dict[Identity, LedgerRow] = {}
        for identity, sharers in self._sharers(changes).items():
            keepers = [row for row in sharers if _has(row.acknowledged, identity)]
            kept |= {identity: keepers[0]} if keepers else {}
        uncertain = [change for row, change in zip(rows, changes, strict=True) if row.attempted is not None]
        self._say_again([kept[i] for change in uncertain for i in gone(change) if i in kept], now_ms)
        return [_without(change, kept.keys()) for change in changes]

    def made_good(self, told: Sequence[Forward], now_ms: int) -> None:
        """After the partner was told to remove identities: members that desire them by now are said again.

        Their own lane may have told them just before the removal was heard. One that tells them after this look tells
        them after the removal, too. Members of the same batch were told after its removals.
        """
        batch = {change.mpid for change in told}
        lost = [row for rows in self._sharers(told).values() for row in rows if row.mpid not in batch]
        self._say_again(lost, now_ms)

    def _say_again(self, rows: Iterable[LedgerRow], now_ms: int) -> None:
        members = {row.mpid: row.desired or Target() for row in rows}
        for mpid, target in members.items():
            self.ledger.doubt(self.connection.account_id, self.connection.connection_id, mpid, target, now_ms)
        if members:
            lanes = {delivery_bucket_of(mpid) for mpid in members}
            self.wake_ups.send(wake_ups_of(self.connection, self.kind, lanes), now_ms)

    def _sharers(self, changes: Iterable[Forward]) -> dict[Identity, list[LedgerRow]]:
        """For each identity that the changes remove, rows of other members that desire it."""
        losers: dict[Identity, set[Mpid]] = defaultdict(set)
        for change in changes:
            for identity in gone(change):
                losers[identity].add(change.mpid)
        if not losers:
            return {}
        connection = self.connection.account_id, self.connection.connection_id
        home, _ = self.connection.members_of
        held = self.identities.rows(home, Environment.PRODUCTION, losers)
        holders = {identity: held[identity].holders.keys() - mpids for identity, mpids in losers.items()}
        rows = self.ledger.find(*connection, {mpid for mpids in holders.values() for mpid in mpids})
        return {
            identity: [rows[m] for m in sorted(mpids & rows.keys()) if _has(rows[m].desired, identity)]
            for identity, mpids in holders.items()
        }


def _without(change: Forward, kept: Collection[Identity]) -> Forward:
    if change.before is None or not kept:
        return change
    left = tuple(i for i in change.before.identities if i not in kept or _has(change.after, i))
    if left == change.before.identities:
        return change
    return replace(change, before=replace(change.before, identities=left) if left else None)


def _has(target: Target | None, identity: Identity) -> bool:
    return target is not None and identity in target.identities
