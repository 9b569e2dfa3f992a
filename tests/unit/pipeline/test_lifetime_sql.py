"""From what clients sent to the members of lifetime audiences, compared with independent SQL over what was sent."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.ids import AudienceId
from audience_core.domain.lifetime import DateRange
from audience_core.domain.messages import AcceptedBatch
from tests.support.archives import Library
from tests.support.calculations import Office
from tests.support.population import ACCOUNT, DAY, HOUR, NOW, SOURCE, Population, a_batch, an_audience, custom_event

COLORS = ("red", "green", "blue")
EVER = w.WithinLast(duration=w.Duration(amount=20_000, unit=w.Unit.DAYS))
TODAY = datetime.fromtimestamp(NOW / 1000, UTC).date()
RANGE = DateRange(start=TODAY - timedelta(days=400), end=TODAY - timedelta(days=30))
ONCE = "SELECT DISTINCT customer, id, name, happened, price, color FROM sent"
INSIDE = f"happened >= {NOW - NOW % DAY - 400 * DAY} AND happened < {NOW - NOW % DAY - 29 * DAY}"


def viewed(**given: Any) -> d.EventSelector:
    return d.EventSelector(kind=d.EventKind.CUSTOM, name="view", **given)


def compare(operator: v.NumberOperator, value: int) -> d.Compare:
    return d.Compare(operator=operator, value=value)


def color_is(color: str) -> v.Condition:
    test = v.StringTest(operator=v.StringOperator.EQUALS, value=color)
    return v.Condition(attribute="color", test=test)


# Definition, whether it is of the days of RANGE alone, and the SQL of its members.
QUESTIONS: dict[str, tuple[d.Criterion, bool, str]] = {
    "count": (
        d.EventCriterion(event=viewed(), window=EVER, frequency=compare(v.NumberOperator.GREATER_OR_EQUAL, 3)),
        False,
        f"SELECT customer FROM ({ONCE}) WHERE name = 'view' GROUP BY 1 HAVING count(*) >= 3",
    ),
    "count in days": (
        d.EventCriterion(event=viewed(where=(color_is("RED"),)), window=EVER),
        True,
        f"SELECT DISTINCT customer FROM ({ONCE}) WHERE name = 'view' AND color = 'red' AND {INSIDE}",
    ),
    "sum": (
        d.AggregateCriterion(
            event=viewed(),
            function=d.AggregateFunction.SUM,
            attribute="price",
            window=EVER,
            test=v.NumberTest(operator=v.NumberOperator.GREATER_THAN, value=6.05),
        ),
        True,
        f"""SELECT customer FROM ({ONCE}) WHERE name = 'view' AND {INSIDE}
            GROUP BY 1 HAVING sum(CAST(round(price * 1000000) AS BIGINT)) > 6050000""",
    ),
    "recently": (
        d.EventCriterion(event=viewed(), window=w.WithinLast(duration=w.Duration(amount=90, unit=w.Unit.DAYS))),
        False,
        f"SELECT DISTINCT customer FROM ({ONCE}) WHERE name = 'view' AND happened BETWEEN {NOW - 90 * DAY} AND {NOW}",
    ),
    "never": (
        d.Not(criterion=d.EventCriterion(event=d.EventSelector(kind=d.EventKind.CUSTOM, name="buy"), window=EVER)),
        True,
        f"""SELECT DISTINCT customer FROM sent
            EXCEPT SELECT customer FROM ({ONCE}) WHERE name = 'buy' AND {INSIDE}""",
    ),
}


def history(chance: random.Random) -> list[AcceptedBatch]:
    """Late and early, live and of the past, with events that are told again."""
    events = [
        custom_event(
            chance.choice(["view", "view", "buy"]),
            NOW - chance.randrange(500 * DAY),
            f"m-{number}",
            price=chance.randrange(400) / 100,
            color=chance.choice(COLORS),
        )
        for number in range(150)
    ]
    owners = [f"c-{chance.randrange(40)}" for _ in events]
    batches = []
    for number in range(200):
        first = chance.randrange(len(events))
        own = [event for event, owner in zip(events, owners, strict=True) if owner == owners[first]]
        told = [events[first], *chance.sample(own, min(len(own), chance.randrange(3)))]
        batch = a_batch(number, owners[first], NOW - chance.randrange(DAY), events=told)
        is_old = all(event["data"]["timestamp_unixtime_ms"] < NOW - 4 * DAY for event in told)
        batches.append(replace(batch, is_historical=is_old and chance.random() < 0.5))
    return batches


@pytest.mark.parametrize("seed", range(6))
def test_members_are_those_of_sql_over_what_was_sent(seed: int) -> None:
    chance, population = random.Random(seed), Population()
    library = Library(population.accounts, population.archive, max_shard_events=chance.choice([20, 2_000_000]))
    batches = history(chance)
    for place, batch in enumerate([*batches, *chance.sample(batches, 20)]):
        population.take([batch], library.now)
        if place % 25 == 24:
            library.compact()
            library.now += HOUR
    library.compact()
    office = Office(ACCOUNT, NOW)
    office.shards = library.shards
    for number, (root, is_ranged, _) in enumerate(QUESTIONS.values(), 1):
        draft = an_audience(AudienceId(number), root, inputs=(SOURCE.input_id,))
        office.draft(draft, date_range=RANGE if is_ranged else DateRange())

    office.calculate(*(AudienceId(number) for number in range(1, len(QUESTIONS) + 1)))

    owners = {mpid: identity.value for mpid, user in library.users().items() for identity in user.identities}
    found = {
        name: sorted(owners[mpid] for mpid in office.members(AudienceId(number)))
        for number, name in enumerate(QUESTIONS, 1)
    }
    assert found == {name: by_sql(batches, sql) for name, (_, _, sql) in QUESTIONS.items()}
    assert len({tuple(members) for members in found.values()}) > 2


def by_sql(batches: list[AcceptedBatch], query: str) -> list[str]:
    database = duckdb.connect()
    database.execute("CREATE TABLE sent (customer TEXT, id TEXT, name TEXT, happened BIGINT, price DOUBLE, color TEXT)")
    rows = [
        (
            batch.body["user_identities"]["customer_id"],
            event["data"]["source_message_id"],
            event["data"]["event_name"],
            event["data"]["timestamp_unixtime_ms"],
            event["data"]["custom_attributes"]["price"],
            event["data"]["custom_attributes"]["color"],
        )
        for batch in batches
        for event in batch.body["events"]
    ]
    database.executemany("INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?)", rows)
    return sorted(customer for (customer,) in database.execute(query).fetchall())
