"""Writes a definition in the public audience-definition schema, where that can say the same."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import assert_never

from audience_core.domain.definition import (
    AggregateCriterion,
    AllOf,
    AnyOf,
    AttributeLevel,
    AudienceMembershipCriterion,
    CartAbandonmentCriterion,
    Consent,
    ConsentCriterion,
    CountBetween,
    Criterion,
    Definition,
    DeviceCriterion,
    EventCriterion,
    EventSelector,
    FirstSeenCriterion,
    IdentityCriterion,
    InstallAttributionCriterion,
    LastSeenCriterion,
    LocationCriterion,
    LocationWithinCriterion,
    Not,
    Occurrence,
    OccurrenceCriterion,
    SequenceCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.value_tests import (
    BooleanTest,
    Condition,
    DateTest,
    ListTest,
    MembershipOperator,
    NumberBetweenTest,
    NumberInTest,
    NumberOperator,
    NumberTest,
    PresenceOperator,
    PresenceTest,
    StringInTest,
    StringOperator,
    StringTest,
    Test,
)
from audience_core.domain.windows import (
    AfterDate,
    BeforeDate,
    BetweenAgo,
    BetweenDates,
    Duration,
    OnDate,
    Unit,
    Window,
    WithinLast,
)
from audience_core.management.problems import pointer
from audience_core.management.public_schema.regexes import regex_of
from audience_core.management.public_schema.vocabulary import (
    ATTRIBUTES,
    ATTRIBUTION,
    CONSENT,
    DEVICES,
    FIRST_SEEN,
    FUNCTIONS,
    IDENTITIES,
    LAST_SEEN,
    LOCATION,
    NUMBER_OPERATORS,
    SCHEMA_VERSION,
    STRING_OPERATORS,
    USER,
    Json,
    event,
    offset,
    unsayable,
    user,
)

_OPPOSITES = {
    NumberOperator.EQUALS: NumberOperator.NOT_EQUALS,
    NumberOperator.GREATER_THAN: NumberOperator.LESS_OR_EQUAL,
    NumberOperator.LESS_THAN: NumberOperator.GREATER_OR_EQUAL,
}
_OPPOSITES |= {opposite: operator for operator, opposite in _OPPOSITES.items()}
_PRESENCE = {PresenceOperator.EXISTS: "not_exists", PresenceOperator.NOT_EXISTS: "exists"}
_NOW = Duration(amount=0, unit=Unit.DAYS)

type _ValueCriterion = (
    UserAttributeCriterion | IdentityCriterion | DeviceCriterion | LocationCriterion | InstallAttributionCriterion
)


def to_public(definition: Definition) -> Json:
    """The definition as JSON of the public schema.

    Raises:
        InvalidDefinitionError: it cannot say the same; the problem's path leads to the criterion or test.
    """
    return {"schema_version": SCHEMA_VERSION, "audience": _expression(definition.root, "/root", negated=False)}


def _expression(criterion: Criterion, path: str, *, negated: bool) -> Json:  # noqa: C901  (one arm per criterion)
    """The criterion or its complement: the public schema has no `not`, so that is pushed down to the leaves."""
    match criterion:
        case AllOf(criteria=criteria) | AnyOf(criteria=criteria):
            parts = [_expression(c, pointer(path, "criteria", i), negated=negated) for i, c in enumerate(criteria)]
            return _logical("and" if isinstance(criterion, AllOf) is not negated else "or", _kept_apart(parts))
        case Not(criterion=inner):
            return _expression(inner, f"{path}/criterion", negated=not negated)
        case AudienceMembershipCriterion(audience_id=audience_id):
            return _binary(USER, "not_in" if negated else "in", {"audience": str(audience_id)})
        case EventCriterion():
            return _counted(criterion, path, negated)
        case AggregateCriterion():
            return _figure(criterion, path, negated)
        case (
            UserAttributeCriterion(test=test)
            | IdentityCriterion(test=test)
            | DeviceCriterion(test=test)
            | LocationCriterion(test=test)
            | InstallAttributionCriterion(test=test)
        ):
            return _tested(_operand(criterion, path), test, f"{path}/test", negated=negated)
        case _ if negated:
            raise unsayable(path, f"the public schema has no negation of {criterion.type}")
        case OccurrenceCriterion() | SequenceCriterion():
            return _in_time(criterion, path)
        case FirstSeenCriterion(window=window):
            return _windowed(user(FIRST_SEEN), window, f"{path}/window")
        case LastSeenCriterion(window=window):
            return _windowed(user(LAST_SEEN), window, f"{path}/window")
        case ConsentCriterion(state=Consent.PRESENT, regulation=regulation, purpose=purpose):
            return _binary(user(f"{CONSENT}{regulation}.{purpose}"), "equals", True)
        case ConsentCriterion() | CartAbandonmentCriterion() | LocationWithinCriterion():
            raise unsayable(path, f"the public schema cannot say this: {criterion.type}")
        case _:
            assert_never(criterion)


def _logical(operator: str, expressions: Sequence[Json]) -> Json:
    return {"operator": operator, "expressions": list(expressions)}


def _kept_apart(parts: list[Json]) -> list[Json]:
    """Comparisons of one operand side by side are one test of it: criteria that only look so are kept from that."""
    is_one_test = len(parts) > 1 and all("left" in part and part["left"] == parts[0].get("left") for part in parts)
    return [*parts[:-1], _logical("and", parts[-1:])] if is_one_test else parts


def _binary(left: Json, operator: str, right: Json | str | float | bool) -> Json:
    return {"operator": operator, "left": left, "right": right}


def _operand(criterion: _ValueCriterion, path: str) -> Json:
    match criterion:
        case UserAttributeCriterion(level=AttributeLevel.ACCOUNT):
            raise unsayable(f"{path}/level", "the public schema does not tell levels of attributes apart")
        case UserAttributeCriterion(attribute=name):
            return user(ATTRIBUTES + name)
        case IdentityCriterion(identity_type=name):
            return user(IDENTITIES + name)
        case DeviceCriterion(field=name):
            return user(DEVICES + name)
        case LocationCriterion(field=name):
            return user(LOCATION + name)
        case InstallAttributionCriterion(field=name):
            return user(ATTRIBUTION + name)
        case _:
            assert_never(criterion)


def _tested(left: Json, test: Test, path: str, *, negated: bool = False) -> Json:  # noqa: C901  (one arm per test)
    match test:
        case PresenceTest(operator=PresenceOperator.EXISTS | PresenceOperator.NOT_EXISTS as operator):
            return {"operator": _PRESENCE[operator] if negated else operator.value, "operand": left}
        case PresenceTest():
            raise unsayable(path, "the public schema has no test for empty values")
        case _ if negated:
            raise unsayable(path, "the public schema has no plain complement of a test: use its negative operator")
        case StringTest(operator=StringOperator.PATTERN | StringOperator.NOT_PATTERN as operator, value=value):
            return _binary(left, "matches" if operator is StringOperator.PATTERN else "not_matches", regex_of(value))
        case StringTest(operator=operator, value=value):
            return _binary(left, STRING_OPERATORS[operator], value)
        case BooleanTest(value=value):
            return _binary(left, "equals", value)
        case StringInTest(operator=operator, values=values):
            return _one_of(left, operator is MembershipOperator.IN_LIST, values)
        case NumberTest() | NumberInTest() | NumberBetweenTest():
            return _compared(left, test, negated=False)
        case DateTest(window=window):
            return _windowed(left, window, f"{path}/window")
        case ListTest():
            raise unsayable(path, "the public schema has no tests of lists")
        case _:
            assert_never(test)


def _one_of(left: Json, is_wanted: bool, values: Sequence[str | float]) -> Json:
    operator = "equals" if is_wanted else "not_equals"
    return _logical("or" if is_wanted else "and", [_binary(left, operator, value) for value in values])


def _compared(left: Json, test: NumberTest | NumberInTest | NumberBetweenTest, *, negated: bool) -> Json:
    """Negated for figures alone: only they always have a value."""
    match test:
        case NumberTest(operator=operator, value=value):
            return _binary(left, NUMBER_OPERATORS[_OPPOSITES[operator] if negated else operator], value)
        case NumberInTest(operator=operator, values=values):
            return _one_of(left, (operator is MembershipOperator.IN_LIST) is not negated, values)
        case NumberBetweenTest(min=low, max=high):
            return _between(left, low, high, negated)
        case _:
            assert_never(test)


def _between(left: Json, low: float, high: float, negated: bool) -> Json:
    if negated:
        return _logical("or", [_binary(left, "less_than", low), _binary(left, "greater_than", high)])
    return _range(left, low, "less_than_equal", high)


def _range(left: Json, low: Json | float, up_to: str, high: Json | float) -> Json:
    return _logical("and", [_binary(left, "greater_than_equal", low), _binary(left, up_to, high)])


def _windowed(left: Json, window: Window, path: str) -> Json:
    match window:
        case WithinLast(duration=duration):
            return _range(left, _ago(duration), "less_than_equal", _ago(_NOW))
        case BetweenAgo(older=older, newer=newer):
            return _range(left, _ago(older), "less_than_equal", _ago(newer))
        case BeforeDate(date=day):
            return _binary(left, "less_than", _start(day))
        case AfterDate(date=day, inclusive=inclusive):
            return _binary(left, "greater_than_equal", _start(day) if inclusive else _end(day, path))
        case OnDate(date=day):
            return _range(left, _start(day), "less_than", _end(day, path))
        case BetweenDates(start=start, end=end):
            return _range(left, _start(start), "less_than", _end(end, path))
        case _:
            assert_never(window)


def _ago(duration: Duration) -> Json:
    return {"date": {"relative": offset(duration)}}


def _start(day: date) -> Json:
    return {"date": {"absolute": f"{day.isoformat()}T00:00:00Z"}}


def _end(day: date, path: str) -> Json:
    if day == date.max:
        raise unsayable(path, "there is no day after this one")
    return _start(day + timedelta(days=1))


def _counted(criterion: EventCriterion, path: str, negated: bool) -> Json:
    left = _aggregation("count", "id", _condition(criterion.event, criterion.window, path))
    match criterion.frequency:
        case CountBetween(min=low, max=high):
            return _between(left, low, high, negated)
        case frequency:
            operator = _OPPOSITES[frequency.operator] if negated else frequency.operator
            return _binary(left, NUMBER_OPERATORS[operator], frequency.value)


def _figure(criterion: AggregateCriterion, path: str, negated: bool) -> Json:
    function, test = FUNCTIONS.get(criterion.function), criterion.test
    if function is None or criterion.attribute.startswith("products."):
        raise unsayable(f"{path}/function", f"the public schema has no {criterion.function} of {criterion.attribute}")
    if negated and function != "sum":
        raise unsayable(path, f"the public schema has no negation of {criterion.function}, which may have no value")
    if not isinstance(test, NumberTest | NumberInTest | NumberBetweenTest):
        raise unsayable(f"{path}/test", "a figure is tested as a number")
    condition = _condition(criterion.event, criterion.window, path)
    return _compared(_aggregation(function, ATTRIBUTES + criterion.attribute, condition), test, negated=negated)


def _in_time(criterion: OccurrenceCriterion | SequenceCriterion, path: str) -> Json:
    if isinstance(criterion, SequenceCriterion):
        return _sequence(criterion, path)
    function = "min" if criterion.which is Occurrence.FIRST else "max"
    left = _aggregation(function, "timestamp", _condition(criterion.event, None, path))
    return _windowed(left, criterion.window, f"{path}/window")


def _aggregation(operator: str, path: str, condition: Json) -> Json:
    return {"operator": operator, "group_by_model": "user", "operand": event(path), "condition": condition}


def _sequence(criterion: SequenceCriterion, path: str) -> Json:
    steps = []
    for place, step in enumerate(criterion.steps):
        condition = _condition(step, criterion.window, path, f"steps/{place}")
        if criterion.within is not None and place == len(criterion.steps) - 1:
            since_first = {**offset(criterion.within, 1), "relative_to": {"alias": "step1", "path": "timestamp"}}
            until = _binary(event("timestamp"), "less_than_equal", {"date": {"relative": since_first}})
            condition["expressions"].append(until)
        steps.append({"alias": f"step{place + 1}", "operand": event("id"), "condition": condition})
    return {"operator": "then", "sequence": steps}


def _condition(selector: EventSelector, window: Window | None, path: str, name: str = "event") -> Json:
    """Which events: kind, name, conditions and window, all of one event."""
    if selector.products:
        raise unsayable(f"{path}/{name}/products", "the public schema has no conditions on one product of an event")
    parts = [_binary(event("type"), "equals", selector.kind.value)]
    if selector.name is not None:
        parts.append(_binary(event("name"), "equals", selector.name))
    parts += [_where(each, pointer(f"{path}/{name}/where", place)) for place, each in enumerate(selector.where)]
    if isinstance(window, WithinLast):  # no event lies in the future
        parts.append(_binary(event("timestamp"), "greater_than_equal", _ago(window.duration)))
    elif window is not None:
        parts.append(_windowed(event("timestamp"), window, f"{path}/window"))
    return _logical("and", parts)


def _where(condition: Condition, path: str) -> Json:
    return _tested(event(ATTRIBUTES + condition.attribute), condition.test, f"{path}/test")
