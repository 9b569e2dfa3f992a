"""What every delivery ledger promises."""

from dataclasses import replace
from uuid import uuid4

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import LedgerRow, Target, delivery_bucket_of
from audience_core.domain.stores import LedgerStore
from audience_core.persistence.ledger import DynamoLedgerStore
from audience_core.persistence.memory.ledger import MemoryLedgerStore
from tests.contract.conftest import CreateTable

ACCOUNT, CONNECTION, OTHER = AccountId(7), ConnectionId("c-1"), ConnectionId("c-2")
MPID = Mpid(-88120011)
BUCKET = delivery_bucket_of(MPID)
T = 1_795_430_000_000
MINUTE = 60_000
ANN = Target((Identity("customer_id", "ann"), Identity("email", "ann@example.com")))
BOB = Target((Identity("email", "bob@example.com"),), (("tags", ["a", 1, None]), ("vip", True)))


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> LedgerStore:
    if request.param == "memory":
        return MemoryLedgerStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    gsis = {"dirty": ("dirty_bucket", "dirty_since", "N", "ALL")}
    return DynamoLedgerStore(create_table(f"ledger-{uuid4()}", gsis), request.getfixturevalue("aws"))


def desire(store: LedgerStore, target: Target | None, version: int, at: int = T, mpid: Mpid = MPID) -> bool:
    return store.desire(ACCOUNT, CONNECTION, mpid, target, version, at)


def dirty(store: LedgerStore, limit: int = 10) -> list[LedgerRow]:
    return list(store.dirty(ACCOUNT, CONNECTION, BUCKET, limit))


def everything(store: LedgerStore) -> list[LedgerRow]:
    return list(store.rows(ACCOUNT, CONNECTION, BUCKET, None, 100).items)


def a_row(desired: Target | None, version: int, acknowledged: Target | None = None, at: int | None = T) -> LedgerRow:
    return LedgerRow(ACCOUNT, CONNECTION, MPID, desired, version, acknowledged, at)


def test_a_new_member_makes_a_dirty_row(store: LedgerStore) -> None:
    assert desire(store, BOB, 3)

    assert dirty(store) == [a_row(BOB, 3)]
    assert store.dirty(ACCOUNT, OTHER, BUCKET, 10) in ([], ())
    assert store.dirty(ACCOUNT, CONNECTION, (BUCKET + 1) % 8, 10) in ([], ())


def test_somebody_the_partner_never_had_needs_no_row(store: LedgerStore) -> None:
    assert not desire(store, None, 3)

    assert everything(store) == []


def test_an_earlier_profile_version_changes_nothing(store: LedgerStore) -> None:
    desire(store, ANN, 5)

    assert desire(store, None, 4, T + 1)

    assert dirty(store) == [a_row(ANN, 5)]


def test_the_same_profile_version_may_be_projected_anew(store: LedgerStore) -> None:
    desire(store, ANN, 5)

    assert desire(store, BOB, 5, T + 1)

    assert dirty(store) == [a_row(BOB, 5)]


