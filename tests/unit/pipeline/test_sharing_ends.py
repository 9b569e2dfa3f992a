"""What becomes of a receiver's connections when the sharing of their audience is over."""

import threading
import time
from itertools import count
from typing import Any

import pytest

from audience_core.domain.ids import ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import (
    DELIVERY_BUCKETS,
    ConnectionStatus,
    SubscriptionState,
    Target,
)
from audience_core.domain.sharing import ArrangementState, Side
from audience_core.management import shared_connections, sharing
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.pipeline.deliver import deliver
from audience_core.pipeline.sweep_ledger import sweep_ledger
from audience_core.pipeline.update_subscription import Work, update_subscription
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT
from tests.support.shared_town import ANN, BOB, T, Town, a_member, email
from tests.support.sharing import OWNER


@pytest.fixture
def town() -> Town:
    return Town()


def ended(town: Town) -> None:
    (arrangement,) = town.sharing.live(ACCOUNT, Side.INITIATOR)
    sharing.unshare(town.stores, OWNER, arrangement.arrangement_id, NOW)


def followed(town: Town) -> None:
    """What the stream of the sharing table brings about."""
    over = {ArrangementState.ENDED}
    for each in town.sharing.arrangements(OTHER_ACCOUNT, Side.RECEIVER, over, None, 100).items:
        shared_connections.follow(town.stores, town.outputs, town.workflows, (Side.RECEIVER, each), None, NOW)


def test_at_the_end_partners_are_told_to_forget_all_and_connections_go(town: Town) -> None:
    connection = town.connect(town.received())
    for mpid, name in ((ANN, "ann"), (BOB, "bob")):
        town.write(mpid, email(name))
    town.fan_out_shared()
    town.deliver(town.outputs.get_connection(OTHER_ACCOUNT, connection))
    town.sent.clear()

    ended(town)
    followed(town)
    stored = town.outputs.get_connection(OTHER_ACCOUNT, connection)
    assert stored.status is ConnectionStatus.DELETING
    town.play(stored)

    assert sorted(town.heard()) == sorted([(str(ANN), "delete"), (str(BOB), "delete")])
    assert town.outputs.list_connections(OTHER_ACCOUNT) == ()
    assert town.outputs.forwarding(ACCOUNT) == ((), ())
    assert town.desired(connection) == {}
    followed(town)


def test_an_audience_that_is_gone_is_removed_under_its_last_name(town: Town) -> None:
    connection = town.connect(town.received())
    town.write(ANN, email("ann"))
    town.fan_out_shared()
    town.deliver(town.outputs.get_connection(OTHER_ACCOUNT, connection))
    sharing.end_all_of(town.stores, OWNER, AUDIENCE, NOW)
    town.audiences.delete(town.audiences.get(ACCOUNT, AUDIENCE))
    town.sent.clear()

    followed(town)
    town.play(town.outputs.get_connection(OTHER_ACCOUNT, connection))

    assert town.heard() == [(str(ANN), "delete")]
    assert {each["audience_name"] for each in town.sent if "audience_name" in each} == {"Fans"}


def test_nothing_is_sent_before_the_connection_knows_of_the_end(town: Town) -> None:
    """The stream may be late: deliveries, announcements and sweeps ask for the arrangement themselves."""
    connection = town.connect(town.received())
    town.write(ANN, email("ann"))
    town.fan_out_shared()
    town.sent.clear()
    ended(town)

    stored = town.outputs.get_connection(OTHER_ACCOUNT, connection)
    town.deliver(stored)
    assert update_subscription(town, town.send, OTHER_ACCOUNT, connection, 1, NOW) is Work.NOTHING
    sweep_ledger(town.ledger, town.outputs, town.wake_ups, T + 3_600_000)
    town.deliver(stored)

    assert (stored.status, stored.subscription) == (ConnectionStatus.ACTIVE, SubscriptionState.ACTIVE)
    assert town.sent == []
    assert town.desired(connection)[ANN] is not None


class Locked:
    """A store in memory that several workers use."""

    def __init__(self, store: Any) -> None:
        self._store, self._lock = store, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            with self._lock:
                return getattr(self._store, name)(*arguments)

        return call


class Load:
    """Workers that deliver all lanes of a connection again and again, while members come in."""

    def __init__(self, town: Town, connection_id: ConnectionId) -> None:
        self.town, self.connection_id = town, connection_id
        setattr(town, "ledger", Locked(town.ledger))  # noqa: B010  # for its type
        self.begun: list[float] = []
        self._is_over = threading.Event()
        self._workers = [threading.Thread(target=self._work, args=(bucket,)) for bucket in range(DELIVERY_BUCKETS)]

    def __enter__(self) -> "Load":
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        for worker in self._workers:
            worker.join()

    def _send(self, request: HttpRequest) -> HttpResponse:
        self.begun.append(time.monotonic())
        time.sleep(0.005)
        return HttpResponse(200, {}, b"{}")

    def _work(self, bucket: int) -> None:
        for version in count(1):
            if self._is_over.is_set():
                return
            row = OTHER_ACCOUNT, self.connection_id, Mpid(8_000_000 + bucket)
            self.town.ledger.desire(*row, Target((email("x"),)), version, T)
            deliver(self.town, self._send, WakeUp(*row[:2], bucket), 1, lambda: T, T * 2)


def test_under_load_nobody_is_forwarded_once_it_is_over(town: Town) -> None:
    connection_id = town.connect(town.received())
    for number in range(4000):
        town.profiles.save(a_member(Mpid(number), email(str(number))), T)
    town.play(town.outputs.get_connection(OTHER_ACCOUNT, connection_id))

    with Load(town, connection_id) as load:
        while len(load.begun) < 3 * DELIVERY_BUCKETS:
            time.sleep(0.001)
        ended(town)
        at = time.monotonic()
        time.sleep(0.3)

    lanes = [town.ledger.dirty(OTHER_ACCOUNT, connection_id, each, 9999) for each in range(DELIVERY_BUCKETS)]
    assert sum(map(len, lanes)) > 0, "everything was delivered before the end"
    # At most one batch of each lane had passed its look at the arrangement.
    late = [each - at for each in load.begun if each > at]
    assert len(late) <= DELIVERY_BUCKETS
    assert max(late, default=0.0) < 5
