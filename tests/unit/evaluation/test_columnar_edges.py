"""To the millisecond: at the ends of every sort of window, each criterion over time answers as the rules do."""

import gc
from datetime import date
from typing import Any

import pytest

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.evaluation.columnar.evaluate import evaluate
from audience_core.evaluation.columnar.shard import EventRange, look_back
from audience_core.evaluation.columnar.tracks import Selection, Track
from tests.support import oracle
from tests.support.shards import shard_of
from tests.support.worlds import DAY, HOUR, LOOK_BACK_DAYS, NOW
from tests.unit.evaluation.test_columnar_files import an_audience

WORKSPACE, INPUT = WorkspaceId("w-a"), InputId("i-1")
# A purchase follows the two adds by three and two hours; MIDNIGHT is the first instant of a UTC day.
MIDNIGHT = NOW - NOW % DAY
ADDS, PURCHASE = (MIDNIGHT, MIDNIGHT + HOUR), MIDNIGHT + 3 * HOUR
ADD, BUY = (d.EventSelector(kind=d.EventKind.COMMERCE, name=name) for name in ("add_to_cart", "purchase"))
TODAY = date(2026, 11, 24)
HOURS = {hours: w.Duration(amount=hours, unit=w.Unit.HOURS) for hours in (1, 2, 3, 4)}
AT_LEAST_FIVE = v.NumberTest(operator=v.NumberOperator.GREATER_OR_EQUAL, value=5)
WINDOWS = [
    w.WithinLast(duration=HOURS[4]),
    w.WithinLast(duration=w.Duration(amount=40, unit=w.Unit.DAYS)),
    w.BetweenAgo(older=HOURS[4], newer=HOURS[1]),
    w.OnDate(date=TODAY),
    w.BeforeDate(date=TODAY),
    w.AfterDate(date=TODAY),
    w.AfterDate(date=TODAY, inclusive=True),
    w.BetweenDates(start=TODAY, end=TODAY),
]
CRITERIA = {
    "event": lambda window: d.EventCriterion(event=ADD, window=window),
    "count": lambda window: d.EventCriterion(
        event=ADD, window=window, frequency=d.Compare(operator=v.NumberOperator.EQUALS, value=1)
    ),
    "sum": lambda window: d.AggregateCriterion(
        event=ADD, function=d.AggregateFunction.SUM, attribute="price", window=window, test=AT_LEAST_FIVE
    ),
    "first": lambda window: d.OccurrenceCriterion(event=ADD, which=d.Occurrence.FIRST, window=window),
    "last": lambda window: d.OccurrenceCriterion(event=ADD, which=d.Occurrence.LAST, window=window),
    "sequence": lambda window: d.SequenceCriterion(steps=(ADD, BUY), window=window),
    "quick sequence": lambda window: d.SequenceCriterion(steps=(ADD, BUY), within=HOURS[2], window=window),
    "cart": lambda window: d.CartAbandonmentCriterion(after=HOURS[1], window=window),
    "patient cart": lambda window: d.CartAbandonmentCriterion(after=HOURS[2], window=window),
    "first seen": lambda window: d.FirstSeenCriterion(window=window),
    "last seen": lambda window: d.LastSeenCriterion(window=window),
    "date": lambda window: d.UserAttributeCriterion(attribute="when", test=v.DateTest(window=window)),
}


def the_user() -> Profile:
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(7))
    adds = [commerce("add_to_cart", at, number) for number, at in enumerate(ADDS)]
    profile.timeline[d.EventKind.COMMERCE, "add_to_cart"] = adds
    profile.timeline[d.EventKind.COMMERCE, "purchase"] = [commerce("purchase", PURCHASE, 9)]
    profile.seen[WORKSPACE] = Seen(ADDS[0], PURCHASE)
    profile.registers[RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, "when")] = Register(ADDS[0], ADDS[0])
    return profile


def commerce(name: str, at: int, number: int) -> Event:
    return Event(d.EventKind.COMMERCE, name, at, number.to_bytes(8), WORKSPACE, INPUT, {"price": 5})


INSTANTS = sorted(
    {
        at + hours * HOUR + step
        for at in (*ADDS, PURCHASE)
        for hours in (-24, 0, 1, 2, 3, 4, 24, LOOK_BACK_DAYS * 24)
        for step in (-1, 0, 1)
    }
)


@pytest.mark.parametrize("window", WINDOWS, ids=repr)
@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_a_window_opens_and_closes_to_the_millisecond(criterion: Any, window: Any) -> None:
    audience, profile = an_audience(criterion(window)), the_user()
    shard = shard_of([profile])

    found = {
        now: evaluate(shard, [audience], now, look_back(now, LOOK_BACK_DAYS)).bits[AudienceId(1)] for now in INSTANTS
    }

    portfolio = {audience.audience_id: audience}
    expected = {now: oracle.is_member(audience, portfolio, profile, now, LOOK_BACK_DAYS) for now in INSTANTS}
    assert {now: bool(bits[0]) for now, bits in found.items()} == expected


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_a_range_of_the_future_shows_no_more_than_has_happened(criterion: Any) -> None:
    audience, profile = an_audience(criterion(WINDOWS[1])), the_user()
    now = ADDS[1] + HOUR

    found = evaluate(shard_of([profile]), [audience], now, EventRange(now - 30 * DAY, now + DAY))

    expected = oracle.is_member(audience, {audience.audience_id: audience}, profile, now, 30)
    assert bool(found.mpids(AudienceId(1))) is expected


def test_what_was_bought_after_the_window_is_bought() -> None:
    profile = the_user()
    del profile.timeline[d.EventKind.COMMERCE, "add_to_cart"][0]
    audience, now = an_audience(CRITERIA["patient cart"](w.BetweenAgo(older=HOURS[4], newer=HOURS[1]))), PURCHASE

    found = evaluate(shard_of([profile]), [audience], now, look_back(now, LOOK_BACK_DAYS))

    assert not found.mpids(AudienceId(1))


def test_nothing_that_was_read_outlives_the_evaluation_even_if_nobody_looks_for_cycles() -> None:
    audiences = [an_audience(criterion(WINDOWS[0])) for criterion in CRITERIA.values()]
    shard, now = shard_of([the_user()]), PURCHASE
    gc.collect()
    gc.disable()
    try:
        evaluate(shard, audiences, now, look_back(now, LOOK_BACK_DAYS))
        left = [each for each in gc.get_objects() if isinstance(each, Track | Selection)]
    finally:
        gc.enable()

    assert left == []
