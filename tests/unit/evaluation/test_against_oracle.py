"""The incremental evaluator and the naive oracle agree on the whole language, at every instant that matters."""

import copy
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain.audience import Audience
from audience_core.domain.event import Event, by_time
from audience_core.domain.ids import NEVER, AudienceId
from audience_core.domain.membership import MembershipChange
from audience_core.domain.profile import Delta, Profile, Seen
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.incremental import evaluate
from audience_core.evaluation.program import Program
from audience_core.evaluation.relevance import population
from audience_core.evaluation.view import View
from tests.support import oracle
from tests.support.long_run import examples
from tests.support.worlds import DAY, LOOK_BACK_DAYS, NOW, events, portfolios, profiles

type Portfolio = dict[AudienceId, Audience]
# A longer run may ask for more; `make soak` plays far more histories, without shrinking as well.
EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", examples(400)))
slow_to_draw = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def members(portfolio: Portfolio, profile: Profile, now: int) -> set[AudienceId]:
    return {
        audience_id
        for audience_id, audience in portfolio.items()
        if oracle.is_member(audience, portfolio, profile, now, LOOK_BACK_DAYS)
    }


def program_of(portfolio: Portfolio, version: int = 1, agenda_size: int = 64) -> Program:
    return replace(compile_program(version, portfolio.values(), LOOK_BACK_DAYS), agenda_size=agenda_size)


# Small ones are used up all the time.
agenda_sizes = st.sampled_from([1, 2, 64])
steps_of_time = st.lists(st.tuples(events, st.integers(0, 3 * DAY)), max_size=6)


@slow_to_draw
@given(portfolios, profiles())
def test_membership_is_what_the_rules_say(portfolio: Portfolio, profile: Profile) -> None:
    evaluation = evaluate(program_of(portfolio), profile, Delta(), NOW)

    assert evaluation.flipped == members(portfolio, profile, NOW)


@slow_to_draw
@given(portfolios, profiles(), st.lists(st.integers(0, 40 * DAY), max_size=20))
def test_next_change_is_exact_to_the_millisecond(portfolio: Portfolio, profile: Profile, probes: list[int]) -> None:
    program, view = program_of(portfolio), View(profile)

    for audience_id in population(program, profile):
        audience = portfolio[audience_id]
        value, at = program.next_change(audience_id, view, NOW)
        answers = {
            now: oracle.is_member(audience, portfolio, profile, now, LOOK_BACK_DAYS)
            for now in [NOW, *(NOW + probe for probe in probes), at - 1, *([at, at + 1] if at < NEVER else [])]
            if NOW <= now < NEVER
        }

        assert answers[NOW] is value
        assert all(answer is value for now, answer in answers.items() if now < at)
        assert at == NEVER or answers[at] is not value


@slow_to_draw
@given(portfolios, profiles(), steps_of_time, agenda_sizes, st.data())
def test_events_and_time_keep_memberships_right(
    portfolio: Portfolio, profile: Profile, steps: list[tuple[Event, int]], agenda_size: int, data: st.DataObject
) -> None:
    program, now = program_of(portfolio, agenda_size=agenda_size), NOW
    store(profile, program, Delta(), now)

    for event, pause in steps:
        while profile.due_at <= now + pause and data.draw(st.booleans()):
            due = profile.due_at
            assert profile.memberships == members(portfolio, profile, due - 1)
            store(profile, program, Delta(), due)
            assert profile.memberships == members(portfolio, profile, due)
        now = max(now, now + pause)
        store(profile, program, with_event(profile, event), now)

        assert profile.memberships == members(portfolio, profile, now)


@slow_to_draw
@given(portfolios, portfolios, profiles())
def test_new_definitions_replace_old_memberships(before: Portfolio, after: Portfolio, profile: Profile) -> None:
    store(profile, program_of(before), Delta(), NOW)

    store(profile, program_of(after, version=2), Delta(), NOW + 1)

    assert profile.memberships == members(after, profile, NOW + 1)


@slow_to_draw
@given(portfolios, profiles(), st.integers(1, 40 * DAY), agenda_sizes)
def test_time_passed_at_once_or_step_by_step_leaves_the_same_history(
    portfolio: Portfolio, profile: Profile, pause: int, agenda_size: int
) -> None:
    program, stepped = program_of(portfolio, agenda_size=agenda_size), copy.deepcopy(profile)
    store(profile, program, Delta(), NOW)
    store(stepped, program, Delta(), NOW)

    store(profile, program, Delta(), NOW + pause)
    history: list[MembershipChange] = []
    while stepped.due_at <= NOW + pause:
        store(stepped, program, Delta(), stepped.due_at)
        history += stepped.changes

    assert stepped.memberships == profile.memberships
    assert sorted(map(repr, history)) == sorted(map(repr, profile.changes))


@pytest.mark.parametrize("pause", [1, DAY])
def test_an_empty_program_has_no_members(pause: int) -> None:
    profile = Profile(account_id=1, environment="production", mpid=7)  # type: ignore[arg-type]  # plain values do

    evaluation = evaluate(program_of({}), profile, Delta(), NOW + pause)

    assert (evaluation.flipped, evaluation.agenda, evaluation.agenda_until) == (frozenset(), (), NEVER)


def store(profile: Profile, program: Program, delta: Delta, now: int) -> None:
    """Evaluate, and keep the result as the pipeline does."""
    evaluate(program, profile, delta, now).keep(profile, program)


def with_event(profile: Profile, event: Event) -> Delta:
    delta = Delta()
    if any(event.event_id == each.event_id for track in profile.timeline.values() for each in track):
        return delta
    track = profile.timeline.setdefault((event.kind, event.name), [])
    track.append(event)
    track.sort(key=by_time)
    delta.events.append(event)
    workspace = event.workspace_id
    if workspace not in profile.seen:
        profile.seen[workspace] = Seen(NOW, NOW)
        delta.new_workspaces.add(workspace)
        delta.seen.add(workspace)
    return delta
