"""A merged batch says what it changed: whatever is left out, no audience is asked about again."""

import pytest

from audience_core.domain.account import LoginStrategy
from audience_core.domain.event import Environment, EventBatch, Source
from audience_core.domain.ids import AccountId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Delta, Profile, RegisterKey, RegisterKind
from audience_core.pipeline.update_profile import update

COLOR = RegisterKey(WorkspaceId("w-b"), RegisterKind.ATTRIBUTE, "color")


def told(profile: Profile, workspace: str, received_at: int, color: str) -> Delta:
    source = Source(AccountId(1), WorkspaceId(workspace), InputId("i-1"))
    batch = EventBatch(source, Environment.PRODUCTION, "", received_at, 1, 1, attributes={"color": color})
    return update(profile, batch, (), LoginStrategy(login=(), unique=(), immutable=()), 0)


def a_profile() -> Profile:
    return Profile(AccountId(1), Environment.PRODUCTION, Mpid(7))


@pytest.mark.parametrize("rival", ["red", "blue"])
def test_a_value_told_again_later_may_win_over_other_workspaces(rival: str) -> None:
    profile = a_profile()
    told(profile, "w-b", 1, "red")
    told(profile, "w-a", 2, rival)

    delta = told(profile, "w-b", 3, "red")

    assert delta.registers == {COLOR}


def test_a_value_told_again_without_rivals_changes_no_audience() -> None:
    profile = a_profile()
    told(profile, "w-b", 1, "red")

    delta = told(profile, "w-b", 3, "red")

    assert (delta.registers, delta.has_newer_times) == (set(), True)
