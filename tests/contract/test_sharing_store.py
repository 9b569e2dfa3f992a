"""What every store of sharing promises."""

from datetime import timedelta

import pytest

from audience_core.domain.ids import AudienceId
from audience_core.domain.sharing import LIVE, Arrangement, ArrangementState, EndReason, Received, Side, Source
from audience_core.domain.sharing_stores import SharingStore
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.persistence.memory.sharing import MemorySharingStore
from audience_core.persistence.sharing import DynamoSharingStore
from tests.contract.conftest import CreateTable
from tests.support.ab_tests import an_ab_test
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT
from tests.support.sharing import THIRD_ACCOUNT, a_receiving, an_arrangement, an_entry

RECEIVED = AudienceId(30)


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> SharingStore:
    if request.param == "memory":
        return MemorySharingStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    return DynamoSharingStore(create_table(f"sharing-{request.node.name}"), request.getfixturevalue("aws"))


def offered(store: SharingStore, **given: object) -> Arrangement:
    if store.receiving(OTHER_ACCOUNT) is None:
        store.save_receiving(a_receiving(), [])
    return store.offer(an_arrangement(**given), [])


def accepted(store: SharingStore, arrangement: Arrangement) -> Arrangement:
    changes = {"state": ArrangementState.ACCEPTED, "received_id": RECEIVED}
    return store.change(arrangement.model_copy(update=changes), [])


def ended(store: SharingStore, arrangement: Arrangement) -> Arrangement:
    changes = {"state": ArrangementState.ENDED, "end": EndReason.UNSHARED}
    return store.change(arrangement.model_copy(update=changes), [])


def test_receiving_is_kept_by_account_and_version(store: SharingStore) -> None:
    assert store.receiving(OTHER_ACCOUNT) is None

    saved = store.save_receiving(a_receiving(), [])

    assert store.receiving(OTHER_ACCOUNT) == saved == a_receiving(version=1)
    assert store.receiving(ACCOUNT) is None
    with pytest.raises(StaleVersionError):
        store.save_receiving(a_receiving(), [])


def test_a_receiver_is_found_while_it_is_on(store: SharingStore) -> None:
    saved = store.save_receiving(a_receiving(), [])

    assert store.receiver("r-8") == saved
    off = store.save_receiving(saved.model_copy(update={"is_on": False}), [])
    for _ in range(2):
        with pytest.raises(NotFoundError):
            store.receiver("r-8")
        assert store.receivers("", None, 10).items == ()
    on = store.save_receiving(off.model_copy(update={"is_on": True, "logo": "logos/9"}), [])
    assert store.receiver("r-8") == on
    assert store.receivers("", None, 10).items == (on,)


def test_receivers_are_listed_by_name_in_pages_and_found_without_case(store: SharingStore) -> None:
    names = ["straße", "Books", "apple", "STRASSE 2"]
    for place, name in enumerate(names):
        store.save_receiving(a_receiving(account_id=10 + place, receiver_id=f"r-{place}", name=name), [])

    first = store.receivers("", None, 3)
    second = store.receivers("", first.next, 3)

    assert [each.name for each in (*first.items, *second.items)] == ["apple", "Books", "straße", "STRASSE 2"]
    assert [each.name for each in store.receivers(" Strasse", None, 10).items] == ["straße", "STRASSE 2"]


def test_an_offer_is_seen_by_its_two_parties_alone(store: SharingStore) -> None:
    made = offered(store)

    assert made == an_arrangement(version=1)
    assert store.arrangement(ACCOUNT, Side.INITIATOR, "a-1") == made
    assert store.arrangement(OTHER_ACCOUNT, Side.RECEIVER, "a-1") == made
    for account_id, side in (
        (OTHER_ACCOUNT, Side.INITIATOR),
        (ACCOUNT, Side.RECEIVER),
        (THIRD_ACCOUNT, Side.INITIATOR),
        (THIRD_ACCOUNT, Side.RECEIVER),
    ):
        with pytest.raises(NotFoundError):
            store.arrangement(account_id, side, "a-1")
    assert (store.pending(OTHER_ACCOUNT), store.pending(ACCOUNT)) == (1, 0)
    assert not store.is_accepted(OTHER_ACCOUNT, "a-1")


def test_one_live_offer_of_an_audience_to_a_receiver(store: SharingStore) -> None:
    made = offered(store)

    with pytest.raises(ConflictError):
        store.offer(an_arrangement(arrangement_id="a-2"), [])
    store.offer(an_arrangement(arrangement_id="a-3", audience_id=AudienceId(2)), [])
    ended(store, made)
    again = store.offer(an_arrangement(arrangement_id="a-4"), [])

    assert [each.arrangement_id for each in store.live(ACCOUNT, Side.INITIATOR)] == ["a-3", again.arrangement_id]
    with pytest.raises(NotFoundError):
        store.arrangement(ACCOUNT, Side.INITIATOR, "a-2")


def test_nothing_is_offered_to_who_is_off(store: SharingStore) -> None:
    with pytest.raises(NotFoundError):
        store.offer(an_arrangement(), [an_entry()])
    saved = store.save_receiving(a_receiving(is_on=False), [])
    with pytest.raises(NotFoundError):
        store.offer(an_arrangement(), [an_entry()])

    assert store.live(ACCOUNT, Side.INITIATOR) == ()
    assert store.log(ACCOUNT, None, 10).items == ()
    assert saved.version == 1


