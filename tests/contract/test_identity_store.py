"""What every store of identity rows promises."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.stores import IdentityRow, IdentityStore
from audience_core.errors import StaleVersionError
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.memory.identities import MemoryIdentityStore
from tests.contract.conftest import CreateTable
from tests.support.dynamo_client import listening

ACCOUNT, OTHER_ACCOUNT = AccountId(7), AccountId(8)
PRODUCTION, DEVELOPMENT = Environment.PRODUCTION, Environment.DEVELOPMENT
EMAIL = Identity("email", "nell@trail.example")
CUSTOMER = Identity("customer_id", "hiker#77")
NELL, BO = Mpid(-(2**63)), Mpid(2**63 - 1)


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> IdentityStore:
    if request.param == "memory":
        return MemoryIdentityStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    return DynamoIdentityStore(create_table(f"identities-{request.node.name}"), request.getfixturevalue("aws"))


def test_an_unknown_identity_has_an_empty_row(store: IdentityStore) -> None:
    assert store.rows(ACCOUNT, PRODUCTION, {EMAIL}) == {EMAIL: IdentityRow(EMAIL, {})}


def test_asking_for_nothing_gives_nothing(store: IdentityStore) -> None:
    assert store.rows(ACCOUNT, PRODUCTION, ()) == {}


def test_written_rows_are_read_back_with_the_next_version(store: IdentityStore) -> None:
    email = IdentityRow(EMAIL, {NELL: 10, BO: 20}, known=frozenset({BO}))

    store.write(ACCOUNT, PRODUCTION, [email, IdentityRow(CUSTOMER, {NELL: 10})])

    assert store.rows(ACCOUNT, PRODUCTION, [EMAIL, CUSTOMER]) == {
        EMAIL: IdentityRow(EMAIL, {NELL: 10, BO: 20}, 1, frozenset({BO})),
        CUSTOMER: IdentityRow(CUSTOMER, {NELL: 10}, 1),
    }


def test_accounts_and_environments_share_nothing(store: IdentityStore) -> None:
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {NELL: 10})])

    assert store.rows(ACCOUNT, DEVELOPMENT, [EMAIL])[EMAIL].holders == {}
    assert store.rows(OTHER_ACCOUNT, PRODUCTION, [EMAIL])[EMAIL].holders == {}


def test_values_with_separators_stay_apart(store: IdentityStore) -> None:
    tricky = [Identity("other", "a#b"), Identity("other", "a#b#c"), Identity("other", " a"), Identity("other", "ünï🙂")]
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(each, {Mpid(n): n}) for n, each in enumerate(tricky, 1)])

    found = store.rows(ACCOUNT, PRODUCTION, tricky)

    assert [dict(found[each].holders) for each in tricky] == [{n: n} for n in range(1, 5)]


def test_of_two_first_writers_one_is_stopped(store: IdentityStore) -> None:
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {NELL: 10})])

    with pytest.raises(StaleVersionError):
        store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {BO: 11})])

    assert store.rows(ACCOUNT, PRODUCTION, [EMAIL])[EMAIL].holders == {NELL: 10}


def test_a_stale_row_stops_the_rows_written_with_it(store: IdentityStore) -> None:
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {NELL: 10})])
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {NELL: 10, BO: 11}, 1)])

    with pytest.raises(StaleVersionError):
        store.write(ACCOUNT, PRODUCTION, [IdentityRow(CUSTOMER, {BO: 12}), IdentityRow(EMAIL, {BO: 12}, 1)])

    assert store.rows(ACCOUNT, PRODUCTION, [CUSTOMER])[CUSTOMER] == IdentityRow(CUSTOMER, {})


def test_writing_nothing_is_harmless(store: IdentityStore) -> None:
    store.write(ACCOUNT, PRODUCTION, [])

    assert store.rows(ACCOUNT, PRODUCTION, [EMAIL])[EMAIL].version == 0


def test_a_forgotten_holder_leaves_the_others(store: IdentityStore) -> None:
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {NELL: 10, BO: 20}, known=frozenset({NELL}))])

    store.forget(ACCOUNT, PRODUCTION, EMAIL, NELL, 10)
    store.forget(ACCOUNT, PRODUCTION, EMAIL, NELL, 10)

    assert store.rows(ACCOUNT, PRODUCTION, [EMAIL])[EMAIL] == IdentityRow(EMAIL, {BO: 20}, 2)


def test_a_holder_told_later_is_not_forgotten(store: IdentityStore) -> None:
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {NELL: 10})])

    store.forget(ACCOUNT, PRODUCTION, EMAIL, NELL, 9)

    assert store.rows(ACCOUNT, PRODUCTION, [EMAIL])[EMAIL] == IdentityRow(EMAIL, {NELL: 10}, 1)


def test_forgetting_what_nobody_holds_makes_no_row(store: IdentityStore) -> None:
    store.forget(ACCOUNT, PRODUCTION, EMAIL, NELL, 10)

    assert store.rows(ACCOUNT, PRODUCTION, [EMAIL])[EMAIL] == IdentityRow(EMAIL, {})


def test_a_writer_that_read_before_the_last_holder_went_is_stopped(store: IdentityStore) -> None:
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {NELL: 10})])
    store.forget(ACCOUNT, PRODUCTION, EMAIL, NELL, 10)
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {BO: 20}, 2)])

    with pytest.raises(StaleVersionError):
        store.write(ACCOUNT, PRODUCTION, [IdentityRow(EMAIL, {NELL: 10}, 1)])


def test_more_rows_are_read_than_one_request_holds(store: IdentityStore) -> None:
    many = [Identity("push_token", f"t{number}") for number in range(230)]
    for start in range(0, 230, 50):
        store.write(ACCOUNT, PRODUCTION, [IdentityRow(each, {NELL: 1}) for each in many[start : start + 50]])

    rows = store.rows(ACCOUNT, PRODUCTION, [*many, EMAIL])

    assert len(rows) == 231
    assert all(rows[each].holders == {NELL: 1} for each in many)
    assert rows[EMAIL].version == 0


def test_keys_that_dynamo_leaves_unprocessed_are_asked_for_again(
    create_table: CreateTable, aws: str, request: pytest.FixtureRequest
) -> None:
    name = create_table(f"identities-{request.node.name}")
    store = DynamoIdentityStore(name, aws)
    many = [Identity("push_token", f"t{number}") for number in range(90)]
    store.write(ACCOUNT, PRODUCTION, [IdentityRow(each, {NELL: 1}) for each in many])
    with _busy(aws, 7) as asked:
        rows = store.rows(ACCOUNT, PRODUCTION, many)

    assert all(row.holders == {NELL: 1} for row in rows.values())
    assert len(asked) > 90 / 7


@contextmanager
def _busy(region: str, keys: int) -> Iterator[list[int]]:
    """Tables answer no more keys at once than so many; how many keys each request asked for."""
    asked: list[int] = []

    def shorten(parsed: dict[str, Any], **_: Any) -> None:
        ((table, items),) = parsed["Responses"].items()
        asked.append(len(items))
        left = [{"pk": item["pk"], "sk": item["sk"]} for item in items[keys:]]
        parsed["Responses"][table] = items[:keys]
        parsed["UnprocessedKeys"] = {table: {"Keys": left, "ConsistentRead": True}} if left else {}

    with listening(region, "after-call.dynamodb.BatchGetItem", shorten):
        yield asked


def test_buried_identities_are_known_by_themselves_until_the_latest_instant(store: IdentityStore) -> None:
    store.bury(ACCOUNT, PRODUCTION, [EMAIL, CUSTOMER], 10)
    store.bury(ACCOUNT, PRODUCTION, [EMAIL], 20)

    assert store.buried(ACCOUNT, PRODUCTION, [EMAIL, CUSTOMER, Identity("email", "bo@trail.example")]) == {
        EMAIL: 20,
        CUSTOMER: 10,
    }
    assert store.buried(OTHER_ACCOUNT, PRODUCTION, [EMAIL]) == {}
    assert store.buried(ACCOUNT, DEVELOPMENT, [EMAIL]) == {}
    assert store.rows(ACCOUNT, PRODUCTION, [EMAIL])[EMAIL].version == 0
