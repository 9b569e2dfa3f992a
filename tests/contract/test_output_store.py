"""What every output store promises."""

from datetime import timedelta

import pytest

from audience_core.domain.control_stores import OutputStore
from audience_core.domain.ids import AudienceId, ConnectionId, OutputId
from audience_core.domain.output import Fault, FaultKind, Route, SubscriptionState
from audience_core.domain.sharing import Source
from audience_core.errors import NotFoundError, StaleVersionError
from audience_core.persistence.memory.control import MemoryOutputStore
from audience_core.persistence.outputs import DynamoOutputStore
from tests.contract.conftest import CreateTable
from tests.support.ab_tests import an_ab_test
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    CONNECTION,
    NOW,
    OTHER_ACCOUNT,
    OUTPUT,
    a_connection,
    an_output,
)


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> OutputStore:
    if request.param == "memory":
        return MemoryOutputStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    return DynamoOutputStore(create_table(f"outputs-{request.node.name}"), request.getfixturevalue("aws"))


def test_a_saved_output_is_found_in_its_account_alone(store: OutputStore) -> None:
    settings = {"url": "https://example.com", "batch": 100, "share": 0.5, "tags": ["a"], "note": None}
    given = {"settings": settings, "secret_ref": "audiences/7/o", "log_in_ref": "audiences/7/o-log-in"}

    saved = store.save(an_output(**given))

    assert store.get(ACCOUNT, OUTPUT) == saved
    assert saved == an_output(**given, version=1)
    with pytest.raises(NotFoundError):
        store.get(OTHER_ACCOUNT, OUTPUT)


def test_a_connection_keeps_its_variant(store: OutputStore) -> None:
    variant = an_ab_test(30).control

    saved = store.save_connection(a_connection(variant=variant))

    assert store.get_connection(ACCOUNT, CONNECTION) == saved == a_connection(variant=variant, version=1)
    assert store.list_connections(ACCOUNT, AUDIENCE) == (saved,)


def test_outputs_are_listed_by_creation_without_connections(store: OutputStore) -> None:
    later = store.save(an_output(output_id=OutputId("o-0"), created_at=NOW + timedelta(days=1)))
    earlier = store.save(an_output(output_id=OutputId("o-1")))
    store.save_connection(a_connection())

    assert store.list(ACCOUNT) == (earlier, later)
    assert store.list(OTHER_ACCOUNT) == ()


def test_a_stale_output_is_neither_saved_nor_deleted(store: OutputStore) -> None:
    first = store.save(an_output())
    second = store.save(first.model_copy(update={"name": "Warehouse"}))

    with pytest.raises(StaleVersionError):
        store.save(first)
    with pytest.raises(StaleVersionError):
        store.delete(first)
    assert store.get(ACCOUNT, OUTPUT) == second


def test_a_deleted_output_is_gone(store: OutputStore) -> None:
    store.delete(store.save(an_output()))

    assert store.list(ACCOUNT) == ()


def test_a_saved_connection_is_found_with_its_fault(store: OutputStore) -> None:
    fault = Fault(kind=FaultKind.RATE_LIMIT, message="429 Too Many Requests", at=NOW)

    saved = store.save_connection(
        a_connection(
            fault=fault,
            settings={"list": "abc"},
            subscription=SubscriptionState.ACTIVE,
            subscription_settings={"remote_id": "17"},
            active_since=NOW,
        )
    )

    assert store.get_connection(ACCOUNT, CONNECTION) == saved
    assert saved.fault == fault
    with pytest.raises(NotFoundError):
        store.get_connection(OTHER_ACCOUNT, CONNECTION)


def test_connections_are_listed_per_account_and_per_audience(store: OutputStore) -> None:
    first = store.save_connection(a_connection())
    second = store.save_connection(
        a_connection(connection_id=ConnectionId("c-2"), audience_id=AudienceId(2), created_at=NOW + timedelta(days=1))
    )
    store.save(an_output())

    assert store.list_connections(ACCOUNT) == (first, second)
    assert store.list_connections(ACCOUNT, AUDIENCE) == (first,)
    assert store.list_connections(OTHER_ACCOUNT) == ()


def test_a_stale_connection_is_neither_saved_nor_deleted(store: OutputStore) -> None:
    first = store.save_connection(a_connection())
    second = store.save_connection(first.model_copy(update={"settings": {"list": "b"}}))

    with pytest.raises(StaleVersionError):
        store.save_connection(first)
    with pytest.raises(StaleVersionError):
        store.delete_connection(first)
    assert store.get_connection(ACCOUNT, CONNECTION) == second


def test_a_deleted_connection_is_gone(store: OutputStore) -> None:
    store.delete_connection(store.save_connection(a_connection()))

    assert store.list_connections(ACCOUNT) == ()


@pytest.mark.parametrize("asked", [1, 100, 250])
def test_connections_of_some_audiences_are_found(store: OutputStore, asked: int) -> None:
    mine, other, far = (
        store.save_connection(
            a_connection(connection_id=ConnectionId(f"c-{audience_id}"), audience_id=AudienceId(audience_id))
        )
        for audience_id in (1, 999, 250)
    )
    store.save_connection(a_connection(account_id=OTHER_ACCOUNT))

    found = store.connections_of(ACCOUNT, [AudienceId(each) for each in range(1, asked + 1)])

    assert found == ((mine, far) if asked == 250 else (mine,))
    assert store.connections_of(ACCOUNT, []) == ()
    assert store.connections_of(ACCOUNT, [other.audience_id]) == (other,)


SOURCE = Source(account_id=OTHER_ACCOUNT, audience_id=AudienceId(44), arrangement_id="a-1")


def test_a_connection_of_a_received_audience_is_found_by_its_initiator(store: OutputStore) -> None:
    """`OTHER_ACCOUNT` shares its audience 44 with `ACCOUNT`, which connects it."""
    output = store.save(an_output())
    own = store.save_connection(a_connection(account_id=OTHER_ACCOUNT, connection_id=ConnectionId("c-own")))
    made = store.save_connection(a_connection(source=SOURCE))

    connections, routes = store.forwarding(OTHER_ACCOUNT)

    assert (connections, routes) == ((own,), (Route(AudienceId(44), ACCOUNT, CONNECTION),))
    assert store.routed(routes) == ((made,), {(ACCOUNT, OUTPUT): output})
    assert store.forwarding(ACCOUNT) == ((made,), ())
    assert store.list_connections(OTHER_ACCOUNT) == (own,)
    assert store.get_connection(ACCOUNT, CONNECTION).members_of == (OTHER_ACCOUNT, AudienceId(44))


def test_a_route_leads_to_its_connection_as_it_is(store: OutputStore) -> None:
    made = store.save_connection(a_connection(source=SOURCE))
    _, routes = store.forwarding(OTHER_ACCOUNT)

    changed = store.save_connection(made.model_copy(update={"settings": {"list": "b"}}))

    assert store.routed(routes) == ((changed,), {})
    with pytest.raises(StaleVersionError):
        store.save_connection(a_connection(source=SOURCE))
    with pytest.raises(StaleVersionError):
        store.delete_connection(made)
    assert store.forwarding(OTHER_ACCOUNT)[1] == routes
    store.delete_connection(changed)
    assert store.forwarding(OTHER_ACCOUNT) == ((), ())
    assert store.routed(routes) == ((), {})
