"""Warnings are about what really is so, name the place, and say what to do."""

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind
from audience_core.evaluation.constants import constant
from audience_core.evaluation.lint import Finding, FindingCode, lint
from audience_core.evaluation.paths import criteria
from audience_core.evaluation.scope import Scope
from audience_core.evaluation.vocabulary import Vocabulary
from tests.support import oracle
from tests.support.population import an_audience, at_least, tier_is
from tests.support.worlds import (
    DAY,
    LOOK_BACK_DAYS,
    NOW,
    audiences,
    frequencies,
    leaves,
    profiles,
    selectors,
    tests,
    windows,
)

SCOPE = Scope(frozenset({WorkspaceId("w-a")}), frozenset({InputId("i-1")}))
ROOT = "/definition/root"
TODAY = date(2026, 11, 24)
slow_to_draw = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


def found(root: Any, *users: Profile) -> list[Finding]:
    known = Vocabulary(root, SCOPE)
    for user in users:
        known.learn(user)
    return list(lint(root, LOOK_BACK_DAYS, NOW, known))


def codes(root: Any, *users: Profile) -> list[tuple[str, str]]:
    return [(each.path.removeprefix(ROOT), each.code.value) for each in found(root, *users)]


# Criteria alike but for one thing are where contradictions come from.
twins = st.one_of(
    st.tuples(selectors, windows).flatmap(
        lambda shared: st.lists(
            st.builds(d.EventCriterion, event=st.just(shared[0]), window=st.just(shared[1]), frequency=frequencies),
            min_size=2,
            max_size=3,
        )
    ),
    st.lists(st.builds(d.LocationCriterion, field=st.just(d.LocationField.CITY), test=tests), min_size=2, max_size=3),
    st.lists(st.builds(d.UserAttributeCriterion, attribute=st.just("color"), test=tests), min_size=2, max_size=3),
    leaves.map(lambda each: [each, d.Not(criterion=each)]),
)
odd = st.one_of(
    twins.map(lambda parts: d.AllOf(criteria=tuple(parts))),
    twins.map(lambda parts: d.AnyOf(criteria=tuple(parts))),
    twins.map(lambda parts: d.Not(criterion=d.AllOf(criteria=(d.AllOf(criteria=tuple(parts[:1])), *parts[1:])))),
)


@slow_to_draw
@given(st.one_of(audiences, odd.map(lambda root: an_audience(AudienceId(3), root))), profiles(), st.integers(0, 90))
def test_what_is_said_to_hold_for_all_or_none_does(audience: Any, profile: Profile, days: int) -> None:
    now = NOW + days * DAY + 1

    for _, criterion in criteria(audience.definition.root):
        known = constant(criterion, LOOK_BACK_DAYS * DAY_MS, NOW)
        if known is not None:
            assert oracle.Oracle(audience, {}, profile, now, LOOK_BACK_DAYS).holds(criterion) is known.value


def count(operator: str, value: int) -> Any:
    return at_least(1, "buy").model_copy(update={"frequency": d.Compare(operator=operator, value=value)})


def number(attribute: str, operator: str, value: float) -> v.Condition:
    return v.Condition(attribute=attribute, test=v.NumberTest(operator=operator, value=value))


def text(value: str) -> v.StringTest:
    return v.StringTest(operator=v.StringOperator.EQUALS, value=value)


def city(value: str) -> d.LocationCriterion:
    return d.LocationCriterion(field=d.LocationField.CITY, test=text(value))


def figure(function: str, operator: str, value: float) -> d.AggregateCriterion:
    event = d.EventSelector(kind=d.EventKind.CUSTOM, name="buy")
    test = number("price", operator, value).test
    return d.AggregateCriterion(event=event, function=function, attribute="price", test=test)


def where(*conditions: v.Condition) -> d.EventCriterion:
    return d.EventCriterion(event=d.EventSelector(kind=d.EventKind.CUSTOM, name="buy", where=conditions))


