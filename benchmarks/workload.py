"""The workload of the engine benchmarks: users over two years, 40 event names, and portfolios of definitions.

Deterministic in its seed. Per user the number of events is log-normal (mean 25.45, a heavy tail), clustered in visits;
event names follow a Zipf law; every event has a category and four in ten a price.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Event
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId

DAYS = 730
DAY = 86_400_000
END = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
START = END - DAYS * DAY
EVENT_NAMES = tuple(f"event_{i:02d}" for i in range(40))
CATEGORIES = tuple(f"Category {i:02d}" for i in range(50))
TIERS = ("bronze", "silver", "gold", "Straße")
COUNTRIES = tuple(f"country-{i:02d}" for i in range(30))
EVENTS_PER_USER = 25.45
WORKSPACE, INPUT = WorkspaceId("w-bench"), InputId("i-bench")


@dataclass(frozen=True, slots=True)
class Events:
    """Columns of equal length, ascending by (user, time).

    Args:
        user: int32 row numbers of users; at: int64 UTC ms; name: int8 index into EVENT_NAMES.
        category: int8 index into CATEGORIES; price: int32 cents, -1 where the event has none.
    """

    user: npt.NDArray[np.int32]
    at: npt.NDArray[np.int64]
    name: npt.NDArray[np.int8]
    category: npt.NDArray[np.int8]
    price: npt.NDArray[np.int32]


def generate(users: int, seed: int = 1) -> Events:
    rng = np.random.default_rng(seed)
    sigma = 1.2
    per_user = rng.lognormal(np.log(EVENTS_PER_USER) - sigma**2 / 2, sigma, users).astype(np.int64) + 1
    user = np.repeat(np.arange(users, dtype=np.int32), per_user)
    total = len(user)
    # A visit begins somewhere in the two years; an event follows the visit's start within an hour.
    visits_of = np.maximum(per_user // 4, 1)
    first_visit = np.concatenate([[0], np.cumsum(visits_of)[:-1]])
    visit_at = rng.integers(START, END - 3_600_000, int(visits_of.sum()))
    visit = first_visit[user] + (rng.random(total) * visits_of[user]).astype(np.int64)
    at = visit_at[visit] + rng.integers(0, 3_600_000, total)
    order = np.lexsort((at, user))
    weights = 1 / np.arange(1, len(EVENT_NAMES) + 1) ** 0.9
    name = rng.choice(len(EVENT_NAMES), total, p=weights / weights.sum()).astype(np.int8)
    category = rng.integers(0, len(CATEGORIES), total, dtype=np.int8)
    price = np.where(rng.random(total) < 0.4, rng.integers(100, 20_000, total), -1).astype(np.int32)
    return Events(user, at[order], name, category, price)


def traits(user: int) -> dict[str, str]:
    """A user's attributes."""
    chosen = random.Random(user)
    return {"tier": chosen.choice(TIERS), "country": chosen.choice(COUNTRIES)}


def events_of(events: Events, user: int) -> Iterator[Event]:
    """One user's events, ascending in time, as the pipeline meets them."""
    low, high = np.searchsorted(events.user, [user, user + 1])
    for row in range(int(low), int(high)):
        attributes: dict[str, str | int | float | bool | None] = {"category": CATEGORIES[events.category[row]]}
        if events.price[row] >= 0:
            attributes["price"] = int(events.price[row]) / 100
        name = EVENT_NAMES[events.name[row]]
        # As ids are: eight bytes that nothing can shorten.
        event_id = sha256(row.to_bytes(8)).digest()[:8]
        yield Event(d.EventKind.CUSTOM, name, int(events.at[row]), event_id, WORKSPACE, INPUT, attributes)


def portfolio(count: int, seed: int = 2, longest_days: int = 90) -> list[Audience]:
    """Active audiences with 3.7 criteria on average."""
    chosen = random.Random(seed)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Audience(
            account_id=AccountId(1),
            audience_id=AudienceId(number),
            name=f"audience {number}",
            status=AudienceStatus.ACTIVE,
            workspaces=(WORKSPACE,),
            inputs=(INPUT,),
            definition=d.Definition(root=_tree(chosen, longest_days)),
            created_by="benchmark",
            created_at=moment,
            updated_at=moment,
        )
        for number in range(1, count + 1)
    ]


def audiences_file(folder: Path, count: int) -> Path:
    """Where a portfolio is kept, one JSON object per line."""
    return folder / f"audiences-{count}.jsonl"


def _tree(chosen: random.Random, longest_days: int) -> d.Criterion:
    size = chosen.choices([1, 2, 3, 4, 5, 6, 8], [8, 16, 24, 22, 14, 10, 6])[0]
    leaves = [_leaf(chosen, longest_days) for _ in range(size)]
    while len(leaves) > 1:
        some, leaves = tuple(leaves[:3]), leaves[3:]
        node: d.Criterion = (d.AllOf if chosen.random() < 0.6 else d.AnyOf)(criteria=some)
        leaves.append(d.Not(criterion=node) if chosen.random() < 0.15 else node)
    return leaves[0]


def _leaf(chosen: random.Random, longest_days: int) -> d.Criterion:
    roll = chosen.random()
    if roll < 0.2:
        return _trait(chosen)
    event = d.EventSelector(kind=d.EventKind.CUSTOM, name=_event_name(chosen), where=_where(chosen))
    days = min(chosen.choice([3, 7, 7, 14, 30, 30, 90]), longest_days)
    window = w.WithinLast(duration=w.Duration(amount=days, unit=w.Unit.DAYS))
    if roll < 0.3:
        test = v.NumberTest(operator=v.NumberOperator.GREATER_OR_EQUAL, value=chosen.choice([100, 200, 500]))
        sum_of = d.AggregateFunction.SUM
        return d.AggregateCriterion(event=event, function=sum_of, attribute="price", window=window, test=test)
    operator = chosen.choice([v.NumberOperator.GREATER_OR_EQUAL] * 3 + [v.NumberOperator.LESS_THAN])
    frequency = d.Compare(operator=operator, value=chosen.choice([1, 1, 2, 3, 5]))
    return d.EventCriterion(event=event, window=window, frequency=frequency)


def _event_name(chosen: random.Random) -> str:
    return chosen.choice(EVENT_NAMES)


def _where(chosen: random.Random) -> tuple[v.Condition, ...]:
    roll = chosen.random()
    if roll < 0.8:
        return ()
    if roll < 0.87:
        test: v.Test = v.StringTest(operator=v.StringOperator.CONTAINS, value=f"category {chosen.randrange(5)}")
        return (v.Condition(attribute="category", test=test),)
    if roll < 0.93:
        first = 5 * chosen.randrange(6)
        return (v.Condition(attribute="category", test=v.StringInTest(values=CATEGORIES[first : first + 5])),)
    test = v.NumberTest(operator=v.NumberOperator.GREATER_THAN, value=chosen.choice([20, 50, 100]))
    return (v.Condition(attribute="price", test=test),)


def _trait(chosen: random.Random) -> d.Criterion:
    if chosen.random() < 0.5:
        test: v.Test = v.StringTest(operator=v.StringOperator.EQUALS, value=chosen.choice(TIERS).upper())
        return d.UserAttributeCriterion(attribute="tier", test=test)
    test = v.StringInTest(values=COUNTRIES[(first := 3 * chosen.randrange(8)) : first + 6])
    return d.UserAttributeCriterion(attribute="country", test=test)
