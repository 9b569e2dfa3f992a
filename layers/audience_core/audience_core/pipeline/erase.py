"""Has everything beside a user's profile forget the user: the event archive, and partners of lifetime audiences.

Whoever removes a profile for good removes its item first, whose stream record does what `retire` says, and then calls
this: a send that read the profile before looks for erasures after it has written (`pipeline.send_parts`).
"""

from typing import Protocol

from audience_core.domain.archive import Archive, Erasure
from audience_core.domain.control_stores import OutputStore
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.output import Connection, LedgerRow, delivery_bucket_of
from audience_core.domain.stores import LedgerStore, WakeUpQueue
from audience_core.outputs.lanes import wake_up_of
from audience_core.outputs.registry import kind_named


class ErasureStores(Protocol):
    """The stores that erasing needs, under the names that `wiring.Stores` gives them."""

    @property
    def archive(self) -> Archive: ...

    @property
    def outputs(self) -> OutputStore: ...

    @property
    def ledger(self) -> LedgerStore: ...

    @property
    def wake_ups(self) -> WakeUpQueue: ...


def erase(
    stores: ErasureStores,
    account_id: AccountId,
    mpid: Mpid,
    now_ms: int,
    environment: Environment = Environment.PRODUCTION,
) -> None:
    """Forget what was received of a user up to now; a repeat is harmless.

    From here on no export and no send has the user; the next compaction removes it from the shards, for good
    (docs/archive-layout.md, "Erasure"). Partners that a lifetime audience was sent to are told to forget it.
    """
    stores.archive.put([Erasure(account_id, environment, mpid, now_ms)], now_ms)
    if environment is Environment.PRODUCTION:
        for connection in stores.outputs.list_connections(account_id):
            # Of real-time audiences the end of the profile is news in its stream.
            row = _row(stores.ledger, connection, mpid) if connection.sent else None
            if row is not None:
                _withdraw(stores, connection, row, now_ms)


def _row(ledger: LedgerStore, connection: Connection, mpid: Mpid) -> LedgerRow | None:
    return ledger.find(connection.account_id, connection.connection_id, [mpid]).get(mpid)


def _withdraw(stores: ErasureStores, connection: Connection, row: LedgerRow, now_ms: int) -> None:
    where = (connection.account_id, connection.connection_id)
    if stores.ledger.desire(*where, row.mpid, None, row.desired_version, now_ms):
        kind = kind_named(stores.outputs.get(connection.account_id, connection.output_id).connector)
        stores.wake_ups.send([wake_up_of(connection, kind, delivery_bucket_of(row.mpid))], now_ms)
