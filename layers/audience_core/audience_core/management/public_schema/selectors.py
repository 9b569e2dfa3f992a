"""Selectors of events and sequences out of conditions of the public schema."""

from collections.abc import Iterator, Sequence

from audience_core.domain.definition import Criterion, EventKind, EventSelector, SequenceCriterion
from audience_core.domain.value_tests import Condition, PresenceOperator, PresenceTest, Test
from audience_core.domain.windows import Duration, Window, WithinLast
from audience_core.management.public_schema.comparisons import EVER, Comparison, duration_of, test_of, window_of
from audience_core.management.public_schema.reading import Place
from audience_core.management.public_schema.vocabulary import ATTRIBUTES

_FIXED = {"type": "kind", "name": "name"}


def condition_of(condition: Place) -> tuple[EventSelector, list[Comparison]]:
    """The events that a condition chooses, and its comparisons of their time."""
    fixed: dict[str, str] = {}
    bounds: list[Comparison] = []
    where: list[Condition] = []
    for part in _conjuncts(condition):
        path = _path(part)
        if path.text() in _FIXED:
            _fix(part, _FIXED[path.text()], fixed)
        elif path.text() == "timestamp":
            bounds.append(Comparison(part))
        elif path.text().startswith(ATTRIBUTES):
            where.append(path.made(Condition, attribute=path.text().removeprefix(ATTRIBUTES), test=_test(part)))
        else:
            raise path.problem(f"cannot be converted: paths of events are type, name, timestamp, {ATTRIBUTES}")
    if not fixed:
        raise condition.problem("cannot be converted: it should say which type or name the events have")
    return condition.made(EventSelector, **{"kind": EventKind.CUSTOM, **fixed}, where=tuple(where)), bounds


def window_or_ever(bounds: Sequence[Comparison], condition: Place) -> Window:
    """Without a comparison of time: all that the look-back shows."""
    return window_of(bounds, condition, of_events=True) if bounds else WithinLast(duration=EVER)


def sequence_of(place: Place) -> Criterion:
    steps = place.only("operator", "sequence")["sequence"].items()
    selectors, windows, within = [], [], None
    for number, step in enumerate(steps):
        alias = step.only("alias", "operand", "condition")["alias"]
        selector, bounds = condition_of(step["condition"])
        if number == 0:
            first = alias.value
        elif number == len(steps) - 1:
            within, bounds = _within(bounds, first)
        selectors.append(selector)
        windows.append(window_or_ever(bounds, step["condition"]))
    if any(window != windows[0] for window in windows):
        raise place["sequence"].problem("cannot be converted: all steps should lie in one window")
    window = windows[0] if windows else WithinLast(duration=EVER)
    return place["sequence"].made(SequenceCriterion, steps=tuple(selectors), window=window, within=within)


def _within(bounds: list[Comparison], first: object) -> tuple[Duration | None, list[Comparison]]:
    """How long after the first step the last may be, and the other comparisons of its time."""
    own = [each for each in bounds if not _is_since_another(each)]
    since = [each for each in bounds if _is_since_another(each)]
    if not since:
        return None, own
    relative = since[0].right["date"]["relative"]
    since[0].at["operator"].word(["less_than_equal"])
    if len(since) > 1 or relative["relative_to"].value != {"alias": first, "path": "timestamp"}:
        raise relative.problem("cannot be converted: it should be relative to the timestamp of the first step")
    return duration_of(relative, 1), own


def _is_since_another(bound: Comparison) -> bool:
    return bound.is_of_date and "relative" in bound.right["date"] and "relative_to" in bound.right["date"]["relative"]


def _conjuncts(condition: Place) -> Iterator[Place]:
    """Every part that must hold; parts that together are one test of an attribute stay together."""
    if condition["operator"].value == "and" and not _is_of_an_attribute(condition):
        for part in condition.only("operator", "expressions")["expressions"].items():
            yield from _conjuncts(part)
    else:
        yield condition


def _is_of_an_attribute(place: Place) -> bool:
    paths = [part["left"]["path"].value for part in place["expressions"].items() if "left" in part]
    is_of_one = len(paths) == len(place["expressions"].items()) and len(set(map(str, paths))) == 1
    return is_of_one and str(paths[0]).startswith(ATTRIBUTES) and _grouped(place) is not None


def _path(part: Place) -> Place:
    """Of the operand of a comparison, of several of one operand, or of a test of presence."""
    if "expressions" in part:
        first = part["expressions"].items()[:1]
        operand = first[0]["left"] if first else part["left"]
    else:
        operand = part["operand"] if "operand" in part else part["left"]
    operand.only("model", "path")["model"].word(["events"])
    return operand["path"]


def _fix(part: Place, name: str, fixed: dict[str, str]) -> None:
    part["operator"].word(["equals"])
    if name in fixed:
        raise part.problem("cannot be converted: an event has one type and one name")
    fixed[name] = part["right"].text()


def _test(part: Place) -> Test:
    if "operand" in part:
        return PresenceTest(operator=PresenceOperator(part["operator"].word(["exists", "not_exists"])))
    test = _grouped(part) if "expressions" in part else test_of("and", [Comparison(part)], part)
    if test is None:
        raise part.problem("cannot be converted: a condition on an event is one test of one attribute")
    return test


def _grouped(place: Place) -> Test | None:
    parts = [Comparison(part.only("operator", "left", "right")) for part in place["expressions"].items()]
    is_of_one_operand = bool(parts) and all(part.left.value == parts[0].left.value for part in parts)
    return test_of(place["operator"].text(), parts, place) if is_of_one_operand else None
