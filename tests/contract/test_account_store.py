"""What every account store promises."""

import pytest

from audience_core.domain.account import Client, LoginStrategy, Role
from audience_core.domain.control_stores import AccountStore
from audience_core.domain.ids import AccountId
from audience_core.errors import ConflictError, NotFoundError
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.memory.control import MemoryAccountStore
from tests.contract.conftest import CreateTable
from tests.support.control import ACCOUNT, an_account


@pytest.fixture(scope="module")
def table(create_table: CreateTable) -> str:
    return create_table("accounts")


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> AccountStore:
    if request.param == "memory":
        return MemoryAccountStore()
    return DynamoAccountStore(request.getfixturevalue("table"), request.getfixturevalue("aws"))


def test_an_account_is_found_as_it_was_created(store: AccountStore) -> None:
    strategy = LoginStrategy(login=frozenset({"email", "customer_id"}), unique=frozenset(), immutable=frozenset())
    account = an_account(
        account_id=AccountId(11),
        look_back_days=90,
        active_audience_cap=3,
        profile_retention_days=60,
        history_retention_days=365,
        has_lifetime_audiences=True,
        lifetime_credits=3,
        lifetime_period_days=30,
        strategy=strategy,
    )

    store.create(account)

    assert store.get(AccountId(11)) == account


def test_all_accounts_are_listed_and_no_clients(store: AccountStore) -> None:
    account = an_account(account_id=AccountId(21))
    store.create(account)
    store.save_client(Client(client_id="lister", account_id=AccountId(21), role=Role.USER, name="Lister"))

    assert [each for each in store.all() if each.account_id == AccountId(21)] == [account]


def test_an_account_id_is_given_once(store: AccountStore) -> None:
    store.create(an_account(account_id=AccountId(12), name="First"))

    with pytest.raises(ConflictError):
        store.create(an_account(account_id=AccountId(12), name="Second"))

    assert store.get(AccountId(12)).name == "First"


def test_an_unknown_account_is_not_found(store: AccountStore) -> None:
    with pytest.raises(NotFoundError):
        store.get(AccountId(404))


def test_a_client_tells_its_account_and_role(store: AccountStore) -> None:
    client = Client(client_id="abc", account_id=ACCOUNT, role=Role.AUDIENCES_ONLY, name="Console")

    store.save_client(client)

    assert store.client("abc") == client


def test_clients_are_listed_for_their_account_alone(store: AccountStore) -> None:
    account_of = {"b": AccountId(31), "a": AccountId(31), "c": AccountId(32)}
    clients = [
        Client(client_id=f"{name}@shop.example", account_id=account, role=Role.USER, name=name)
        for name, account in account_of.items()
    ]
    for client in clients:
        store.save_client(client)
    store.save_client(clients[0].model_copy(update={"role": Role.ADMIN}))
    store.create(an_account(account_id=AccountId(31)))

    listed = [(each.client_id, each.role) for each in store.clients(AccountId(31))]
    store.delete_client(clients[1])

    assert listed == [("a@shop.example", Role.USER), ("b@shop.example", Role.ADMIN)]
    assert [each.client_id for each in store.clients(AccountId(31))] == ["b@shop.example"]


def test_an_unknown_client_is_not_found(store: AccountStore) -> None:
    with pytest.raises(NotFoundError):
        store.client("nobody")


def test_a_deleted_client_is_not_found(store: AccountStore) -> None:
    client = Client(client_id="gone", account_id=ACCOUNT, role=Role.USER, name="Laptop")
    store.save_client(client)

    store.delete_client(client)
    store.delete_client(client)

    with pytest.raises(NotFoundError):
        store.client("gone")
