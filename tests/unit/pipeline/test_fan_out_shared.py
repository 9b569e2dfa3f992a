"""What reaches the ledgers of receivers' connections of an initiator's users, and what that costs the initiator."""

from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid, WorkspaceId
from audience_core.domain.messages import SharedChange, WakeUp
from audience_core.domain.output import (
    Connection,
    ConnectionStatus,
    Target,
    delivery_bucket_of,
)
from audience_core.domain.profile import Register, RegisterKey, RegisterKind
from audience_core.domain.profile_change import ProfileChange
from audience_core.management import ab_tests, sharing
from audience_core.management.ab_tests import NewAbTest, NewVariation
from audience_core.pipeline.convergence import compare
from audience_core.pipeline.fan_out_shared import FanOutShared, fan_out_shared
from audience_core.pipeline.member_sets import MemberSets
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT, an_account
from tests.support.shared_town import ANN, BOB, EVE, T, Town, a_member, email
from tests.support.sharing import FRIEND

OPT_OUT = RegisterKey(WorkspaceId("w-1"), RegisterKind.OPT_OUT, "")
CITY = RegisterKey(WorkspaceId("w-000000000001"), RegisterKind.ATTRIBUTE, "city")


@pytest.fixture
def town() -> Town:
    return Town()


def test_members_of_before_and_after_reach_the_receivers_ledger(town: Town) -> None:
    town.write(ANN, email("ann"), Identity("customer_id", "a"))
    connection = town.connect(town.received())

    town.write(BOB, email("bob"))
    town.fan_out_shared()

    assert town.desired(connection) == {
        ANN: Target((Identity("customer_id", "a"), email("ann"))),
        BOB: Target((email("bob"),)),
    }
    assert WakeUp(OTHER_ACCOUNT, connection, delivery_bucket_of(BOB)) in town.wake_ups.take()


def test_joins_updates_leaves_and_removals_follow(town: Town) -> None:
    connection = town.connect(town.received())
    for mpid, name in ((ANN, "ann"), (BOB, "bob"), (EVE, "eve")):
        town.write(mpid, email(name))
    town.fan_out_shared()

    town.write(ANN, email("ann"), email("ann.new"))
    town.write(BOB, email("bob"), audiences=())
    town.erase(EVE)
    town.fan_out_shared()

    assert town.desired(connection) == {ANN: Target((email("ann.new"), email("ann"))), BOB: None, EVE: None}


def test_a_receivers_delivery_knows_the_request_behind_it(town: Town) -> None:
    connection = town.connect(town.received())
    town.wake_ups.take()

    town.write(ANN, email("ann"), cause="r-1")
    town.fan_out_shared()

    told = {each.connection_id: each.correlation_id for each in town.wake_ups.take()}
    assert told == {connection: "r-1"}


def test_who_opts_out_leaves_the_receivers_partner(town: Town) -> None:
    connection = town.connect(town.received())
    town.write(ANN, email("ann"))
    town.fan_out_shared()

    town.write(ANN, email("ann"), registers={OPT_OUT: Register(True, T)})
    town.fan_out_shared()

    assert town.desired(connection) == {ANN: None}


def test_order_and_repeats_of_changes_do_not_matter(town: Town) -> None:
    connection = town.connect(town.received())
    town.write(ANN, email("ann"))
    first = town.shared_changes.take()
    town.write(ANN, email("ann"), audiences=())
    second = town.shared_changes.take()

    for changes in (second, first, second, first):
        town.shared_changes.send(changes)
        town.fan_out_shared()

    assert town.desired(connection).get(ANN) is None


def test_only_what_may_matter_to_receivers_is_told(town: Town) -> None:
    other = town.add_audience()
    town.connect(town.received())
    town.write(ANN, email("ann"), audiences=(AUDIENCE, other))
    (told,) = town.shared_changes.take()
    assert (told.mpid, told.audience_ids) == (ANN, (AUDIENCE,))

    town.write(ANN, email("ann"), audiences=(AUDIENCE,))
    town.write(BOB, email("bob"), audiences=(other,))
    town.write(BOB, email("bob"), email("bob2"), audiences=(other,))
    town.write(
        ANN, email("ann"), registers={RegisterKey(WorkspaceId("w-1"), RegisterKind.ATTRIBUTE, "a"): Register(1, T)}
    )

    assert town.shared_changes.take() == []


def test_an_account_that_shares_nothing_tells_nobody(town: Town) -> None:
    town.write(ANN, email("ann"))

    assert town.shared_changes.take() == []


class Counting:
    """Counts the calls of a store's methods."""

    def __init__(self, store: Any, calls: list[str]) -> None:
        self._store, self._calls = store, calls

    def __getattr__(self, name: str) -> Any:
        self._calls.append(f"{type(self._store).__name__}.{name}")
        return getattr(self._store, name)


@pytest.mark.parametrize("receivers", [1, 100])
def test_the_initiators_path_does_one_thing_however_many_receivers_there_are(town: Town, receivers: int) -> None:
    made = []
    for number in range(receivers):
        party = replace(FRIEND, account_id=AccountId(100 + number))
        town.accounts.create(an_account(account_id=party.account_id, name=f"Friend {number}"))
        offered = town.offer(receiver_ids=(town.opt_in(party),))
        taken = sharing.accept(town.stores, party, offered.arrangement_id, NOW).received_id
        made.append((party.account_id, town.connect(AudienceId(taken or 0), party.account_id)))
    profile = town.profiles.save(a_member(ANN, email("ann")), T)
    calls: list[str] = []

    town.fan_out(ProfileChange(None, profile, "1", T), watched=lambda store: Counting(store, calls))

    assert town.shared_changes.changes == [SharedChange(ACCOUNT, ANN, profile.version, (AUDIENCE,))]
    assert sorted(calls) == sorted(ONE_CHANGE)
    town.fan_out_shared()
    assert [town.desired(connection, account_id)[ANN] for account_id, connection in made] == [
        Target((email("ann"),))
    ] * receivers


