"""What every store of log-ins under way promises."""

from typing import Any

import pytest

from audience_core.domain.control_stores import LogInStore
from audience_core.domain.ids import OutputId
from audience_core.domain.output import PendingLogIn
from audience_core.errors import NotFoundError
from audience_core.persistence.log_ins import DynamoLogInStore, LogInItem
from audience_core.persistence.memory.log_ins import MemoryLogInStore
from audience_core.persistence.tables import bind
from tests.contract.conftest import CreateTable
from tests.support.control import ACCOUNT, OTHER_ACCOUNT, OUTPUT

NOW = 1_795_430_000_000
LOG_IN = PendingLogIn(ACCOUNT, OUTPUT, f"{ACCOUNT}.st4te", "v3rifier", "https://api.example/v1/oauth/callback", NOW)


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> LogInStore:
    if request.param == "memory":
        return MemoryLogInStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    return DynamoLogInStore(create_table(f"outputs-{request.node.name}"), request.getfixturevalue("aws"))


def test_a_log_in_is_taken_once(store: LogInStore) -> None:
    store.begin(LOG_IN)

    assert store.take(ACCOUNT, LOG_IN.state) == LOG_IN
    with pytest.raises(NotFoundError):
        store.take(ACCOUNT, LOG_IN.state)


def test_of_two_who_have_found_it_one_gets_it(create_table: CreateTable, aws: str) -> None:
    """Another worker takes it between this one's look and its hand."""
    table = create_table("outputs-of-two-who-come-at-once")
    store, other = (DynamoLogInStore(table, aws) for _ in range(2))
    store.begin(LOG_IN)
    taken: list[PendingLogIn] = []

    class Overtaken(LogInItem):
        @classmethod
        def get(cls, *args: Any, **kwargs: Any) -> Any:
            found = super().get(*args, **kwargs)
            taken.append(other.take(ACCOUNT, LOG_IN.state))
            return found

    store._log_ins = bind(Overtaken, table, aws)

    with pytest.raises(NotFoundError):
        store.take(ACCOUNT, LOG_IN.state)

    assert taken == [LOG_IN]


def test_another_accounts_log_in_is_not_found_and_stays(store: LogInStore) -> None:
    store.begin(LOG_IN)

    with pytest.raises(NotFoundError):
        store.take(OTHER_ACCOUNT, LOG_IN.state)

    assert store.take(ACCOUNT, LOG_IN.state) == LOG_IN


def test_several_log_ins_of_one_output_do_not_disturb_each_other(store: LogInStore) -> None:
    other = PendingLogIn(ACCOUNT, OUTPUT, f"{ACCOUNT}.0ther", "v", "https://api.example/", NOW)
    store.begin(LOG_IN)
    store.begin(other)

    assert store.take(ACCOUNT, other.state) == other
    assert store.take(ACCOUNT, LOG_IN.state) == LOG_IN


def test_one_at_a_time_may_renew_the_tokens_of_an_output(store: LogInStore) -> None:
    assert store.claim_renewal(ACCOUNT, OUTPUT, NOW, 30_000)
    assert not store.claim_renewal(ACCOUNT, OUTPUT, NOW + 29_999, 30_000)
    assert store.claim_renewal(ACCOUNT, OutputId("o-other"), NOW, 30_000)
    assert store.claim_renewal(OTHER_ACCOUNT, OUTPUT, NOW, 30_000)
    assert store.claim_renewal(ACCOUNT, OUTPUT, NOW + 30_000, 30_000)


def test_neither_state_nor_verifier_is_shown() -> None:
    assert "st4te" not in repr(LOG_IN)
    assert "v3rifier" not in repr(LOG_IN)