def test_an_acknowledged_row_is_clean_until_something_else_is_desired(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.acknowledge([dirty(store)[0]])

    assert not desire(store, ANN, 6, T + 1)
    assert dirty(store) == []
    assert everything(store) == [a_row(ANN, 6, ANN, None)]
    assert desire(store, BOB, 7, T + 2)

    assert dirty(store) == [a_row(BOB, 7, ANN, T + 2)]


def test_a_repeat_tells_that_the_row_is_still_dirty(store: LedgerStore) -> None:
    desire(store, ANN, 5)

    assert desire(store, ANN, 5, T + 1)
    assert desire(store, ANN, 6, T + 2)

    assert dirty(store) == [a_row(ANN, 6)]


def test_a_stale_wish_after_a_repeat_of_the_same_content_is_refused(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    desire(store, ANN, 9)

    desire(store, BOB, 7)

    assert dirty(store) == [a_row(ANN, 9)]


def test_a_row_stays_dirty_when_the_wish_changed_during_the_send(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    sent = dirty(store)[0]
    desire(store, None, 6, T + 1)

    store.acknowledge([sent])

    assert dirty(store) == [a_row(None, 6, ANN)]


def test_a_row_returns_to_what_was_acknowledged_and_is_still_shown(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.acknowledge([dirty(store)[0]])
    desire(store, None, 6, T + 1)

    assert desire(store, ANN, 7, T + 2)

    assert dirty(store) == [a_row(ANN, 7, ANN, T + 1)]


def test_an_acknowledged_removal_leaves_no_row(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.acknowledge([dirty(store)[0]])
    desire(store, None, 6)

    store.acknowledge([dirty(store)[0]])

    assert everything(store) == []


def test_a_removal_acknowledged_too_late_keeps_the_new_wish(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.acknowledge([dirty(store)[0]])
    desire(store, None, 6)
    sent = dirty(store)[0]
    desire(store, BOB, 7)

    store.acknowledge([sent])

    assert dirty(store) == [a_row(BOB, 7)]


def test_acknowledging_a_row_that_is_gone_makes_none(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    sent = dirty(store)[0]
    store.delete_connection_rows(ACCOUNT, CONNECTION)

    store.acknowledge([sent])

    assert everything(store) == []


def test_dirty_rows_come_oldest_first_and_no_more_than_asked(store: LedgerStore) -> None:
    mpids = [Mpid(8), Mpid(16), Mpid(24)]
    for mpid, at in zip(mpids, (T + 2, T, T + 1), strict=True):
        store.desire(ACCOUNT, CONNECTION, mpid, ANN, 1, at)

    rows = store.dirty(ACCOUNT, CONNECTION, 0, 2)

    assert [row.mpid for row in rows] == [16, 24]


def test_what_was_attempted_is_remembered_until_settled(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.attempt(dirty(store))
    desire(store, BOB, 6)
    store.attempt(dirty(store))

    (row,) = dirty(store)
    assert row.attempted == Target(
        (Identity("customer_id", "ann"), *(Identity("email", f"{who}@example.com") for who in ("ann", "bob"))),
        BOB.attributes,
    )
    store.settle([row])

    assert [row.attempted for row in dirty(store)] == [None]


def test_an_attempted_removal_is_told_from_no_attempt(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.acknowledge([dirty(store)[0]])
    desire(store, None, 6)
    store.attempt(dirty(store))

    desire(store, ANN, 7)

    assert [row.attempted for row in dirty(store)] == [Target()]


def test_attempts_of_other_rows_of_the_lane_survive(store: LedgerStore) -> None:
    for mpid in (Mpid(8), Mpid(16)):
        store.desire(ACCOUNT, CONNECTION, mpid, ANN, 1, T + mpid)
    eight, sixteen = store.dirty(ACCOUNT, CONNECTION, 0, 2)
    store.attempt([eight])
    store.attempt([sixteen])

    store.settle([sixteen])

    assert {row.mpid: row.attempted for row in store.dirty(ACCOUNT, CONNECTION, 0, 2)} == {8: ANN, 16: None}


def test_lanes_left_dirty_are_found_and_young_ones_are_not(store: LedgerStore) -> None:
    desire(store, ANN, 5, T)
    store.desire(ACCOUNT, OTHER, MPID, ANN, 5, T + MINUTE)

    found = store.dirty_lanes(T + MINUTE - 1)

    assert found == {WakeUp(ACCOUNT, CONNECTION, BUCKET): T}


def test_a_lane_is_found_by_its_oldest_row_however_busy_it_is(store: LedgerStore) -> None:
    for n in range(5):
        desire(store, ANN, 1, T + n * MINUTE, Mpid(MPID + 8 * n))

    assert store.dirty_lanes(T + MINUTE) == {WakeUp(ACCOUNT, CONNECTION, BUCKET): T}


def test_a_clean_lane_is_not_found_and_is_found_again_when_dirty(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.acknowledge([dirty(store)[0]])

    assert store.dirty_lanes(T + MINUTE) == {}
    desire(store, BOB, 6, T + 2 * MINUTE)

    assert store.dirty_lanes(T + 3 * MINUTE) == {WakeUp(ACCOUNT, CONNECTION, BUCKET): T + 2 * MINUTE}


def test_rows_are_listed_page_by_page(store: LedgerStore) -> None:
    for n in range(5):
        store.desire(ACCOUNT, CONNECTION, Mpid(8 * (n - 2)), ANN, 1, T)
    store.attempt(store.dirty(ACCOUNT, CONNECTION, 0, 10))

    first = store.rows(ACCOUNT, CONNECTION, 0, None, 3)
    second = store.rows(ACCOUNT, CONNECTION, 0, first.next, 3)

    assert len(first.items) == 3
    assert second.next is None
    assert sorted(row.mpid for row in first.items + second.items) == [-16, -8, 0, 8, 16]


def test_deleting_a_connection_leaves_the_others(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.attempt(dirty(store))
    store.desire(ACCOUNT, OTHER, MPID, ANN, 5, T)

    store.delete_connection_rows(ACCOUNT, CONNECTION)

    assert everything(store) == []
    assert len(store.dirty(ACCOUNT, OTHER, BUCKET, 10)) == 1
    desire(store, BOB, 1)
    assert dirty(store) == [a_row(BOB, 1)]


def test_a_rejected_row_is_clean_and_says_why(store: LedgerStore) -> None:
    desire(store, ANN, 5)

    store.reject(dirty(store)[0], "no such user", None)

    assert dirty(store) == []
    assert not desire(store, ANN, 6)
    assert everything(store) == [replace(a_row(ANN, 6, None, None), rejected="no such user")]


def test_a_rejection_ends_when_something_else_is_desired(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.reject(dirty(store)[0], "no such user", ANN)

    assert desire(store, BOB, 6, T + 1)

    assert dirty(store) == [replace(a_row(BOB, 6, None, T + 1), attempted=ANN)]
    store.acknowledge(dirty(store))
    assert everything(store) == [a_row(BOB, 6, BOB, None)]


def test_a_rejection_that_comes_too_late_keeps_the_new_wish_and_what_was_told(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    sent = dirty(store)[0]
    desire(store, BOB, 6)

    store.reject(sent, "no such user", ANN)

    (row,) = dirty(store)
    assert (row.desired, row.attempted, row.rejected) == (BOB, ANN, None)


def test_a_rejected_removal_stays_until_the_member_is_back(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.acknowledge(dirty(store))
    desire(store, None, 6)

    store.reject(dirty(store)[0], "not now", Target())

    assert (dirty(store), [row.rejected for row in everything(store)]) == ([], ["not now"])
    assert desire(store, ANN, 7)
    assert [(row.acknowledged, row.attempted, row.rejected) for row in dirty(store)] == [(ANN, Target(), None)]


def test_a_doubted_row_is_told_again_and_clean_when_that_is_acknowledged(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.acknowledge(dirty(store))

    assert store.doubt(ACCOUNT, CONNECTION, MPID, ANN, T + 1)

    (row,) = dirty(store)
    assert (row.desired, row.acknowledged, row.attempted, row.dirty_since) == (ANN, ANN, ANN, T + 1)
    store.acknowledge([row])
    assert [row.attempted for row in everything(store)] == [None]
    assert dirty(store) == []
    assert not store.doubt(ACCOUNT, CONNECTION, Mpid(MPID + 8), ANN, T)


def test_a_doubt_during_the_send_survives_its_acknowledgement(store: LedgerStore) -> None:
    for mpid in (Mpid(8), Mpid(16)):
        store.desire(ACCOUNT, CONNECTION, mpid, ANN, 1, T)
    sent = store.dirty(ACCOUNT, CONNECTION, 0, 10)
    store.doubt(ACCOUNT, CONNECTION, Mpid(8), ANN, T)

    store.acknowledge(sent)

    (row,) = store.dirty(ACCOUNT, CONNECTION, 0, 10)
    assert (row.mpid, row.acknowledged, row.attempted) == (8, ANN, ANN)
    store.acknowledge([row])
    assert not store.dirty(ACCOUNT, CONNECTION, 0, 10)


def test_rows_are_found_by_member(store: LedgerStore) -> None:
    desire(store, ANN, 5)

    assert store.find(ACCOUNT, CONNECTION, [MPID, Mpid(3)]) == {MPID: a_row(ANN, 5)}
    assert store.find(ACCOUNT, OTHER, [MPID]) == {}


def test_rows_are_read_on_from_a_member(store: LedgerStore) -> None:
    for n in (-16, -8, 8, 16, 80):
        store.desire(ACCOUNT, CONNECTION, Mpid(n), ANN, 1, T)

    first = store.rows_after(ACCOUNT, CONNECTION, 0, None, 2)
    second = store.rows_after(ACCOUNT, CONNECTION, 0, first[-1].mpid, 10)

    assert [row.mpid for row in (*first, *second)] == [-16, -8, 16, 8, 80]


@pytest.mark.long
def test_a_batch_of_thousands_is_noted_acknowledged_and_settled(store: LedgerStore) -> None:
    long = tuple(Identity("email", f"{n}-{'x' * 240}@example.com") for n in range(4))
    mpids = [Mpid(8 * n) for n in range(450)]
    for mpid in mpids:
        store.desire(ACCOUNT, CONNECTION, mpid, Target(long), 1, T)
    rows = store.dirty(ACCOUNT, CONNECTION, 0, 1000)
    store.attempt(rows)
    assert {row.attempted for row in store.dirty(ACCOUNT, CONNECTION, 0, 1000)} == {Target(long)}
    store.desire(ACCOUNT, CONNECTION, mpids[7], None, 2, T)

    store.acknowledge(rows)
    store.settle(rows)

    (left,) = store.dirty(ACCOUNT, CONNECTION, 0, 1000)
    assert (left.mpid, left.acknowledged, left.attempted) == (mpids[7], Target(long), None)


def test_notes_of_one_batch_that_was_told_different_things_add_up(store: LedgerStore) -> None:
    desire(store, ANN, 5)
    store.attempt(dirty(store))
    first = dirty(store)
    desire(store, BOB, 6)
    store.attempt(dirty(store))
    assert [row.attempted for row in first] == [ANN]
    desire(store, ANN, 7)

    (row,) = dirty(store)
    assert row.attempted is not None
    assert set(row.attempted.identities) == {*ANN.identities, *BOB.identities}
    store.settle([row])
    assert [row.attempted for row in dirty(store)] == [None]


def test_a_note_that_its_writer_left_behind_goes_once_nothing_of_its_lane_is_dirty(store: LedgerStore) -> None:
    one, other = Mpid(8), Mpid(16)
    store.desire(ACCOUNT, CONNECTION, one, ANN, 1, T)
    store.desire(ACCOUNT, CONNECTION, other, BOB, 1, T + 1)
    rows = store.dirty(ACCOUNT, CONNECTION, 0, 10)
    store.attempt(rows)
    store.acknowledge(rows[:1])
    (left,) = store.dirty(ACCOUNT, CONNECTION, 0, 10)
    assert left.attempted == BOB

    store.acknowledge([left])
    assert not store.dirty(ACCOUNT, CONNECTION, 0, 10)

    assert [row.attempted for row in store.rows(ACCOUNT, CONNECTION, 0, None, 10).items] == [None, None]
