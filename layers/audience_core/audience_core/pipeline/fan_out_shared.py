"""From changed profiles of an initiator to the ledgers of its receivers' connections.

It runs beside the initiator's own fan-out, which only says of whom something may have changed: however many receivers
an audience has, and whatever becomes of their connections, the initiator's path does one thing. What is to be known is
worked out from the profiles as they are by now, so order and repeats do not matter.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from audience_core.domain.control_stores import OutputStore
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.messages import SharedChange
from audience_core.domain.output import ConnectionStatus
from audience_core.domain.profile import Profile
from audience_core.domain.stores import LedgerStore, ProfileStore, WakeUpQueue
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.wishes import Forwarded, Wish, desire, wake


@dataclass(frozen=True, slots=True)
class FanOutShared:
    """What fanning out to receivers needs of the outside world."""

    outputs: OutputStore
    profiles: ProfileStore
    ledger: LedgerStore
    wake_ups: WakeUpQueue
    sets: MemberSets


def fan_out_shared(stores: FanOutShared, changes: Sequence[SharedChange], now_ms: int) -> None:
    """Bring the ledgers of receivers' connections up to the profiles that changed."""
    by_account: dict[AccountId, list[SharedChange]] = defaultdict(list)
    for change in changes:
        by_account[change.account_id].append(change)
    for account_id, of_account in by_account.items():
        _fan_out(stores, account_id, of_account, now_ms)


def _fan_out(stores: FanOutShared, account_id: AccountId, changes: Sequence[SharedChange], now_ms: int) -> None:
    """What was desired for a connection as it no longer is is desired anew, as the initiator's fan-out does."""
    wanted = {each for change in changes for each in change.audience_ids}
    receivers = _Receivers(stores.outputs, account_id, wanted)
    if not receivers.by_audience:
        return
    found = stores.profiles.load_outlines(account_id, Environment.PRODUCTION, {change.mpid for change in changes})
    profiles = {mpid: stores.sets.live(profile) for mpid, profile in found.items()}
    dirty = desire(stores.ledger, _wishes(receivers, changes, profiles), now_ms)
    while dirty and not receivers.are_current():
        receivers = _Receivers(stores.outputs, account_id, wanted)
        dirty |= desire(stores.ledger, _wishes(receivers, changes, profiles), now_ms)
    wake(stores.wake_ups, dirty, now_ms)


class _Receivers:
    """Active connections of other accounts that forward members of some audiences of this one."""

    def __init__(self, outputs: OutputStore, account_id: AccountId, audience_ids: Collection[AudienceId]) -> None:
        self._outputs, self._account_id, self._audience_ids = outputs, account_id, audience_ids
        _, routes = outputs.forwarding(account_id)
        connections, of_routes = outputs.routed([each for each in routes if each.audience_id in audience_ids])
        self._versions = {(each.account_id, each.connection_id): each.version for each in connections}
        self.by_audience: dict[AudienceId, list[Forwarded]] = defaultdict(list)
        for connection in connections:
            output = of_routes.get((connection.account_id, connection.output_id))
            if connection.status is ConnectionStatus.ACTIVE and output is not None:
                _, audience_id = connection.members_of
                self.by_audience[audience_id].append(Forwarded.of(connection, output))

    def are_current(self) -> bool:
        """Whether none of the connections was changed since they were read."""
        return self._versions == _Receivers(self._outputs, self._account_id, self._audience_ids).versions

    @property
    def versions(self) -> Mapping[tuple[AccountId, ConnectionId], int]:
        return self._versions


def _wishes(receivers: _Receivers, changes: Sequence[SharedChange], profiles: Mapping[Mpid, Profile]) -> Iterator[Wish]:
    for change in changes:
        profile = profiles.get(change.mpid)
        version = change.version if profile is None else profile.version
        for audience_id in change.audience_ids:
            for forwarded in receivers.by_audience.get(audience_id, ()):
                wish = Wish.of(forwarded, change.mpid, version, profile)
                yield replace(wish, cause=change.correlation_id)
