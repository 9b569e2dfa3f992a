"""What partners should know of profiles, written into the ledger: one wish for each connection and profile."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from audience_core.domain.ids import Mpid, WorkspaceId
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import Connection, Output, Target, delivery_bucket_of
from audience_core.domain.profile import Profile
from audience_core.domain.stores import LedgerStore, WakeUpQueue
from audience_core.outputs.lanes import wake_up_of
from audience_core.outputs.projection import Wanted, is_permitted, project
from audience_core.outputs.registry import ConnectorKind, kind_named, wanted_by


@dataclass(frozen=True, slots=True)
class Forwarded:
    """An active connection, with all that decides what its partner should know."""

    connection: Connection
    kind: ConnectorKind
    wanted: Wanted
    workspaces: tuple[WorkspaceId, ...]

    @classmethod
    def of(cls, connection: Connection, output: Output, workspaces: tuple[WorkspaceId, ...] = ()) -> "Forwarded":
        return cls(connection, kind_named(output.connector), wanted_by(output, connection), workspaces)

    def permits(self, profile: Profile | None) -> bool:
        return profile is not None and is_permitted(profile, self.connection)

    def target(self, profile: Profile | None) -> Target | None:
        """Args:
        profile: with audiences in the place of member sets; None when there is none (any more).
        """
        if profile is None:
            return None
        _, audience_id = self.connection.members_of
        return project(profile, audience_id, self.connection, self.wanted, self.workspaces)


@dataclass(frozen=True, slots=True)
class Wish:
    """Args:
    version: of the profile that `target` was worked out from; beyond its last one when it was removed.
    cause: correlation id of the request behind it.
    """

    forwarded: Forwarded
    mpid: Mpid
    version: int
    target: Target | None
    is_urgent: bool
    cause: str = ""

    @classmethod
    def of(cls, forwarded: Forwarded, mpid: Mpid, version: int, profile: Profile | None) -> "Wish":
        # Who must not be forwarded any more does not wait until a partner's next batch is full.
        is_urgent = bool(forwarded.kind.flush_after_s) and not forwarded.permits(profile)
        return cls(forwarded, mpid, version, forwarded.target(profile), is_urgent, profile.cause if profile else "")


def desire(ledger: LedgerStore, wishes: Iterable[Wish], now_ms: int) -> dict[WakeUp, ConnectorKind]:
    """Lanes with rows that are dirty now."""
    dirty: dict[WakeUp, ConnectorKind] = {}
    for wish in wishes:
        connection, kind = wish.forwarded.connection, wish.forwarded.kind
        row = connection.account_id, connection.connection_id, wish.mpid
        if ledger.desire(*row, wish.target, wish.version, now_ms):
            lane = wake_up_of(connection, kind, delivery_bucket_of(wish.mpid))
            dirty[replace(lane, is_urgent=wish.is_urgent, correlation_id=wish.cause)] = kind
    return dirty


def wake(queue: WakeUpQueue, dirty: dict[WakeUp, ConnectorKind], now_ms: int) -> None:
    """Wake those that are sent at once. The others wait until they are due, which is for the sweep to see."""
    if wake_ups := [lane for lane, kind in dirty.items() if lane.is_urgent or not kind.flush_after_s]:
        queue.send(wake_ups, now_ms)
