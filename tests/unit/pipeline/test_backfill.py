"""What a backfill promises: whatever happens meanwhile, in the end members are right and each change was told once."""

from typing import Any

import pytest

from audience_core.domain import definition as d
from audience_core.domain import windows as w
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.ids import Mpid, WorkspaceId
from audience_core.domain.job import JobState
from audience_core.domain.output import SharedAttributes
from audience_core.domain.profile import Profile
from audience_core.errors import NotOursError
from audience_core.management import edits
from audience_core.pipeline import backfill_parts
from audience_core.pipeline.process import process
from tests.support.backfills import CUSTOMERS, Story
from tests.support.control import a_connection, an_output
from tests.support.population import (
    ACCOUNT,
    DAY,
    HOUR,
    a_batch,
    at_least,
    custom_event,
    fewer_than,
    tier_is,
)


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setattr(backfill_parts, "PAGE", 2)
    told = Story()
    for customer in CUSTOMERS[:3]:
        told.act(customer, "view")
    for customer in CUSTOMERS[2:]:
        told.act(customer, "buy")
    return told


def test_an_audience_activated_later_gets_the_users_of_before(story: Story) -> None:
    viewers = story.activate(at_least(1, "view"))

    assert story.town.finish() is JobState.SUCCEEDED

    assert story.town.listed(viewers) == story.told(viewers) == story.members(viewers)
    assert len(story.members(viewers)) == 3


def test_an_edited_audience_keeps_its_old_members_until_all_new_ones_are_known(story: Story) -> None:
    audience = story.activate(at_least(1, "view"))
    story.town.finish()
    old = story.members(audience)
    story.edit(audience, at_least(1, "buy"))

    for step in story.town.run("run-2"):
        story.town.read_stream()
        if step == "take over":
            assert story.town.listed(audience) == story.told(audience) == old

    story.town.settle()
    new = story.members(audience)
    assert len(new) == 4
    assert story.town.listed(audience) == story.told(audience) == new


def test_the_change_over_shows_all_new_members_at_once(story: Story) -> None:
    audience = story.activate(at_least(1, "view"))
    story.town.finish()
    story.edit(audience, at_least(1, "buy"))

    seen = []
    for _ in story.town.run("run-2"):
        story.town.read_stream()
        seen.append(frozenset(story.town.listed(audience)))

    assert len(set(seen)) == 2


def test_only_true_joins_and_leaves_are_published_and_bear_the_reason_of_an_edit(story: Story) -> None:
    audience = story.activate(at_least(1, "view"))
    story.town.finish()
    before = len(story.reasons(audience))

    story.edit(audience, at_least(1, "buy"))
    story.town.finish("run-2")

    assert sorted(story.reasons(audience)[before:]) == [(False, "edit")] * 2 + [(True, "edit")] * 3


def test_another_edit_supersedes_one_that_is_staged(story: Story) -> None:
    audience = story.activate(at_least(1, "view"))
    story.town.finish()
    story.edit(audience, fewer_than(1, "view"))
    steps = story.town.run("run-2")
    for _ in range(10):
        next(steps)
        story.town.read_stream()
    story.edit(audience, at_least(1, "buy"))

    for _ in steps:
        story.town.read_stream()
    assert story.town.jobs.list(ACCOUNT)[0].state is JobState.CANCELLED
    assert story.town.finish("run-3") is JobState.SUCCEEDED

    assert story.town.audiences.get(ACCOUNT, audience.audience_id).definition_version == 3
    assert story.town.listed(audience) == story.told(audience) == story.members(audience)


def test_audiences_that_read_an_edited_one_change_with_it_and_at_once(story: Story) -> None:
    part = story.activate(at_least(1, "view"))
    whole = story.activate(d.Not(criterion=d.AudienceMembershipCriterion(audience_id=part.audience_id)))
    story.town.finish()

    story.edit(part, at_least(1, "buy"))
    for _ in story.town.run("run-2"):
        story.town.read_stream()
        assert not story.town.listed(part) & story.town.listed(whole)
    story.town.settle()

    for each in (part, whole):
        assert story.town.listed(each) == story.told(each) == story.members(each)
    assert story.town.audiences.get(ACCOUNT, whole.audience_id).definition_version == 1


def test_an_audience_that_moves_to_another_workspace_shares_the_attributes_of_that_one(story: Story) -> None:
    moved, same = story.activate(at_least(1, "view")), story.activate(at_least(1, "buy"))
    story.town.finish()
    sharing = SharedAttributes(workspace=("tier",))
    for number, audience, lists in ((1, moved, sharing), (2, moved, SharedAttributes()), (3, same, sharing)):
        about = {"connection_id": f"c-{number}", "audience_id": audience.audience_id, "output_id": f"o-{number}"}
        story.town.outputs.save(an_output(account_id=ACCOUNT, output_id=f"o-{number}"))
        story.town.outputs.save_connection(a_connection(account_id=ACCOUNT, attributes=lists, **about))
    stored = story.town.audiences.get(ACCOUNT, moved.audience_id)
    meaning = edits.meaning_of(stored).model_copy(update={"workspaces": (WorkspaceId("w-other"),)})
    edits.stage(story.town.audiences, stored, meaning, story.town.clock())

    story.edit(same, at_least(2, "buy"))

    story.town.finish("run-2")

    assert story.town.workflows.started == [f"fill-{ACCOUNT}-c-1-2"]