NEVER = [("", "never_holds")]


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (count("less_than", 0), NEVER),
        (count("greater_or_equal", 0), [("", "always_holds")]),
        (d.AllOf(criteria=(count("greater_than", 3), count("less_than", 3))), NEVER),
        (d.AnyOf(criteria=(count("greater_than", 3), count("less_than", 4))), [("", "always_holds")]),
        (d.AllOf(criteria=(count("greater_than", 3), count("less_than", 5))), []),
        (d.AllOf(criteria=(city("Rome"), city("ROME"))), []),
        (d.AllOf(criteria=(city("Rome"), d.AllOf(criteria=(city("Oslo"),)))), NEVER),
        (d.AnyOf(criteria=(city("Rome"), city("Oslo"))), []),
        (d.AllOf(criteria=(tier_is("gold"), d.Not(criterion=tier_is("gold")))), NEVER),
        (d.AnyOf(criteria=(tier_is("gold"), d.Not(criterion=tier_is("gold")))), [("", "always_holds")]),
        (d.AllOf(criteria=(tier_is("gold"), tier_is("silver"))), [("", "single_value_conflict")]),
        (where(number("price", "greater_than", 5), number("price", "less_than", 5)), NEVER),
        (where(number("price", "greater_than", 5), number("total", "less_than", 5)), []),
        (where(number("price", "not_equals", 5), number("price", "equals", 5)), NEVER),
        (where(number("price", "not_equals", 5), number("price", "equals", 4.999999)), []),
        (d.AllOf(criteria=(figure("sum", "greater_than", 3), figure("sum", "less_than", 3.000001))), NEVER),
        (d.AllOf(criteria=(figure("average", "greater_than", 3), figure("average", "less_than", 3.000001))), []),
        (d.CartAbandonmentCriterion(after=w.Duration(amount=30, unit=w.Unit.DAYS)), []),
        (d.CartAbandonmentCriterion(after=w.Duration(amount=31, unit=w.Unit.DAYS)), NEVER),
    ],
)
def test_criteria_that_hold_for_nobody_or_everybody_are_told(root: Any, expected: list[tuple[str, str]]) -> None:
    assert codes(root) == expected


def test_an_impossible_part_and_its_consequence_are_both_told() -> None:
    root = d.AllOf(criteria=(tier_is("gold"), d.Not(criterion=count("greater_or_equal", 0))))

    assert codes(root) == [("", "never_holds"), ("/criteria/1/criterion", "always_holds")]


def last(days: int) -> w.WithinLast:
    return w.WithinLast(duration=w.Duration(amount=days, unit=w.Unit.DAYS))


def ago(older: int, newer: int) -> w.BetweenAgo:
    return w.BetweenAgo(older=last(older).duration, newer=last(newer).duration)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (last(30), []),
        (last(31), ["window_exceeds_look_back"]),
        (last(0), ["empty_window"]),
        (ago(30, 29), []),
        (ago(40, 20), ["window_exceeds_look_back"]),
        (ago(60, 40), ["never_holds", "window_outside_look_back"]),
        (w.OnDate(date=TODAY), ["date_outlives_look_back"]),
        (w.AfterDate(date=TODAY), ["date_outlives_look_back"]),
        (w.OnDate(date=date(2026, 10, 1)), ["never_holds", "window_outside_look_back"]),
        (w.BetweenDates(start=date(2026, 10, 1), end=date(2026, 11, 1)), ["window_exceeds_look_back"]),
        (w.BeforeDate(date=TODAY), ["window_exceeds_look_back"]),
    ],
)
def test_windows_are_held_against_the_look_back(window: Any, expected: list[str]) -> None:
    root = at_least(1, "buy").model_copy(update={"window": window})

    assert [code for _, code in codes(root)] == expected


def test_figures_over_what_is_never_seen_are_those_over_nothing() -> None:
    unseen = {"window": w.OnDate(date=date(2026, 10, 1))}
    figures = [figure("sum", "less_than", 5), figure("sum", "greater_than", 5), figure("max", "less_than", 5)]

    found_first = [codes(each.model_copy(update=unseen))[0][1] for each in figures]

    assert found_first == ["always_holds", "never_holds", "never_holds"]


def test_a_fixed_date_is_said_to_be_forgotten_from_the_day_it_leaves_the_look_back() -> None:
    (finding,) = found(at_least(1, "buy").model_copy(update={"window": w.OnDate(date=TODAY)}))

    assert finding.path == f"{ROOT}/window"
    assert "from 2026-12-24 on" in finding.message
    assert "lifetime" in finding.suggestion


def test_dates_of_profiles_are_not_bound_by_the_look_back() -> None:
    root = d.FirstSeenCriterion(window=w.BeforeDate(date=date(2020, 1, 1)))

    assert codes(root) == []


# Against a sample


def a_user(*events: Event, **attributes: Any) -> Profile:
    user = Profile(AccountId(1), Environment.PRODUCTION, Mpid(7))
    for name, value in attributes.items():
        user.registers[RegisterKey(WorkspaceId("w-a"), RegisterKind.ATTRIBUTE, name)] = Register(value, NOW)
    for event in events:
        user.timeline.setdefault((event.kind, event.name), []).append(event)
    return user


