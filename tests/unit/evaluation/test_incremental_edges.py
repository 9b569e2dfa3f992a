"""To the millisecond: the incremental evaluator at window ends, when its agenda is used up, and when turns coincide."""

from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.event import Environment, Event, by_time
from audience_core.domain.ids import NEVER, AccountId, AudienceId, Mpid
from audience_core.domain.membership import MembershipChange, Reason
from audience_core.domain.profile import Delta, Profile, Seen
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.incremental import evaluate
from audience_core.evaluation.program import Program
from audience_core.evaluation.view import View
from tests.support import oracle
from tests.support.worlds import DAY, LOOK_BACK_DAYS, NOW
from tests.unit.evaluation.test_columnar_edges import (
    ADDS,
    CRITERIA,
    INPUT,
    INSTANTS,
    WINDOWS,
    WORKSPACE,
    the_user,
)
from tests.unit.evaluation.test_columnar_files import an_audience


def viewed(name: str, hours: int) -> d.EventCriterion:
    """At least one such event in so many hours."""
    selector = d.EventSelector(kind=d.EventKind.CUSTOM, name=name)
    duration = w.Duration(amount=hours, unit=w.Unit.HOURS)
    return d.EventCriterion(event=selector, window=w.WithinLast(duration=duration))


def a_program(*roots: Any, agenda_size: int = 64) -> Program:
    """Audiences 1, 2, and so on."""
    audiences = [an_audience(root).model_copy(update={"audience_id": n}) for n, root in enumerate(roots, start=1)]
    return replace(compile_program(1, audiences, LOOK_BACK_DAYS), agenda_size=agenda_size)


def a_profile(*events: Event) -> Profile:
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(7), seen={WORKSPACE: Seen(NOW, NOW)})
    for event in events:
        told(profile, event)
    return profile


def told(profile: Profile, event: Event) -> Delta:
    track = profile.timeline.setdefault((event.kind, event.name), [])
    track.append(event)
    track.sort(key=by_time)
    return Delta(events=[event])


def event(name: str, at: int) -> Event:
    return Event(d.EventKind.CUSTOM, name, at, at.to_bytes(8), WORKSPACE, INPUT)


def keep(profile: Profile, program: Program, delta: Delta, now: int) -> None:
    evaluate(program, profile, delta, now).keep(profile, program)


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.type)
@pytest.mark.parametrize("name", CRITERIA)
def test_each_turn_of_each_criterion_is_where_the_rules_have_it(name: str, window: Any) -> None:
    audience, profile = an_audience(CRITERIA[name](window)), the_user()
    program, now = compile_program(1, [audience], LOOK_BACK_DAYS), ADDS[0] - DAY

    while now < NEVER:
        value, turn = program.next_change(audience.audience_id, View(profile), now)
        for at in {now, turn - 1, *(at for at in INSTANTS if now <= at < turn)} - {NEVER - 1}:
            assert oracle.is_member(audience, {}, profile, at, LOOK_BACK_DAYS) is value
        now = turn


def test_a_late_event_counts_in_its_very_last_millisecond() -> None:
    program, profile = a_program(viewed("view", 24)), a_profile()
    keep(profile, program, Delta(), NOW - 1)

    keep(profile, program, told(profile, event("view", NOW - DAY)), NOW)

    assert (profile.memberships, profile.due_at) == ({AudienceId(1)}, NOW + 1)


def test_what_turns_in_the_millisecond_in_which_another_ceases_holds_on() -> None:
    program = a_program(d.AnyOf(criteria=(viewed("view", 24), viewed("buy", 24))))
    profile = a_profile(event("view", NOW), event("buy", NOW + DAY + 1))

    value, turn = program.next_change(AudienceId(1), View(profile), NOW)

    assert (value, turn) == (True, NOW + 2 * DAY + 2)


def test_an_event_after_the_agenda_was_used_up_makes_one_change() -> None:
    program = a_program(*(viewed(name, 24) for name in ("a", "b", "c")), agenda_size=1)
    profile = a_profile(event("a", NOW), event("b", NOW + 10))
    keep(profile, program, Delta(), NOW + 20)
    left_a, left_b, now = NOW + DAY + 1, NOW + DAY + 11, NOW + 2 * DAY

    keep(profile, program, told(profile, event("c", now)), now)

    a, b, c = map(AudienceId, (1, 2, 3))
    assert profile.changes == (
        MembershipChange(a, False, left_a, Reason.TIME),
        MembershipChange(b, False, left_b, Reason.TIME),
        MembershipChange(c, True, now, Reason.EVENT),
    )


def test_what_turns_at_the_instant_at_which_the_agenda_ends_is_among_what_follows() -> None:
    program = a_program(*(viewed(name, 24) for name in ("a", "b")), agenda_size=1)
    profile = a_profile(event("a", NOW), event("b", NOW))
    keep(profile, program, Delta(), NOW)

    keep(profile, program, Delta(), profile.due_at)

    assert (profile.memberships, profile.due_at) == (set(), NEVER)


def test_a_sequence_as_long_as_its_window_holds_for_a_millisecond() -> None:
    steps = tuple(d.EventSelector(kind=d.EventKind.CUSTOM, name=name) for name in ("view", "buy"))
    window = w.WithinLast(duration=w.Duration(amount=24, unit=w.Unit.HOURS))
    program = a_program(d.SequenceCriterion(steps=steps, window=window))
    view = View(a_profile(event("view", NOW), event("buy", NOW + DAY)))

    turns = [program.next_change(AudienceId(1), view, at) for at in (NOW, NOW + DAY, NOW + DAY + 1)]

    assert turns == [(False, NOW + DAY), (True, NOW + DAY + 1), (False, NEVER)]


def test_a_missing_attribute_passes_beside_a_condition_that_moves() -> None:
    recently = v.DateTest(window=w.WithinLast(duration=w.Duration(amount=1, unit=w.Unit.DAYS)))
    where = (
        v.Condition(attribute="when", test=recently),
        v.Condition(attribute="color", test=v.PresenceTest(operator=v.PresenceOperator.NOT_EXISTS)),
    )
    selector = d.EventSelector(kind=d.EventKind.CUSTOM, name="view", where=where)
    window = w.WithinLast(duration=w.Duration(amount=9, unit=w.Unit.DAYS))
    program = a_program(d.EventCriterion(event=selector, window=window))
    profile = a_profile(replace(event("view", NOW), attributes={"when": NOW}))

    assert program.next_change(AudienceId(1), View(profile), NOW) == (True, NOW + DAY + 1)
