"""Every node of a definition has words of its own."""

import re
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.ids import AudienceId
from audience_core.evaluation.paths import criteria
from audience_core.evaluation.wording import sentence, spelled_out
from tests.support.worlds import audiences

NAMES = {AudienceId(4): "Big spenders"}
BUY = d.EventSelector(kind=d.EventKind.CUSTOM, name="buy")
VIEW = d.EventSelector(kind=d.EventKind.SCREEN_VIEW, name="cart")
DAY = date(2026, 11, 24)
RED = v.StringTest(operator=v.StringOperator.EQUALS, value="red")
LEAF = d.LastSeenCriterion(window=w.LAST_30_DAYS)


def days(amount: int) -> w.Duration:
    return w.Duration(amount=amount, unit=w.Unit.DAYS)


def more_than(value: float) -> v.NumberTest:
    return v.NumberTest(operator=v.NumberOperator.GREATER_THAN, value=value)


SENTENCES: list[tuple[Any, str]] = [
    (d.AllOf(criteria=(LEAF, LEAF)), "All of these 2 hold."),
    (d.AllOf(criteria=(LEAF,)), "This holds."),
    (d.AnyOf(criteria=(LEAF, LEAF, LEAF)), "At least one of these 3 holds."),
    (d.Not(criterion=LEAF), "This does not hold."),
    (d.EventCriterion(event=BUY), "Custom event “buy” happened more than 0 times in the last 30 days."),
    (
        d.AggregateCriterion(
            event=BUY, function=d.AggregateFunction.SUM, attribute="total", test=more_than(2.5), window=LEAF.window
        ),
        "The sum of “total” over each custom event “buy” in the last 30 days is more than 2.5.",
    ),
    (
        d.OccurrenceCriterion(event=BUY, which=d.Occurrence.FIRST, window=w.OnDate(date=DAY)),
        "The first custom event “buy” happened on 2026-11-24.",
    ),
    (
        d.SequenceCriterion(steps=(VIEW, BUY), within=days(1)),
        "One after another within 1 day: screen view “cart”, then custom event “buy”; all of it in the last 30 days.",
    ),
    (
        d.CartAbandonmentCriterion(after=w.Duration(amount=2, unit=w.Unit.HOURS)),
        "Something was added to the cart in the last 30 days, and nothing was purchased for 2 hours after that.",
    ),
    (
        d.UserAttributeCriterion(attribute="color", level=d.AttributeLevel.ACCOUNT, test=RED),
        "The user attribute “color” in any workspace is “red”.",
    ),
    (
        d.IdentityCriterion(identity_type="email", test=v.PresenceTest(operator=v.PresenceOperator.NOT_EXISTS)),
        "The identity “email” is not known.",
    ),
    (d.FirstSeenCriterion(window=w.BeforeDate(date=DAY)), "The user was first seen before 2026-11-24."),
    (
        d.LastSeenCriterion(window=w.BetweenAgo(older=days(9), newer=days(1))),
        "The user was last seen between 9 days and 1 day ago.",
    ),
    (
        d.DeviceCriterion(field="platform", test=v.StringInTest(values=("ios", "tvos"))),
        "The “platform” of a device is one of “ios”, “tvos”.",
    ),
    (
        d.LocationCriterion(field=d.LocationField.POSTAL_CODE, test=RED),
        "The latest known postal code is “red”.",
    ),
    (
        d.LocationWithinCriterion(latitude=51.5, longitude=-0.1, distance_km=40),
        "The latest known place lies within 40 km of latitude 51.5, longitude -0.1.",
    ),
    (
        d.ConsentCriterion(regulation="gdpr", purpose="ads", state=d.Consent.NOT_PRESENT),
        "GDPR consent for “ads” was not given.",
    ),
    (d.InstallAttributionCriterion(field="publisher", test=RED), "The publisher that brought the install is “red”."),
    (d.AudienceMembershipCriterion(audience_id=4), "The user is in the audience “Big spenders”."),
]
TESTS: list[tuple[Any, str]] = [
    (v.PresenceTest(operator=v.PresenceOperator.NOT_EMPTY), "is known and not empty"),
    (v.StringTest(operator=v.StringOperator.NOT_PATTERN, value="a*"), "does not match the pattern “a*”"),
    (
        v.StringInTest(operator=v.MembershipOperator.NOT_IN_LIST, values=tuple("abcdefg")),
        "is none of “a”, “b”, “c”, “d”, “e” and 2 more",
    ),
    (v.NumberTest(operator=v.NumberOperator.LESS_OR_EQUAL, value=3.0), "is at most 3"),
    (v.NumberInTest(values=(1.0, 2.5)), "is one of 1, 2.5"),
    (v.NumberBetweenTest(min=0, max=5), "is from 0 to 5"),
    (v.BooleanTest(value=False), "is false"),
    (v.DateTest(window=w.AfterDate(date=DAY, inclusive=True)), "is a date on or after 2026-11-24"),
    (v.ListTest(operator=v.ListOperator.PARTIAL_MATCH, value="re"), "is a list with an element that contains “re”"),
]


def members(union: Any) -> set[str]:
    return {each.model_fields["type"].default for each in get_args(get_args(union)[0])}


@pytest.mark.parametrize(("criterion", "words"), SENTENCES)
def test_a_criterion_reads_as_a_sentence(criterion: Any, words: str) -> None:
    assert sentence(criterion, NAMES) == words


@pytest.mark.parametrize(("test", "words"), TESTS)
def test_a_test_of_a_value_reads_as_what_it_says(test: Any, words: str) -> None:
    assert sentence(d.UserAttributeCriterion(attribute="x", test=test), {}) == f"The user attribute “x” {words}."


def test_conditions_are_told_with_the_event_they_belong_to() -> None:
    selector = d.EventSelector(
        kind=d.EventKind.COMMERCE,
        name="purchase",
        where=(v.Condition(attribute="total", test=more_than(50)),),
        products=(v.Condition(attribute="color", test=RED), v.Condition(attribute="price", test=more_than(5))),
    )
    frequency = d.CountBetween(min=1, max=3)

    assert sentence(d.EventCriterion(event=selector, frequency=frequency), {}) == (
        "Commerce event “purchase” (where “total” is more than 50, and one product of it has “color” is “red” and "
        "“price” is more than 5) happened from 1 to 3 times in the last 30 days."
    )


def test_a_whole_definition_is_one_sentence_that_can_be_read_in_one_way() -> None:
    bought, viewed = d.EventCriterion(event=BUY), d.EventCriterion(event=VIEW)
    root = d.AllOf(criteria=(d.AnyOf(criteria=(bought, viewed)), d.Not(criterion=LEAF)))

    assert spelled_out(root, {}) == (
        "(Custom event “buy” happened more than 0 times in the last 30 days, or screen view “cart” happened more than "
        "0 times in the last 30 days), and it is not true that the user was last seen in the last 30 days."
    )


def test_the_examples_cover_every_criterion_and_every_test() -> None:
    assert {criterion.type for criterion, _ in SENTENCES} == members(d.Criterion)
    assert {test.type for test, _ in TESTS} == members(v.Test)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(audiences)
def test_every_criterion_has_one_sentence_without_code_names(audience: Any) -> None:
    for _, criterion in criteria(audience.definition.root):
        words = sentence(criterion, NAMES)

        assert words[0].isupper() or words[0] == "“"
        assert words.endswith(".")
        assert not re.search(r"None|<|Operator|_last|between_", re.sub("“[^”]*”", "", words))
