"""Rules that chance meets seldom: same instants, several workspaces, several devices, several names."""

from typing import Any

import pytest

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.event import Environment, Event, Scalar
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.evaluation.columnar.evaluate import evaluate
from audience_core.evaluation.columnar.shard import look_back
from tests.support.shards import shard_of
from tests.support.worlds import HOUR, NOW
from tests.unit.evaluation.test_columnar_files import an_audience

OURS, OTHERS = WorkspaceId("w-a"), WorkspaceId("w-b")
EQUALS, NOT_EQUALS = v.StringOperator.EQUALS, v.StringOperator.NOT_EQUALS


def is_text(text: str, operator: v.StringOperator = EQUALS) -> v.StringTest:
    return v.StringTest(operator=operator, value=text)


def a_profile(mpid: int = 7, *, seen_in: tuple[WorkspaceId, ...] = (OURS,), **registers: Register) -> Profile:
    """Registers are attributes by `<workspace>_<name>`, the workspace being `ours` or `others`."""
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(mpid))
    for workspace in seen_in:
        profile.seen[workspace] = Seen(NOW - HOUR, NOW)
    for key, register in registers.items():
        whose, name = key.split("_")
        owner = {"ours": OURS, "others": OTHERS}[whose]
        profile.registers[RegisterKey(owner, RegisterKind.ATTRIBUTE, name)] = register
    return profile


def add(profile: Profile, kind: d.EventKind, name: str, at: int, input_id: str = "i-1", **products: Scalar) -> None:
    number = sum(map(len, profile.timeline.values())) + 1
    event = Event(kind, name, at, number.to_bytes(8), OURS, InputId(input_id), {}, (products,) if products else ())
    profile.timeline.setdefault((kind, name), []).append(event)


def members(root: Any, *population: Profile, workspaces: tuple[WorkspaceId, ...] = (OURS,)) -> list[int]:
    audience = an_audience(root).model_copy(update={"workspaces": workspaces})
    return list(evaluate(shard_of(population), [audience], NOW, look_back(NOW, 30)).mpids(AudienceId(1)))


@pytest.mark.parametrize(("later", "expected"), [(-1, []), (0, []), (1, [7])])
def test_steps_of_one_instant_are_no_sequence(later: int, expected: list[int]) -> None:
    profile = a_profile()
    add(profile, d.EventKind.CUSTOM, "view", NOW - HOUR)
    add(profile, d.EventKind.CUSTOM, "buy", NOW - HOUR + later)
    steps = tuple(d.EventSelector(kind=d.EventKind.CUSTOM, name=name) for name in ("view", "buy"))

    assert members(d.SequenceCriterion(steps=steps), profile) == expected


def test_a_step_of_another_user_is_not_the_next_one() -> None:
    first, second = a_profile(7), a_profile(8)
    add(first, d.EventKind.CUSTOM, "view", NOW - 2 * HOUR)
    add(second, d.EventKind.CUSTOM, "buy", NOW - HOUR)
    steps = tuple(d.EventSelector(kind=d.EventKind.CUSTOM, name=name) for name in ("view", "buy"))

    assert members(d.SequenceCriterion(steps=steps), first, second) == []


def test_a_purchase_of_another_user_saves_no_cart() -> None:
    first, second = a_profile(7), a_profile(8)
    add(first, d.EventKind.COMMERCE, "add_to_cart", NOW - 3 * HOUR)
    add(second, d.EventKind.COMMERCE, "purchase", NOW - 3 * HOUR)
    wait = w.Duration(amount=1, unit=w.Unit.HOURS)

    assert members(d.CartAbandonmentCriterion(after=wait), first, second) == [7]


def test_the_latest_value_among_the_workspaces_wins() -> None:
    earlier, later = Register("red", NOW - 2), Register("blue", NOW - 1)
    population = [
        a_profile(7, ours_color=earlier, others_color=later),
        a_profile(8, ours_color=later, others_color=earlier),
    ]
    blue = d.UserAttributeCriterion(attribute="color", test=is_text("blue"))

    assert members(blue, *population) == [8]
    assert members(blue, *population, workspaces=(OURS, OTHERS)) == [7, 8]


def test_at_the_level_of_the_account_only_workspaces_in_which_the_user_was_seen_count() -> None:
    later = Register("blue", NOW - 1)
    population = [
        a_profile(7, others_color=later),
        a_profile(8, seen_in=(OURS, OTHERS), others_color=later),
        a_profile(9, seen_in=(OURS, OTHERS), others_color=later, ours_color=Register("red", NOW)),
    ]
    blue = d.UserAttributeCriterion(attribute="color", level=d.AttributeLevel.ACCOUNT, test=is_text("blue"))

    assert members(blue, *population) == [8]


