"""Brings a connection's ledger in line with its status: filled from all profiles, or withdrawn row by row."""

from collections.abc import Callable, Collection
from typing import Protocol

from audience_core.domain.control_stores import AudienceStore, OutputStore
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.output import (
    DELIVERY_BUCKETS,
    Connection,
    ConnectionStatus,
    Output,
    Target,
    delivery_bucket_of,
)
from audience_core.domain.profile import Profile
from audience_core.domain.stores import LedgerStore, ProfileStore, WakeUpQueue
from audience_core.outputs.lanes import wake_ups_of
from audience_core.outputs.projection import Wanted, project
from audience_core.outputs.registry import kind_named, wanted_by
from audience_core.pipeline.forwarding import find_connection, own_workspaces
from audience_core.pipeline.member_sets import MemberSets

PAGE = 200


class FillStores(Protocol):
    """The stores that filling needs, under the names that `wiring.Stores` gives them."""

    @property
    def audiences(self) -> AudienceStore: ...

    @property
    def outputs(self) -> OutputStore: ...

    @property
    def profiles(self) -> ProfileStore: ...

    @property
    def ledger(self) -> LedgerStore: ...

    @property
    def wake_ups(self) -> WakeUpQueue: ...


def fill_bucket(
    stores: FillStores,
    account_id: AccountId,
    connection_id: ConnectionId,
    bucket: int,
    cursor: str | None,
    clock: Callable[[], int],
    until_ms: int,
) -> str | None:
    """Desire for the connection what every profile of a profile bucket projects to; where to go on, None when done.

    Args:
        until_ms: no page begins after this instant (UTC ms), but the first one.
    """
    while True:
        connection = find_connection(stores.outputs, account_id, connection_id)
        if connection is None or connection.status is not ConnectionStatus.ACTIVE:
            return None
        output = stores.outputs.get(account_id, connection.output_id)
        home, _ = connection.members_of
        page = stores.profiles.page(home, Environment.PRODUCTION, bucket, cursor, PAGE)
        now_ms = clock()
        dirty = _desire_all(stores, connection, wanted_by(output, connection), page.items, now_ms)
        _wake(stores, connection, output, {delivery_bucket_of(mpid) for mpid in dirty}, now_ms)
        if _was_changed(stores, connection):
            # Another fill may have passed here already: what this one has desired for it as it was is desired anew.
            continue
        cursor = page.next
        if cursor is None or clock() >= until_ms:
            return cursor


def withdraw_bucket(
    stores: FillStores,
    account_id: AccountId,
    connection_id: ConnectionId,
    bucket: int,
    cursor: str | None,
    clock: Callable[[], int],
    until_ms: int,
) -> str | None:
    """Desire that the partner forgets every member of a delivery bucket; as `fill_bucket`."""
    while True:
        page = stores.ledger.rows(account_id, connection_id, bucket, cursor, PAGE)
        now_ms = clock()
        for row in page.items:
            stores.ledger.desire(account_id, connection_id, row.mpid, None, row.desired_version, now_ms)
        cursor = page.next
        if cursor is None or clock() >= until_ms:
            return cursor


def wake_connection(stores: FillStores, account_id: AccountId, connection_id: ConnectionId, now_ms: int) -> None:
    """Have all lanes of a connection drained."""
    connection = find_connection(stores.outputs, account_id, connection_id)
    if connection is not None:
        output = stores.outputs.get(account_id, connection.output_id)
        _wake(stores, connection, output, range(DELIVERY_BUCKETS), now_ms)


def _desire_all(
    stores: FillStores, connection: Connection, wanted: Wanted, profiles: Collection[Profile], now_ms: int
) -> set[Mpid]:
    """Mpids whose rows are dirty now.

    A profile may leave the audience between being read and being desired, and whoever handles that change leaves
    absent rows absent: so members are read again once they have rows, and what they have become is desired too.
    """

    def desire(mpid: Mpid, target: Target | None, version: int) -> bool:
        return stores.ledger.desire(connection.account_id, connection.connection_id, mpid, target, version, now_ms)

    def target_of(profile: Profile) -> Target | None:
        return project(sets.live(profile), audience_id, connection, wanted, workspaces)

    sets, workspaces = MemberSets(stores.audiences), own_workspaces(stores.audiences, connection)
    home, audience_id = connection.members_of
    targets = {profile.mpid: target_of(profile) for profile in profiles}
    versions = {p.mpid: p.version for p in profiles}
    dirty = {mpid for mpid, target in targets.items() if desire(mpid, target, versions[mpid])}
    members = [mpid for mpid, target in targets.items() if target is not None]
    fresh = stores.profiles.load(home, Environment.PRODUCTION, members) if members else {}
    for mpid in members:
        profile = fresh.get(mpid)
        if profile is None:
            desire(mpid, None, versions[mpid])
        elif profile.version != versions[mpid]:
            desire(mpid, target_of(profile), profile.version)
    return dirty


def _was_changed(stores: FillStores, connection: Connection) -> bool:
    now = find_connection(stores.outputs, connection.account_id, connection.connection_id)
    return now is not None and now.version != connection.version


def _wake(stores: FillStores, connection: Connection, output: Output, buckets: Collection[int], now_ms: int) -> None:
    if buckets:
        stores.wake_ups.send(wake_ups_of(connection, kind_named(output.connector), buckets), now_ms)
