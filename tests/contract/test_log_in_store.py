"""What every store of log-ins under way promises."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from audience_core.domain.control_stores import LogInStore
from audience_core.domain.ids import OutputId
from audience_core.domain.output import PendingLogIn
from audience_core.errors import NotFoundError
from audience_core.persistence.log_ins import DynamoLogInStore
from audience_core.persistence.memory.control import MemoryLogInStore
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


def test_of_many_who_come_at_once_one_gets_it(store: LogInStore) -> None:
    together = threading.Barrier(8)

    def take(_: int) -> bool:
        together.wait(5)
        try:
            return store.take(ACCOUNT, LOG_IN.state) == LOG_IN
        except NotFoundError:
            return False

    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            store.begin(LOG_IN)
            assert sum(threads.map(take, range(8))) == 1


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