def test_a_profile_that_nothing_changes_is_not_written(story: Story) -> None:
    story.activate(tier_is("gold"))
    story.town.finish()
    writes = story.town.profiles.saves

    story.activate(tier_is("tin"))
    story.town.finish("run-2")

    assert story.town.profiles.saves == writes


def test_time_keeps_its_exact_instants_across_new_definitions(story: Story) -> None:
    viewers = story.activate(at_least(1, "view", days=1))
    story.town.finish()
    story.activate(tier_is("gold"))
    story.town.now += DAY + HOUR

    story.town.finish("run-2")

    leaves = [change for profile in story.town.everybody() for change in profile.changes if not change.is_member]
    assert {(each.audience_id, each.at, str(each.reason)) for each in leaves} == {
        (viewers.audience_id, story.town.now - HOUR + 1, "time")
    }


def test_what_time_will_change_is_written_however_late_it_changes(story: Story) -> None:
    """More changes lie ahead than an agenda holds, and the new audience's comes after them all."""
    for hours in range(1, 71):
        window = w.WithinLast(duration=w.Duration(amount=hours, unit=w.Unit.HOURS))
        story.activate(at_least(1, "view").model_copy(update={"window": window}))
    story.town.finish()
    story.activate(fewer_than(1, "view", days=20))

    story.town.finish("run-2")

    viewers = [profile for profile in story.town.everybody() if profile.agenda]
    assert {profile.program_version for profile in viewers} == {story.town.audiences.program_version(ACCOUNT)}


def test_nobody_evaluates_with_older_definitions_than_somebody_else_did(story: Story) -> None:
    audience = story.activate(at_least(1, "view"))
    story.town.finish()
    slow = story.town.pipeline(Overtaken(story, audience))
    batch = a_batch(99, CUSTOMERS[0], story.town.now, events=[custom_event("view", story.town.now, "m-99")])

    process(slow, [batch], story.town.now)
    story.town.settle()

    assert story.town.listed(audience) == story.told(audience) == story.members(audience)
    (viewer,) = (p.mpid for p in story.town.everybody() if any(i.value == CUSTOMERS[0] for i in p.identities))
    assert [joins for _, mpid, joins, _ in story.town.published if mpid == viewer] == [True, False]


class Overtaken:
    """Profiles before whose first reading an edit is made and filled."""

    def __init__(self, story: Story, audience: Audience) -> None:
        self._story, self._audience, self._is_first = story, audience, True

    def load(self, *where: Any) -> dict[Mpid, Profile]:
        if self._is_first:
            self._is_first = False
            self._story.edit(self._audience, at_least(1, "buy"))
            self._story.town.finish("run-2")
        return self._story.town.profiles.load(*where)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._story.town.profiles, name)


def test_a_run_started_twice_works_once(story: Story) -> None:
    story.activate(at_least(1, "view"))
    first = story.town.run("run-1")
    next(first)

    assert list(story.town.run("run-2")) == []


def test_a_run_whose_lease_ran_out_is_taken_over_and_fenced_off(story: Story) -> None:
    viewers = story.activate(at_least(1, "view"))
    asleep = story.town.run("run-1")
    next(asleep)
    story.town.now += HOUR

    assert story.town.finish("run-2") is JobState.SUCCEEDED

    with pytest.raises(NotOursError):
        list(asleep)
    assert story.town.listed(viewers) == story.members(viewers)


def test_a_cancelled_run_stops_at_the_next_page(story: Story) -> None:
    story.activate(at_least(1, "view"))
    steps = story.town.run()
    next(steps)
    (job,) = story.town.jobs.list(ACCOUNT)
    story.town.jobs.save(job.model_copy(update={"state": JobState.CANCELLED}))

    with pytest.raises(NotOursError):
        list(steps)


def test_an_audience_that_is_activated_again_begins_with_nobody(story: Story) -> None:
    audience = story.activate(at_least(1, "view"))
    story.town.finish()
    story.deactivate(audience)
    story.town.finish("run-2")
    assert story.town.listed(audience) == story.told(audience) == set()

    draft = story.town.audiences.get(ACCOUNT, audience.audience_id)
    again = {"status": AudienceStatus.ACTIVE, "definition": d.Definition(root=at_least(1, "buy"))}
    story.town.audiences.publish(draft.model_copy(update=again))
    story.town.finish("run-3")

    assert len(story.members(audience)) == 4
    assert story.town.listed(audience) == story.told(audience) == story.members(audience)
