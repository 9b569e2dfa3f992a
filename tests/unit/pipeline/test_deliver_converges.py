"""Whatever happens in whatever order, a partner ends up with what is desired."""

import json
from collections.abc import Sequence
from enum import Enum, auto
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.ids import Mpid
from audience_core.domain.output import LedgerRow, Target
from audience_core.errors import RetryableDeliveryError
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.persistence.memory.ledger import MemoryLedgerStore
from audience_core.pipeline.deliver import MAX_ATTEMPTS, deliver
from local.partner import Book
from tests.support.control import AUDIENCE
from tests.support.delivery import LANE, LATER, T, World, email
from tests.support.long_run import examples

MPIDS = tuple(Mpid(8 * n) for n in range(3))
TARGETS = (None, email("a"), email("b"), Target(email("a").identities + email("c").identities))


class Outcome(Enum):
    HEARD = auto()
    REFUSED = auto()
    LOST_REQUEST = auto()
    LOST_ANSWER = auto()
    SUSPENDED = auto()
    CRASH_BEFORE = auto()
    CRASH_AFTER = auto()


class Crash(Exception):
    """The function died in the middle of its work."""


class CrashingLedger(MemoryLedgerStore):
    """Dies before an acknowledgement, once, when told to."""

    crashes = False

    def acknowledge(self, rows: Sequence[LedgerRow]) -> None:
        if self.crashes:
            self.crashes = False
            super().acknowledge(rows[:1])
            raise Crash
        super().acknowledge(rows)


desires = st.tuples(st.sampled_from(MPIDS), st.sampled_from(TARGETS))
steps = st.lists(st.one_of(desires, st.sampled_from(Outcome)), max_size=30)


def partner_of(book: Book, outcome: Outcome, meanwhile: list[Any]):
    def send(request: HttpRequest) -> HttpResponse:
        if outcome is Outcome.CRASH_BEFORE:
            raise Crash
        if outcome is Outcome.REFUSED:
            return HttpResponse(503)
        if outcome is Outcome.LOST_REQUEST:
            raise RetryableDeliveryError("reset")
        book.hear(json.loads(request.body))
        for change in meanwhile:
            change()
        if outcome is Outcome.LOST_ANSWER:
            raise RetryableDeliveryError("timed out")
        return HttpResponse(200, {}, b'{"suspend_subscription": true}' if outcome is Outcome.SUSPENDED else b"")

    return send


def run(world: World, book: Book, outcome: Outcome, meanwhile: list[Any]) -> None:
    world.ledger.crashes = outcome is Outcome.CRASH_AFTER  # type: ignore[attr-defined]  # a CrashingLedger
    try:
        deliver(world, partner_of(book, outcome, meanwhile), LANE, 1, lambda: T, LATER, MAX_ATTEMPTS)
    except (RetryableDeliveryError, Crash):
        return


def known(book: Book) -> dict[int, set[str]]:
    audience = book.audiences.get(AUDIENCE)
    members = audience.members if audience else {}
    return {int(mpid): {value for _, _, value in told} for mpid, told in members.items()}


@settings(deadline=None, max_examples=examples(300))
@given(steps=steps, during=st.lists(desires, max_size=4))
def test_the_partner_ends_up_with_what_is_desired(steps: list[Any], during: list[Any]) -> None:
    world, book = World(ledger=CrashingLedger()), Book()
    wanted: dict[Mpid, Target | None] = {}

    def desire(mpid: Mpid, target: Target | None) -> None:
        world.desire(mpid, target)
        wanted[mpid] = target

    for step in steps:
        if isinstance(step, Outcome):
            # Memberships change while the partner is being told, too.
            meanwhile = [partial(desire, *during.pop())] if during else []
            run(world, book, step, meanwhile)
        else:
            desire(*step)
    if world.connection.fault:
        world.change(fault=None)
    run(world, book, Outcome.HEARD, [])

    assert known(book) == {mpid: {i.value for i in target.identities} for mpid, target in wanted.items() if target}
    assert not any(world.is_dirty(mpid) for mpid in MPIDS)
    assert {row.mpid for row in world.ledger.rows(*LANE_ROWS, None, 99).items} == {m for m, t in wanted.items() if t}


LANE_ROWS = LANE.account_id, LANE.connection_id, LANE.bucket
