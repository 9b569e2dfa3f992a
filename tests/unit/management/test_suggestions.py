"""What definitions can speak of, learned from users and their events."""

from typing import Any

import pytest

from audience_core.domain.ids import InputId, WorkspaceId
from audience_core.errors import InvalidInputError
from audience_core.management.suggestions import DataType, Suggestions, suggest
from audience_core.persistence.memory.control import MemoryWorkspaceStore
from tests.support.control import a_workspace, an_input
from tests.support.population import ACCOUNT, NOW, OTHER_SOURCE, SOURCE, Population, a_batch, custom_event

USERS = 3


def store() -> MemoryWorkspaceStore:
    made = MemoryWorkspaceStore()
    for source in (SOURCE, OTHER_SOURCE):
        made.save(a_workspace(account_id=ACCOUNT, workspace_id=source.workspace_id))
        named = {"workspace_id": source.workspace_id, "input_id": source.input_id, "key": f"key-{source.input_id}"}
        made.save_input(an_input(account_id=ACCOUNT, **named))
    return made


def taught(*bodies: dict[str, Any], asked: Any = (SOURCE,)) -> Suggestions:
    """Each body is told of `USERS` users."""
    shop, number = Population(), 0
    for body in bodies:
        for user in range(USERS):
            number += 1
            shop.take([a_batch(number, f"c-{user}", **body)])
    workspaces, inputs = [each.workspace_id for each in asked], [each.input_id for each in asked]
    return suggest(store(), shop.profiles, ACCOUNT, workspaces, inputs)


def test_events_come_with_their_attributes_and_the_values_that_users_share() -> None:
    found = taught({"events": [custom_event("Play", NOW - 1, "e-1", plan="gold", minutes=7, is_live=True)]})

    (event,) = [each for each in found.events if each.name == "Play"]
    assert (event.users, found.sampled) == (USERS, USERS)
    assert {each.name: (each.type, each.values) for each in event.attributes} == {
        "plan": (DataType.STRING, ("gold",)),
        "minutes": (DataType.NUMBER, ("7",)),
        "is_live": (DataType.BOOLEAN, ("true",)),
        "$custom_event_type": (DataType.STRING, ("other",)),
    }


def test_a_value_of_one_user_alone_is_not_shown() -> None:
    shop = Population()
    shop.take([a_batch(1, "c-1", user_attributes={"nickname": "Annie", "tier": "gold"})])
    shop.take([a_batch(2, "c-2", user_attributes={"nickname": "Bob", "tier": "gold"})])

    found = suggest(store(), shop.profiles, ACCOUNT, [SOURCE.workspace_id], [SOURCE.input_id])

    assert {each.name: each.values for each in found.user_attributes} == {"nickname": (), "tier": ("gold",)}


def test_lists_and_dates_are_told_apart_from_text() -> None:
    found = taught({"user_attributes": {"likes": ["tea", "rum"], "born": "1990-05-01", "city": "Bonn"}})

    types = {each.name: each.type for each in found.user_attributes}
    assert types == {"likes": DataType.LIST, "born": DataType.DATE, "city": DataType.STRING}
    (likes,) = [each for each in found.user_attributes if each.name == "likes"]
    assert likes.values == ("rum", "tea")


def test_what_lies_elsewhere_is_left_out_but_for_the_account_s_attributes() -> None:
    found = taught(
        {"source": OTHER_SOURCE, "user_attributes": {"tier": "gold"}, "events": [custom_event("Play", NOW - 1, "e-1")]}
    )

    assert not [each for each in found.events if each.name == "Play"]
    assert not found.user_attributes
    assert [each.name for each in found.account_attributes] == ["tier"]


def test_identity_types_that_users_have_come_first() -> None:
    found = taught({"user_identities": {"yahoo": "y-1"}})

    assert set(found.identity_types[:2]) == {"customer_id", "yahoo"}
    assert "email" in found.identity_types


@pytest.mark.parametrize(
    ("workspaces", "inputs", "pointer"),
    [
        ([WorkspaceId("w-404")], [SOURCE.input_id], "/query/workspace"),
        ([SOURCE.workspace_id], [InputId("i-404")], "/query/input"),
    ],
)
def test_what_is_not_there_is_named(workspaces: list[WorkspaceId], inputs: list[InputId], pointer: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        suggest(store(), Population().profiles, ACCOUNT, workspaces, inputs)

    assert [field for field, _ in refused.value.problems] == [pointer]
