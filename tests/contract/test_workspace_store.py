"""What every workspace store promises."""

from datetime import timedelta

import pytest

from audience_core.domain.account import PreviousCredential
from audience_core.domain.control_stores import WorkspaceStore
from audience_core.domain.ids import AccountId, InputId, WorkspaceId
from audience_core.errors import NotFoundError, StaleVersionError
from audience_core.persistence.memory.control import MemoryWorkspaceStore
from audience_core.persistence.workspaces import DynamoWorkspaceStore
from tests.contract.conftest import CreateTable
from tests.support.control import ACCOUNT, INPUT, NOW, OTHER_ACCOUNT, WORKSPACE, a_workspace, an_input


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> WorkspaceStore:
    if request.param == "memory":
        return MemoryWorkspaceStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    return DynamoWorkspaceStore(create_table(f"workspaces-{request.node.name}"), request.getfixturevalue("aws"))


def test_a_saved_workspace_is_found_in_its_account_alone(store: WorkspaceStore) -> None:
    saved = store.save(a_workspace())

    assert store.get(ACCOUNT, WORKSPACE) == saved == a_workspace(version=1)
    with pytest.raises(NotFoundError):
        store.get(OTHER_ACCOUNT, WORKSPACE)


def test_workspaces_are_listed_by_creation(store: WorkspaceStore) -> None:
    later = store.save(a_workspace(workspace_id=WorkspaceId("w-0"), created_at=NOW + timedelta(days=1)))
    earlier = store.save(a_workspace(workspace_id=WorkspaceId("w-1")))
    store.save(a_workspace(account_id=OTHER_ACCOUNT))
    store.save_input(an_input())

    assert store.list(ACCOUNT) == (earlier, later)


def test_a_stale_workspace_is_neither_saved_nor_deleted(store: WorkspaceStore) -> None:
    first = store.save(a_workspace())
    second = store.save(first.model_copy(update={"name": "Shops"}))

    with pytest.raises(StaleVersionError):
        store.save(first)
    with pytest.raises(StaleVersionError):
        store.save(a_workspace())
    with pytest.raises(StaleVersionError):
        store.delete(first)
    assert store.get(ACCOUNT, WORKSPACE) == second


def test_a_deleted_workspace_is_gone(store: WorkspaceStore) -> None:
    store.delete(store.save(a_workspace()))

    assert store.list(ACCOUNT) == ()


def test_inputs_are_listed_per_workspace_and_per_account(store: WorkspaceStore) -> None:
    first = store.save_input(an_input())
    elsewhere = store.save_input(
        an_input(workspace_id=WorkspaceId("w-2"), input_id=InputId("i-2"), key="k2", created_at=NOW + timedelta(1))
    )

    assert store.list_inputs(ACCOUNT) == (first, elsewhere)
    assert store.list_inputs(ACCOUNT, WorkspaceId("w-2")) == (elsewhere,)
    assert store.list_inputs(OTHER_ACCOUNT) == ()


def test_an_input_is_found_by_its_key(store: WorkspaceStore) -> None:
    saved = store.save_input(an_input(account_id=AccountId(9)))

    assert store.input_by_key(saved.key) == saved


def test_a_rotated_key_replaces_the_one_before(store: WorkspaceStore) -> None:
    saved = store.save_input(an_input())

    rotated = store.save_input(saved.model_copy(update={"key": "us1-new", "secret_sha256": "1" * 64}))

    assert store.input_by_key("us1-new") == rotated
    with pytest.raises(NotFoundError):
        store.input_by_key(saved.key)


def test_a_renamed_input_keeps_its_key(store: WorkspaceStore) -> None:
    saved = store.save_input(an_input())

    renamed = store.save_input(saved.model_copy(update={"name": "Android"}))

    assert store.input_by_key(saved.key) == renamed


def test_a_key_never_moves_to_another_input(store: WorkspaceStore) -> None:
    owner = store.save_input(an_input())

    with pytest.raises(StaleVersionError):
        store.save_input(an_input(account_id=OTHER_ACCOUNT, input_id=InputId("i-2")))

    assert store.input_by_key(owner.key) == owner
    assert store.list_inputs(OTHER_ACCOUNT) == ()


def test_a_stale_input_is_not_saved_and_its_key_stays(store: WorkspaceStore) -> None:
    first = store.save_input(an_input())
    second = store.save_input(first.model_copy(update={"name": "Android"}))

    with pytest.raises(StaleVersionError):
        store.save_input(first.model_copy(update={"key": "us1-new"}))

    assert store.input_by_key(first.key) == second
    with pytest.raises(NotFoundError):
        store.input_by_key("us1-new")


def test_a_deleted_input_is_not_found_by_its_key(store: WorkspaceStore) -> None:
    saved = store.save_input(an_input())

    store.delete_input(saved)

    with pytest.raises(NotFoundError):
        store.input_by_key(saved.key)
    with pytest.raises(NotFoundError):
        store.get_input(ACCOUNT, WORKSPACE, INPUT)


def test_both_keys_of_an_input_find_it_until_one_is_dropped(store: WorkspaceStore) -> None:
    first = store.save_input(an_input(key="us1-a"))
    before = PreviousCredential(key="us1-a", secret_sha256=first.secret_sha256, valid_until=NOW)

    second = store.save_input(first.model_copy(update={"key": "us1-b", "previous": before}))
    assert store.input_by_key("us1-a") == store.input_by_key("us1-b") == second

    before = PreviousCredential(key="us1-b", secret_sha256="2" * 64, valid_until=NOW)
    third = store.save_input(second.model_copy(update={"key": "us1-c", "previous": before}))
    with pytest.raises(NotFoundError):
        store.input_by_key("us1-a")

    store.delete_input(third)
    for key in ("us1-b", "us1-c"):
        with pytest.raises(NotFoundError):
            store.input_by_key(key)
