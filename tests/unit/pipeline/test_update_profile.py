"""A merged batch says what it changed: whatever is left out, no audience is asked about again."""

import pytest

from audience_core.domain.account import LoginStrategy
from audience_core.domain.definition import EventKind
from audience_core.domain.event import AttributeValue, Environment, Event, EventBatch, Source
from audience_core.domain.ids import AccountId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Delta, Profile, RegisterKey, RegisterKind
from audience_core.pipeline.update_profile import prune, update

NO_STRATEGY = LoginStrategy(login=(), unique=(), immutable=())
COLOR = RegisterKey(WorkspaceId("w-b"), RegisterKind.ATTRIBUTE, "color")


def told(profile: Profile, workspace: str, received_at: int, color: AttributeValue) -> Delta:
    source = Source(AccountId(1), WorkspaceId(workspace), InputId("i-1"))
    batch = EventBatch(source, Environment.PRODUCTION, "", received_at, 1, 1, attributes={"color": color})
    return update(profile, batch, (), NO_STRATEGY, 0)


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


@pytest.mark.parametrize(("before", "after"), [(False, 0), (1, True), ([1], [True])])
def test_a_truth_value_that_becomes_a_number_is_a_change(before: AttributeValue, after: AttributeValue) -> None:
    profile = a_profile()
    told(profile, "w-b", 1, before)

    assert told(profile, "w-b", 2, after).registers == {COLOR}


def viewed(at: int) -> Event:
    return Event(EventKind.CUSTOM, "view", at, b"event id", WorkspaceId("w-a"), InputId("i-1"))


@pytest.mark.parametrize(("at", "kept"), [(999, 0), (1000, 1), (1001, 1)])
def test_what_happened_at_the_horizon_is_taken_and_kept(at: int, kept: int) -> None:
    profile = a_profile()
    source = Source(AccountId(1), WorkspaceId("w-a"), InputId("i-1"))
    batch = EventBatch(source, Environment.PRODUCTION, "", 2000, 1, 1, events=(viewed(at),))

    delta = update(profile, batch, (), NO_STRATEGY, 1000)

    assert len(delta.events) == kept


def test_only_what_happened_before_the_horizon_is_forgotten() -> None:
    profile = a_profile()
    profile.timeline = {(EventKind.CUSTOM, "view"): [viewed(999), viewed(1000)], (EventKind.CUSTOM, "buy"): [viewed(9)]}

    prune(profile, 1000)

    assert profile.timeline == {(EventKind.CUSTOM, "view"): [viewed(1000)]}
