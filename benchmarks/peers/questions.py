"""The workload's definitions as other engines are asked them: measures per user, thresholds, lists of texts.

Texts are compared by the product's own predicates beforehand, and engines are given the values that pass: their own
string functions fold other characters than ours.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.audience import Audience
from audience_core.domain.ids import AudienceId
from audience_core.evaluation.predicates import predicate
from audience_core.evaluation.values import MICROS
from audience_core.evaluation.windows import span_of
from benchmarks import workload

NOW = workload.END
OPERATORS = {"greater_than": ">", "greater_or_equal": ">=", "less_than": "<", "less_or_equal": "<="}
_VALUES = {"category": workload.CATEGORIES, "tier": workload.TIERS, "country": workload.COUNTRIES}


@dataclass(frozen=True, slots=True)
class Measure:
    """A count, or the sum of prices, of a user's events of one name since an instant.

    Args:
        categories: those that pass; None: all. price_above: millionths; None: any event, priced or not.
    """

    name: str
    since: int
    is_sum: bool
    categories: tuple[str, ...] | None = None
    price_above: int | None = None


@dataclass(frozen=True, slots=True)
class Dialect[T]:
    """How an engine says the parts of a definition."""

    threshold: Callable[[Measure, str, int], T]
    one_of: Callable[[str, tuple[str, ...]], T]
    all_of: Callable[[list[T]], T]
    any_of: Callable[[list[T]], T]
    negation: Callable[[T], T]


def expression[T](criterion: d.Criterion, dialect: Dialect[T]) -> T:
    match criterion:
        case d.AllOf(criteria=criteria):
            return dialect.all_of([expression(each, dialect) for each in criteria])
        case d.AnyOf(criteria=criteria):
            return dialect.any_of([expression(each, dialect) for each in criteria])
        case d.Not(criterion=inner):
            return dialect.negation(expression(inner, dialect))
        case d.UserAttributeCriterion(attribute=name, test=test):
            return dialect.one_of(name, _passing(name, test))
        case _:
            return dialect.threshold(*threshold(criterion))


def threshold(criterion: d.Criterion) -> tuple[Measure, str, int]:
    """(measure, comparison, number)."""
    match criterion:
        case d.EventCriterion(event=event, window=window, frequency=d.Compare(operator=operator, value=value)):
            return _measure(event, window, is_sum=False), OPERATORS[operator], value
        case d.AggregateCriterion(event=event, window=window, test=v.NumberTest(operator=operator, value=number)):
            return _measure(event, window, is_sum=True), OPERATORS[operator], round(number * MICROS)
    raise TypeError(f"not in the workload: {criterion.type}")


def measures(audiences: Iterable[Audience]) -> list[Measure]:
    """All that the audiences need, each once."""
    found: dict[Measure, None] = {}
    collect: Dialect[None] = Dialect(
        lambda measure, _operator, _value: found.update({measure: None}),
        lambda _name, _values: None,
        lambda _parts: None,
        lambda _parts: None,
        lambda _part: None,
    )
    for audience in audiences:
        expression(audience.definition.root, collect)
    return list(found)


def _measure(event: d.EventSelector, window: w.Window, *, is_sum: bool) -> Measure:
    categories, price_above = None, None
    for condition in event.where:
        if condition.attribute == "category":
            categories = _passing("category", condition.test)
        elif isinstance(condition.test, v.NumberTest):
            price_above = round(condition.test.value * MICROS)
    return Measure(event.name or "", NOW - span_of(window).older, is_sum, categories, price_above)


def _passing(name: str, test: v.Test) -> tuple[str, ...]:
    return tuple(filter(predicate(test), _VALUES[name]))


def read_audiences(folder: Path, count: int) -> list[Audience]:
    """Read as a worker does."""
    return [
        Audience.model_validate_json(line) for line in workload.audiences_file(folder, count).read_bytes().splitlines()
    ]


class Stopwatch:
    """Counts from after the imports, which a process pays once, until the engine has its answer."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> dict[str, float]:
        return {"wall": time.perf_counter() - self._wall, "cpu": time.process_time() - self._cpu}


def packed(rows: npt.NDArray[Any], size: int) -> npt.NDArray[np.uint8]:
    """Rows of users, in any order, as bits."""
    is_member = np.zeros(size, bool)
    is_member[rows] = True
    return np.packbits(is_member)


def report(seconds: Mapping[str, float], members: Mapping[AudienceId, npt.NDArray[np.uint8]]) -> None:
    """Print how long it took, and a digest of who the members are, from their bits."""
    digest = hashlib.sha256()
    for audience_id in sorted(members):
        digest.update(members[audience_id].tobytes())
    print(json.dumps({"digest": digest.hexdigest(), "seconds": seconds}))