def test_a_negative_test_of_devices_holds_when_no_device_passes_the_positive_one() -> None:
    population = [a_profile(7), a_profile(8), a_profile(9)]
    for profile, platforms in zip(population, (("ios", "tv"), ("tv", "web"), ()), strict=True):
        for number, platform in enumerate(platforms):
            key = RegisterKey(OURS, RegisterKind.DEVICE, f"d{number}/platform")
            profile.registers[key] = Register(platform, NOW)

    assert members(d.DeviceCriterion(field="platform", test=is_text("ios")), *population) == [7]
    assert members(d.DeviceCriterion(field="platform", test=is_text("ios", NOT_EQUALS)), *population) == [8]


@pytest.mark.parametrize(("kind", "expected"), [(d.EventKind.CRASH, [7]), (d.EventKind.SESSION_START, [])])
def test_crashes_are_read_from_workspaces_and_other_events_from_inputs(kind: d.EventKind, expected: list[int]) -> None:
    profile = a_profile()
    add(profile, kind, "", NOW - HOUR, input_id="i-9")

    assert members(d.EventCriterion(event=d.EventSelector(kind=kind)), profile) == expected


def test_the_last_product_of_several_actions_is_that_of_the_latest_event() -> None:
    # The first user's events decide the order of the groups, and it is not that of the others'.
    population = [a_profile(7), a_profile(8), a_profile(9)]
    for profile, actions in zip(population, (("a", "b"), ("b", "a"), ("a", "b", "a")), strict=True):
        for place, action in enumerate(actions):
            add(profile, d.EventKind.COMMERCE, action, NOW - 9 + place, color=action)
        add(profile, d.EventKind.COMMERCE, "refund", NOW - HOUR * 24 * 40, color="too old")
    last_is_a = d.AggregateCriterion(
        event=d.EventSelector(kind=d.EventKind.COMMERCE),
        function=d.AggregateFunction.LAST_VALUE,
        attribute="products.color",
        test=is_text("a"),
    )

    assert members(last_is_a, *population) == [8, 9]


def test_criteria_over_the_same_events_keep_their_own_windows() -> None:
    population = [a_profile(7), a_profile(8), a_profile(9)]
    for profile, ages in zip(population, ((1, 5), (1,), (5,)), strict=True):
        for hours in sorted(ages, reverse=True):
            add(profile, d.EventKind.CUSTOM, "view", NOW - hours * HOUR)
    view = d.EventSelector(kind=d.EventKind.CUSTOM, name="view")
    length = {hours: w.Duration(amount=hours, unit=w.Unit.HOURS) for hours in (2, 4, 6)}
    lately = d.EventCriterion(event=view, window=w.WithinLast(duration=length[2]))
    before = d.EventCriterion(event=view, window=w.BetweenAgo(older=length[6], newer=length[4]))

    assert members(d.AllOf(criteria=(lately, before)), *population) == [7]
    assert members(d.AllOf(criteria=(lately, d.Not(criterion=before))), *population) == [8]
    assert members(d.AllOf(criteria=(d.Not(criterion=lately), before)), *population) == [9]


def test_who_was_not_seen_in_the_workspaces_is_no_member() -> None:
    population = [a_profile(7), a_profile(8, seen_in=(OTHERS,)), a_profile(9, seen_in=())]
    nothing_bought = d.Not(criterion=d.EventCriterion(event=d.EventSelector(kind=d.EventKind.COMMERCE)))

    assert members(nothing_bought, *population) == [7]
    assert members(nothing_bought, *population, workspaces=(OURS, OTHERS)) == [7, 8]


def test_all_conditions_on_products_must_hold_of_one_product() -> None:
    population = [a_profile(7), a_profile(8)]
    add(population[0], d.EventKind.COMMERCE, "purchase", NOW - 2, color="red", size="L")
    add(population[1], d.EventKind.COMMERCE, "purchase", NOW - 2, color="red", size="S")
    bought = population[1].timeline[d.EventKind.COMMERCE, "purchase"][0]
    both = Event(
        bought.kind,
        bought.name,
        bought.at,
        bought.event_id,
        OURS,
        bought.input_id,
        {},
        (
            {"color": "red", "size": "S"},
            {"color": "blue", "size": "L"},
        ),
    )
    population[1].timeline[d.EventKind.COMMERCE, "purchase"] = [both]
    conditions = tuple(
        v.Condition(attribute=name, test=is_text(text)) for name, text in (("color", "red"), ("size", "L"))
    )
    large_red = d.EventSelector(kind=d.EventKind.COMMERCE, name="purchase", products=conditions)

    assert members(d.EventCriterion(event=large_red), *population) == [7]


def test_a_distinct_count_folds_texts() -> None:
    profile = a_profile()
    for color in ("Straße", "STRASSE", "red"):
        add(profile, d.EventKind.COMMERCE, "purchase", NOW - 2, color=color)
    exactly_two = d.AggregateCriterion(
        event=d.EventSelector(kind=d.EventKind.COMMERCE, name="purchase"),
        function=d.AggregateFunction.DISTINCT_COUNT,
        attribute="products.color",
        test=v.NumberTest(operator=v.NumberOperator.EQUALS, value=2),
    )

    assert members(exactly_two, profile) == [7]
