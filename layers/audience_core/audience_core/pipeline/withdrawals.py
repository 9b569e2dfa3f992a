"""Users who take back what allowed a partner to know of them, where the partner was sent a lifetime audience.

What real-time audiences forward follows the profile by itself; members of a lifetime audience were written down once.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from audience_core.domain.control_stores import OutputStore
from audience_core.domain.ids import AccountId
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import Connection, ConnectionStatus, delivery_bucket_of
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind
from audience_core.domain.stores import LedgerStore, WakeUpQueue
from audience_core.outputs.lanes import wake_up_of
from audience_core.outputs.projection import is_permitted
from audience_core.outputs.registry import kind_named

_WORDS = (RegisterKind.CONSENT, RegisterKind.OPT_OUT)


class WithdrawalStores(Protocol):
    """The stores that withdrawals need."""

    @property
    def outputs(self) -> OutputStore: ...

    @property
    def ledger(self) -> LedgerStore: ...

    @property
    def wake_ups(self) -> WakeUpQueue: ...


def withdraw_sent(
    stores: WithdrawalStores,
    account_id: AccountId,
    changes: Sequence[tuple[Profile | None, Profile | None]],
    now_ms: int,
) -> None:
    """Have partners forget members of lifetime audiences whose latest words forbid it; the next send decides anew.

    Args:
        changes: profiles before and after each write, in their order.
    """
    spoken = {new.mpid: new for old, new in changes if new is not None and words_of(old) != words_of(new)}
    if not spoken:
        return
    wake_ups: list[WakeUp] = []
    for connection in stores.outputs.list_connections(account_id):
        if connection.sent is not None and connection.status is ConnectionStatus.ACTIVE:
            unwanted = [profile for profile in spoken.values() if not is_permitted(profile, connection)]
            wake_ups += _withdrawn(stores, connection, unwanted, now_ms) if unwanted else ()
    if wake_ups:
        stores.wake_ups.send(wake_ups, now_ms)


def _withdrawn(
    stores: WithdrawalStores, connection: Connection, profiles: Sequence[Profile], now_ms: int
) -> list[WakeUp]:
    kind = kind_named(stores.outputs.get(connection.account_id, connection.output_id).connector)
    owner = connection.account_id, connection.connection_id
    found = []
    for row in stores.ledger.find(*owner, [profile.mpid for profile in profiles]).values():
        if row.desired is not None:
            stores.ledger.desire(*owner, row.mpid, None, row.desired_version, now_ms)
            lane = wake_up_of(connection, kind, delivery_bucket_of(row.mpid))
            found.append(replace(lane, is_urgent=bool(kind.flush_after_s)))
    return found


def words_of(profile: Profile | None) -> dict[RegisterKey, Register]:
    """What a user has said of being tracked, and of consents."""
    registers = profile.registers if profile else {}
    return {key: register for key, register in registers.items() if key.kind in _WORDS}