def test_who_went_off_accepts_nothing(store: SharingStore) -> None:
    made = offered(store)
    on = store.receiving(OTHER_ACCOUNT)
    assert on is not None
    store.save_receiving(on.model_copy(update={"is_on": False}), [])

    with pytest.raises(NotFoundError):
        accepted(store, made)

    assert store.arrangement(OTHER_ACCOUNT, Side.RECEIVER, "a-1") == made


def test_an_accepted_audience_is_received_until_the_end(store: SharingStore) -> None:
    taken = accepted(store, offered(store, may_export=True))

    source = Source(account_id=ACCOUNT, audience_id=AUDIENCE, arrangement_id="a-1")
    received = Received(account_id=OTHER_ACCOUNT, audience_id=RECEIVED, source=source, may_export=True, version=1)
    assert store.received(OTHER_ACCOUNT, RECEIVED) == received
    assert store.received_all(OTHER_ACCOUNT) == (received,)
    assert store.is_accepted(OTHER_ACCOUNT, "a-1")
    assert not store.is_accepted(ACCOUNT, "a-1")
    assert (store.pending(OTHER_ACCOUNT), store.received_all(ACCOUNT)) == (0, ())

    over = ended(store, taken)

    assert not store.is_accepted(OTHER_ACCOUNT, "a-1")
    assert (store.received_all(OTHER_ACCOUNT), store.live(OTHER_ACCOUNT, Side.RECEIVER)) == ((), ())
    with pytest.raises(NotFoundError):
        store.received(OTHER_ACCOUNT, RECEIVED)
    assert store.arrangement(ACCOUNT, Side.INITIATOR, "a-1") == over


def test_of_two_who_change_an_arrangement_one_is_refused(store: SharingStore) -> None:
    made = offered(store)
    ended(store, made)

    with pytest.raises(StaleVersionError):
        accepted(store, made)

    assert store.received_all(OTHER_ACCOUNT) == ()
    assert store.arrangement(OTHER_ACCOUNT, Side.RECEIVER, "a-1").state is ArrangementState.ENDED


def test_a_receiver_keeps_tags_and_a_test_of_its_own(store: SharingStore) -> None:
    taken = accepted(store, offered(store))
    before = store.received(OTHER_ACCOUNT, RECEIVED)

    kept = store.save_received(before.model_copy(update={"tags": ("VIP",), "ab_test": an_ab_test(30)}))

    assert store.received(OTHER_ACCOUNT, RECEIVED) == kept
    assert (kept.version, kept.tags, kept.ab_test) == (2, ("VIP",), an_ab_test(30))
    with pytest.raises(StaleVersionError):
        store.save_received(before)
    ended(store, taken)
    with pytest.raises(StaleVersionError):
        store.save_received(kept)
    assert store.received_all(OTHER_ACCOUNT) == ()


def test_arrangements_are_listed_by_side_and_state_the_latest_first(store: SharingStore) -> None:
    for number in range(5):
        offered(store, arrangement_id=f"a-{number}", audience_id=AudienceId(number + 1))
    ended(store, store.arrangement(ACCOUNT, Side.INITIATOR, "a-3"))

    first = store.arrangements(ACCOUNT, Side.INITIATOR, LIVE, None, 3)
    second = store.arrangements(ACCOUNT, Side.INITIATOR, LIVE, first.next, 3)

    assert [each.arrangement_id for each in first.items] == ["a-4", "a-2", "a-1"]
    assert [each.arrangement_id for each in second.items] == ["a-0"]
    of_receiver = store.arrangements(OTHER_ACCOUNT, Side.RECEIVER, {ArrangementState.ENDED}, None, 10).items
    assert [each.arrangement_id for each in of_receiver] == ["a-3"]
    of_audience = store.arrangements(ACCOUNT, Side.INITIATOR, LIVE, None, 10, AudienceId(2)).items
    assert [each.arrangement_id for each in of_audience] == ["a-1"]
    assert store.arrangements(ACCOUNT, Side.RECEIVER, LIVE, None, 10).items == ()


def test_what_is_noted_is_in_the_log(store: SharingStore) -> None:
    entries = an_entry(), an_entry(account_id=OTHER_ACCOUNT, by_us=False)

    store.note(entries)

    assert (store.log(ACCOUNT, None, 9).items, store.log(OTHER_ACCOUNT, None, 9).items) == (entries[:1], entries[1:])


def test_each_party_has_a_log_of_its_own_the_latest_first(store: SharingStore) -> None:
    theirs = an_entry(account_id=OTHER_ACCOUNT, by_us=False)
    entries = [an_entry(at=NOW + timedelta(seconds=second), detail=str(second)) for second in range(3)]
    store.save_receiving(a_receiving(), [])
    store.offer(an_arrangement(), [entries[0], theirs])
    for entry in entries[1:]:
        made = store.arrangement(ACCOUNT, Side.INITIATOR, "a-1")
        store.change(made.model_copy(update={"state": ArrangementState.REJECTED}), [entry])

    first = store.log(ACCOUNT, None, 2)
    second = store.log(ACCOUNT, first.next, 2)

    assert (*first.items, *second.items) == tuple(reversed(entries))
    assert store.log(OTHER_ACCOUNT, None, 10).items == (theirs,)
    assert store.log(THIRD_ACCOUNT, None, 10).items == ()