# What one change of a member costs the initiator's fan-out: the same for one receiver and for a hundred.
ONE_CHANGE = [
    "MemoryAccountStore.get",
    "MemoryAudienceStore.list",
    "MemoryAudienceStore.program_version",
    "MemoryAudienceStore.program_version",
    "MemoryHistoryStore.record",
    "MemoryMembershipStore.apply",
    "MemoryOutputStore.forwarding",
    "MemoryOutputStore.list",
    "MemorySharedChangeQueue.send",
]


def test_the_receivers_test_splits_what_its_partner_is_told_and_the_initiators_does_not(town: Town) -> None:
    audience_id = town.received()
    split = NewAbTest(variations=(NewVariation(percentage=50),))
    ab_tests.create(town.both, ACCOUNT, AUDIENCE, split, NOW)
    whole = town.connect(audience_id)
    ab_tests.create(town.both, OTHER_ACCOUNT, audience_id, split, NOW)
    parts = [town.connect(audience_id, variant=name) for name in ("Variation A", "Control")]
    mpids = [Mpid(n) for n in range(40)]

    for mpid in mpids:
        town.write(mpid, email(str(mpid)))
    town.fan_out_shared()

    found = [{mpid for mpid, target in town.desired(each).items() if target} for each in (whole, *parts)]
    assert found[0] == set(mpids) == found[1] | found[2]
    assert found[1]
    assert not found[1] & found[2]


def test_own_and_received_connections_do_not_meet(town: Town) -> None:
    mine = town.connect(AUDIENCE, ACCOUNT)
    theirs = town.connect(town.received())

    town.write(ANN, email("ann"))
    assert (town.desired(mine, ACCOUNT), town.desired(theirs)) == ({ANN: Target((email("ann"),))}, {})
    town.fan_out_shared()

    assert [*town.desired(mine, ACCOUNT), *town.desired(theirs)] == [ANN, ANN]


@pytest.mark.parametrize("status", [ConnectionStatus.INACTIVE, ConnectionStatus.DELETING])
def test_nothing_is_desired_for_a_connection_that_is_not_active(town: Town, status: ConnectionStatus) -> None:
    connection = town.connect(town.received())
    stored = town.outputs.get_connection(OTHER_ACCOUNT, connection)
    town.outputs.save_connection(stored.model_copy(update={"status": status}))

    town.write(ANN, email("ann"))
    town.fan_out_shared()

    assert town.desired(connection) == {}


def test_a_wish_for_a_connection_as_it_was_is_not_the_last_word(town: Town) -> None:
    """The connection is changed, and filled anew, while changes are being fanned out."""
    connection = town.connect(town.received())
    town.write(ANN, email("ann"))
    changed: list[Connection] = []

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            return getattr(town.ledger, name)

        def desire(self, *row: Any) -> bool:
            if not changed:
                stored = town.outputs.get_connection(OTHER_ACCOUNT, connection)
                consent = [{"regulation": "gdpr", "purpose": "ads"}]
                edited = Connection.model_validate({**stored.model_dump(), "required_consent": consent})
                changed.append(town.outputs.save_connection(edited))
            return town.ledger.desire(*row)

    ledger: Any = Overtaken()
    stores = FanOutShared(town.outputs, town.profiles, ledger, town.wake_ups, MemberSets(town.audiences))
    fan_out_shared(stores, town.shared_changes.take(), T)

    assert town.desired(connection) == {ANN: None}


def test_the_partner_hears_the_external_name_the_receivers_ids_and_identities_alone(town: Town) -> None:
    audience_id = town.received()
    town.write(ANN, email("ann"), registers={CITY: Register("Rome", T)})
    connection = town.connect(audience_id)

    town.deliver(town.outputs.get_connection(OTHER_ACCOUNT, connection))

    (announced, told) = town.sent
    assert (announced["audience_name"], announced["audience_id"]) == ("Fans", audience_id)
    assert {each["account"]["account_id"] for each in town.sent if "account" in each} <= {OTHER_ACCOUNT}
    (profile,) = told["user_profiles"]
    assert [each["audience_id"] for each in profile["audiences"]] == [audience_id]
    assert "Rome" not in str(told)
    assert "ann@example.com" in str(profile)


def test_a_receivers_reconciliation_counts_the_initiators_members(town: Town) -> None:
    connection = town.connect(town.received())
    town.write(ANN, email("ann"))
    town.fan_out_shared()

    before = compare(town, OTHER_ACCOUNT, connection, None, 10, lambda: T, T * 2)
    town.deliver(town.outputs.get_connection(OTHER_ACCOUNT, connection))
    after = compare(town, OTHER_ACCOUNT, connection, None, 10, lambda: T, T * 2)

    assert [(each.total.members, each.total.waiting, each.total.delivered) for each in (before, after)] == [
        (1, 1, 0),
        (1, 0, 1),
    ]