def an_event(name: str, input_id: str = "i-1", **attributes: Any) -> Event:
    return Event(d.EventKind.CUSTOM, name, NOW, b"12345678", WorkspaceId("w-a"), InputId(input_id), attributes)


def attribute(name: str, test: Any) -> d.UserAttributeCriterion:
    return d.UserAttributeCriterion(attribute=name, test=test)


FIVE = v.NumberTest(operator=v.NumberOperator.GREATER_THAN, value=5)


@pytest.mark.parametrize(
    ("test", "value", "fits"),
    [
        (FIVE, "six", False),
        (FIVE, " 6 ", True),
        (FIVE, ["six", "7"], True),
        (v.BooleanTest(value=True), "yes", False),
        (v.BooleanTest(value=True), "TRUE", True),
        (v.DateTest(window=last(3)), "24.11.2026", False),
        (v.DateTest(window=last(3)), "2026-11-24", True),
        (v.ListTest(operator=v.ListOperator.INCLUDES, value="a"), "a", False),
        (v.ListTest(operator=v.ListOperator.INCLUDES, value="a"), ["b"], True),
        (text("a"), 5, True),
    ],
)
def test_a_type_that_no_sampled_value_has_is_told(test: Any, value: Any, fits: bool) -> None:
    expected = [] if fits else [("/attribute", "type_never_fits")]

    assert codes(attribute("age", test), a_user(age=value), a_user(other="x")) == expected


def test_one_value_that_fits_is_enough() -> None:
    assert codes(attribute("age", FIVE), a_user(age="six"), a_user(age="7")) == []


def test_a_misspelt_attribute_is_told_with_the_nearest_known_one() -> None:
    (finding,) = found(attribute("favorite_color", text("red")), a_user(favoriteColor="red", age=5))

    assert (finding.path, finding.code) == (f"{ROOT}/attribute", FindingCode.UNKNOWN_ATTRIBUTE)
    assert finding.suggestion == "did you mean “favoriteColor”?"


def test_a_misspelt_event_is_told_with_the_nearest_known_one() -> None:
    (finding,) = found(at_least(1, "Add To Cart"), a_user(an_event("add_to_cart"), an_event("view")))

    assert (finding.path, finding.code) == (f"{ROOT}/event/name", FindingCode.UNKNOWN_EVENT)
    assert finding.suggestion == "did you mean “add_to_cart”?"


def test_an_event_of_inputs_not_chosen_is_told_as_such() -> None:
    (finding,) = found(at_least(1, "buy"), a_user(an_event("buy", input_id="i-2")))

    assert finding.code == FindingCode.UNKNOWN_EVENT
    assert "choose those too" in finding.suggestion


def test_attributes_of_events_are_looked_for_on_these_events_alone() -> None:
    root = where(number("price", "greater_than", 5), number("color", "equals", 1))
    users = [a_user(an_event("buy", color="red"), an_event("view", price=5))]

    assert codes(root, *users) == [
        ("/event/where/0/attribute", "unknown_attribute"),
        ("/event/where/1/attribute", "type_never_fits"),
    ]


def test_figures_over_what_is_never_a_number_are_told() -> None:
    event = d.EventSelector(kind=d.EventKind.CUSTOM, name="buy")
    root = d.AggregateCriterion(event=event, function=d.AggregateFunction.SUM, attribute="price", test=FIVE)

    assert codes(root, a_user(an_event("buy", price="cheap"))) == [("/attribute", "type_never_fits")]
    assert codes(root, a_user(an_event("buy", price="5.5"))) == []


def test_products_are_looked_into() -> None:
    event = d.EventSelector(kind=d.EventKind.CUSTOM, name="buy", products=(number("price", "greater_than", 5),))
    sold = Event(d.EventKind.CUSTOM, "buy", NOW, b"12345678", WorkspaceId("w-a"), InputId("i-1"), {}, ({"price": "x"},))

    assert codes(d.EventCriterion(event=event), a_user(sold)) == [("/event/products/0/attribute", "type_never_fits")]


def test_identity_types_are_known_without_a_sample() -> None:
    (finding,) = found(d.IdentityCriterion(identity_type="e-mail", test=text("a")))

    assert (finding.code, finding.suggestion) == (FindingCode.UNKNOWN_IDENTITY_TYPE, "did you mean “email”?")


def test_without_a_sample_nothing_is_said_about_names() -> None:
    assert codes(d.AllOf(criteria=(at_least(1, "buy"), attribute("age", FIVE)))) == []
