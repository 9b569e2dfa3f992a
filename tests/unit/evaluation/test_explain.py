"""Explanations: every node says what it would decide alone, what it saw supports that, and next changes are exact."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.audience import Audience
from audience_core.domain.event import Environment, Event, Identity
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Delta, Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.explain import explain
from audience_core.evaluation.explanation import ExplainedNode, Explanation, Saw
from audience_core.evaluation.incremental import evaluate
from audience_core.evaluation.predicates import figure_test, frequency_test, holds_when_missing, intervals
from audience_core.evaluation.values import micros_of, to_ms
from tests.support import oracle
from tests.support.population import an_audience, at_least
from tests.support.worlds import DAY, HOUR, INPUTS, LOOK_BACK_DAYS, NOW, WORKSPACES, portfolios, profiles

type Portfolio = dict[AudienceId, Audience]
slow_to_draw = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
offsets = st.integers(-29 * DAY, 10 * DAY)


def explanations(portfolio: Portfolio, profile: Profile, now: int) -> Iterator[tuple[Audience, Explanation]]:
    for audience in portfolio.values():
        yield audience, explain(audience, portfolio, profile, LOOK_BACK_DAYS, now)


@slow_to_draw
@given(portfolios, profiles())
def test_it_says_what_membership_is(portfolio: Portfolio, profile: Profile) -> None:
    evaluation = evaluate(compile_program(1, portfolio.values(), LOOK_BACK_DAYS), profile, Delta(), NOW)

    for audience, explanation in explanations(portfolio, profile, NOW):
        assert explanation.is_member is (audience.audience_id in evaluation.flipped)


@slow_to_draw
@given(portfolios, profiles(), offsets)
def test_every_node_says_what_the_rules_say_of_it_alone(portfolio: Portfolio, profile: Profile, offset: int) -> None:
    now = NOW + offset

    for audience, explanation in explanations(portfolio, profile, now):
        assert explanation.is_member is oracle.is_member(audience, portfolio, profile, now, LOOK_BACK_DAYS)
        for whose, criterion, node in nodes(audience, portfolio, explanation.root):
            assert node.type == criterion.type
            assert node.value is oracle.Oracle(whose, portfolio, profile, now, LOOK_BACK_DAYS).holds(criterion)


@slow_to_draw
@given(portfolios, profiles(), offsets, st.lists(st.integers(0, 40 * DAY), max_size=8))
def test_next_changes_are_exact(portfolio: Portfolio, profile: Profile, offset: int, probes: list[int]) -> None:
    now = NOW + offset

    for audience, explanation in explanations(portfolio, profile, now):
        everything = [(audience, d.AllOf(criteria=(audience.definition.root,)), explanation.root)]
        for whose, criterion, node in [*everything, *nodes(audience, portfolio, explanation.root)]:
            turn = to_ms(node.next_change.at) if node.next_change else None

            def holds(at: int, whose: Audience = whose, criterion: Any = criterion) -> bool:
                return oracle.Oracle(whose, portfolio, profile, at, LOOK_BACK_DAYS).holds(criterion)

            before = [now + probe for probe in probes if turn is None or now + probe < turn]
            assert all(holds(at) is node.value for at in before)
            if turn is not None and node.next_change is not None:
                assert turn > now
                assert holds(turn - 1) is node.value
                assert holds(turn) is node.next_change.value is not node.value


@slow_to_draw
@given(portfolios, profiles(), offsets)
def test_what_a_criterion_saw_passes_its_test_exactly_if_it_holds(
    portfolio: Portfolio, profile: Profile, offset: int
) -> None:
    now = NOW + offset

    for audience, explanation in explanations(portfolio, profile, now):
        for _, criterion, node in nodes(audience, portfolio, explanation.root):
            if node.saw is not None:
                assert passes(criterion, node, now) is node.value


@slow_to_draw
@given(portfolios, profiles(), offsets)
def test_logic_is_the_logic_of_its_children(portfolio: Portfolio, profile: Profile, offset: int) -> None:
    for audience, explanation in explanations(portfolio, profile, NOW + offset):
        for _, criterion, node in nodes(audience, portfolio, explanation.root):
            values = [child.value for child in node.children]
            match criterion:
                case d.AllOf():
                    assert node.value is all(values)
                case d.AnyOf():
                    assert node.value is any(values)
                case d.Not():
                    assert [node.value] == [not value for value in values]
                case d.AudienceMembershipCriterion():
                    assert node.value is (bool(values) and all(values))


def test_an_event_criterion_names_the_newest_events_that_count() -> None:
    profile = a_profile(*(an_event("buy", NOW - n * DAY, price=n, color="red") for n in range(9)))
    criterion = at_least(3, "buy", days=7).model_copy(
        update={"event": d.EventSelector(kind=d.EventKind.CUSTOM, name="buy", where=(more_than("price", 1),))}
    )

    node = told(criterion, profile).root

    assert node.summary == (
        "Custom event “buy” (where “price” is more than 1) happened at least 3 times in the last 7 days."
    )
    assert (node.value, node.saw and node.saw.value) == (True, 6)
    assert [event.attributes for event in node.deciding] == [{"price": n} for n in range(2, 7)]
    assert node.deciding[0].at == datetime(2026, 11, 22, 13, tzinfo=UTC)
    assert node.next_change is not None
    # The events of 7, 6, 5 and 4 days ago have left when only the third youngest would be missing.
    assert (to_ms(node.next_change.at), node.next_change.value) == (NOW + 3 * DAY + 1, False)


def test_a_sequence_names_its_chain_and_how_far_it_got() -> None:
    selectors = tuple(d.EventSelector(kind=d.EventKind.CUSTOM, name=name) for name in ("view", "cart", "buy"))
    profile = a_profile(an_event("view", NOW - 3 * HOUR), an_event("view", NOW - HOUR), an_event("cart", NOW - 5))

    node = told(d.SequenceCriterion(steps=selectors), profile).root

    assert (node.value, node.saw and node.saw.value) == (False, 2)
    assert [event.name for event in node.deciding] == ["view", "cart"]
    assert to_ms(node.deciding[0].at) == NOW - HOUR


def test_a_chain_that_took_too_long_did_only_the_steps_it_had_time_for() -> None:
    selectors = tuple(d.EventSelector(kind=d.EventKind.CUSTOM, name=name) for name in ("view", "buy"))
    criterion = d.SequenceCriterion(steps=selectors, within=w.Duration(amount=1, unit=w.Unit.HOURS))

    nodes = [told(criterion, a_profile(an_event("view", NOW - HOUR - late), an_event("buy", NOW))) for late in (0, 1)]

    assert [(node.root.value, node.root.saw and node.root.saw.value) for node in nodes] == [(True, 2), (False, 1)]


def test_the_first_and_the_last_event_are_told_apart() -> None:
    event = d.EventSelector(kind=d.EventKind.CUSTOM, name="buy")
    profile = a_profile(an_event("buy", NOW - 3 * DAY), an_event("buy", NOW - DAY))

    for which, days_ago in ((d.Occurrence.FIRST, 3), (d.Occurrence.LAST, 1)):
        node = told(d.OccurrenceCriterion(event=event, which=which, window=w.LAST_30_DAYS), profile).root

        assert [to_ms(each.at) for each in node.deciding] == [NOW - days_ago * DAY]


def test_the_last_value_is_that_of_the_last_product() -> None:
    products: tuple[dict[str, Any], ...] = ({"color": "red"}, {"color": "blue", "price": 5})
    event = replace(an_event("buy", NOW - DAY), products=products)
    criterion = d.AggregateCriterion(
        event=d.EventSelector(kind=d.EventKind.CUSTOM, name="buy"),
        function=d.AggregateFunction.LAST_VALUE,
        attribute="products.color",
        test=v.StringTest(operator=v.StringOperator.EQUALS, value="blue"),
    )

    node = told(criterion, a_profile(event)).root

    assert (node.value, node.saw) == (True, Saw(what="value", value="blue"))
    assert node.deciding[0].products == ({"color": "red"}, {"color": "blue"})


def test_a_cart_counts_while_it_is_abandoned() -> None:
    added = replace(an_event("add_to_cart", NOW - HOUR), kind=d.EventKind.COMMERCE)
    window = w.WithinLast(duration=w.Duration(amount=1, unit=w.Unit.DAYS))
    criterion = d.CartAbandonmentCriterion(after=w.Duration(amount=2, unit=w.Unit.HOURS), window=window)

    nodes = [told(criterion, a_profile(added), NOW + pause).root for pause in (HOUR - 1, HOUR, 23 * HOUR + 1)]

    assert [(node.value, node.saw and node.saw.value) for node in nodes] == [(False, 0), (True, 1), (False, 0)]


def test_a_part_that_turns_is_not_announced_as_a_change_of_the_whole() -> None:
    either = d.AnyOf(criteria=(at_least(1, "buy", days=2), at_least(1, "buy", days=7)))

    node = told(either, a_profile(an_event("buy", NOW - DAY))).root

    turns = [to_ms(each.next_change.at) - NOW for each in (node, *node.children) if each.next_change]
    assert turns == [6 * DAY + 1, DAY + 1, 6 * DAY + 1]


def test_identities_are_counted_and_never_shown() -> None:
    profile = a_profile()
    profile.identities = {Identity("email", "secret@example.com"): NOW}
    test = v.StringTest(operator=v.StringOperator.CONTAINS, value="@example")

    explanation = told(d.IdentityCriterion(identity_type="email", test=test), profile)

    assert (explanation.is_member, explanation.root.saw and explanation.root.saw.value) == (True, 1)
    assert "secret" not in explanation.model_dump_json()


def test_a_missing_value_is_told_from_an_empty_one() -> None:
    absent, empty = a_profile(), a_profile()
    empty.registers[RegisterKey(WorkspaceId("w-a"), RegisterKind.ATTRIBUTE, "color")] = Register(None, NOW)
    criterion = d.UserAttributeCriterion(attribute="color", test=v.PresenceTest(operator=v.PresenceOperator.EMPTY))

    seen = [told(criterion, each).root.saw for each in (absent, empty)]

    assert seen == [Saw(what="nothing"), Saw(what="value", value=None)]


def test_who_was_not_seen_in_the_workspaces_is_no_member_whatever_the_criteria_say() -> None:
    profile = a_profile(an_event("buy", NOW - DAY))
    profile.seen = {WorkspaceId("w-elsewhere"): Seen(NOW, NOW)}

    explanation = told(at_least(1, "buy"), profile)

    assert (explanation.root.value, explanation.population.value, explanation.is_member) == (True, False, False)
    assert explanation.population.summary == "The user was seen in w-a or w-b."
    assert explanation.root.next_change is not None
    assert explanation.next_change is None


def test_a_nested_audience_that_is_not_active_has_nobody_and_nothing_to_show() -> None:
    node = told(d.AudienceMembershipCriterion(audience_id=9), a_profile()).root

    assert (node.value, node.children, node.summary) == (False, (), "The user is in the audience 9.")


def test_a_change_after_the_year_9999_is_none() -> None:
    window = w.WithinLast(duration=w.Duration(amount=1_000_000, unit=w.Unit.WEEKS))

    assert told(d.FirstSeenCriterion(window=window), a_profile()).next_change is None


# What a criterion would say of what it saw


def passes(criterion: Any, node: ExplainedNode, now: int) -> bool:  # noqa: C901  (one arm per criterion)
    saw = node.saw
    assert saw is not None
    match criterion:
        case d.EventCriterion(frequency=frequency):
            assert len(node.deciding) == min(saw.value, 5)  # type: ignore[type-var]
            return frequency_test(frequency)(saw.value)  # type: ignore[arg-type]
        case d.AggregateCriterion(test=test) if saw.what == "amount" and criterion.function != "average":
            return figure_test(test)(micros_of(saw.value) or 0)
        case d.AggregateCriterion() if saw.what == "amount":
            return node.value  # a mean may have no decimal form
        case (
            d.OccurrenceCriterion(window=window)
            | d.FirstSeenCriterion(window=window)
            | d.LastSeenCriterion(window=window)
        ):
            return saw.what == "instant" and lies_inside(v.DateTest(window=window), saw.value, now)
        case d.SequenceCriterion(steps=steps):
            return saw.value == len(steps) == len(node.deciding)
        case d.CartAbandonmentCriterion():
            return saw.value != 0
        case d.LocationWithinCriterion(distance_km=limit):
            return saw.what == "distance" and saw.value <= limit  # type: ignore[operator]
        case d.ConsentCriterion(state=state):
            return (saw.value is True) is (state is d.Consent.PRESENT)
        case d.IdentityCriterion(test=test):
            return node.value if saw.what == "count" else holds_when_missing(test)
        case _:
            return (
                holds_when_missing(criterion.test)
                if saw.what == "nothing"
                else lies_inside(criterion.test, saw.value, now)
            )


def lies_inside(test: Any, value: Any, now: int) -> bool:
    return any(start <= now <= end for start, end in intervals(test)(value))


def nodes(
    audience: Audience, portfolio: Portfolio, node: ExplainedNode, criterion: Any = None
) -> Iterator[tuple[Audience, Any, ExplainedNode]]:
    criterion = criterion or audience.definition.root
    yield audience, criterion, node
    match criterion:
        case d.AllOf(criteria=criteria) | d.AnyOf(criteria=criteria):
            for part, child in zip(criteria, node.children, strict=True):
                yield from nodes(audience, portfolio, child, part)
        case d.Not(criterion=inner):
            yield from nodes(audience, portfolio, node.children[0], inner)
        case d.AudienceMembershipCriterion(audience_id=nested):
            _, child = node.children
            yield from nodes(portfolio[AudienceId(nested)], portfolio, child)


# Builders


def told(criterion: Any, profile: Profile, now: int = NOW) -> Explanation:
    scope = {"workspaces": WORKSPACES, "inputs": INPUTS}
    return explain(an_audience(AudienceId(1), criterion, **scope), {}, profile, LOOK_BACK_DAYS, now)


def a_profile(*events: Event) -> Profile:
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(7))
    profile.seen[WorkspaceId("w-a")] = Seen(NOW - DAY, NOW)
    for event in sorted(events, key=lambda each: each.at):
        profile.timeline.setdefault((event.kind, event.name), []).append(event)
    return profile


def an_event(name: str, at: int, **attributes: Any) -> Event:
    event_id = f"{name}{at}"[-8:].encode()
    return Event(d.EventKind.CUSTOM, name, at, event_id, WorkspaceId("w-a"), InputId("i-1"), attributes)


def more_than(attribute: str, value: float) -> v.Condition:
    return v.Condition(attribute=attribute, test=v.NumberTest(operator=v.NumberOperator.GREATER_THAN, value=value))
