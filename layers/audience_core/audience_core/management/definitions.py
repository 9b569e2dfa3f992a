"""Checks of a definition that its types alone cannot make; each problem names its path in the tree."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from audience_core.domain.audience import Audience, AudienceKind
from audience_core.domain.definition import (
    MAX_CRITERIA,
    MAX_DEPTH,
    AggregateCriterion,
    AggregateFunction,
    AllOf,
    AnyOf,
    AudienceMembershipCriterion,
    CountBetween,
    Criterion,
    Definition,
    Not,
)
from audience_core.domain.ids import AudienceId
from audience_core.domain.value_tests import NumberBetweenTest, NumberInTest, NumberTest
from audience_core.domain.windows import BetweenAgo, BetweenDates, Duration, Node, Unit
from audience_core.errors import InvalidDefinitionError
from audience_core.management.problems import Problem, pointer, problems_of

# A stored item holds 400 kB; a definition of this length fits even if it does not compress.
MAX_JSON_BYTES = 300_000
_MINUTES = {Unit.MINUTES: 1, Unit.HOURS: 60, Unit.DAYS: 1440, Unit.WEEKS: 10_080}
_FIGURE_TESTS = (NumberTest, NumberInTest, NumberBetweenTest)
_ANY_VALUE = {AggregateFunction.FIRST_VALUE, AggregateFunction.LAST_VALUE}


def parse(sent: Any, prefix: str = "/definition") -> Definition:
    """Read a definition from parsed JSON; raise `InvalidDefinitionError` with a problem for each field."""
    try:
        return Definition.model_validate(sent)
    except ValidationError as error:
        problems = problems_of(error.errors(include_url=False), sent, prefix)
        raise InvalidDefinitionError("the definition cannot be read", problems) from error


def require_sound(
    definition: Definition,
    others: Mapping[AudienceId, Audience],
    audience_id: AudienceId | None = None,
    prefix: str = "/definition",
) -> None:
    """Raise `InvalidDefinitionError` for limits, windows and nesting.

    Args:
        others: every audience of the account by id; the only ones that may be nested.
        audience_id: of the audience that gets the definition; None while it has none yet.
    """
    problems = (
        *_size_problems(definition, prefix),
        *(
            problem
            for path, node in _nodes(definition.root, f"{prefix}/root")
            for problem in _node_problems(path, node)
        ),
        *_nesting_problems(definition, others, audience_id, prefix),
    )
    if problems:
        raise InvalidDefinitionError("the definition is not sound", problems)


def nested(definition: Definition) -> frozenset[AudienceId]:
    """The audiences whose membership the definition reads."""
    return frozenset(AudienceId(node.audience_id) for _, node in _memberships(definition, ""))


def _size_problems(definition: Definition, prefix: str) -> Iterator[Problem]:
    if _depth(definition.root) > MAX_DEPTH:
        yield f"{prefix}/root", f"all_of, any_of and not may be nested {MAX_DEPTH} deep"
    if _count(definition.root) > MAX_CRITERIA:
        yield f"{prefix}/root", f"a definition may have {MAX_CRITERIA} criteria"
    if len(definition.model_dump_json().encode()) > MAX_JSON_BYTES:
        yield f"{prefix}/root", f"a definition may be {MAX_JSON_BYTES} bytes of JSON"


def _children(criterion: Criterion) -> tuple[Criterion, ...]:
    match criterion:
        case AllOf(criteria=criteria) | AnyOf(criteria=criteria):
            return criteria
        case Not(criterion=inner):
            return (inner,)
        case _:
            return ()


def _depth(criterion: Criterion) -> int:
    """Levels of logic: 0 for a single condition."""
    children = _children(criterion)
    return 1 + max(map(_depth, children)) if children else 0


def _count(criterion: Criterion) -> int:
    children = _children(criterion)
    return sum(map(_count, children)) if children else 1


def _nodes(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """The node and all below it, criteria and their parts alike."""
    yield path, node
    for name in type(node).model_fields:
        value = getattr(node, name)
        for place, part in enumerate(value) if isinstance(value, tuple) else [(None, value)]:
            if isinstance(part, Node):
                yield from _nodes(part, pointer(path, name) if place is None else pointer(path, name, place))


def _node_problems(path: str, node: Node) -> Iterator[Problem]:
    match node:
        case BetweenAgo(older=older, newer=newer) if _minutes(older) < _minutes(newer):
            yield f"{path}/older", "must lie at least as far back as newer"
        case BetweenDates(start=start, end=end) if start > end:
            yield f"{path}/start", "must not be after end"
        case NumberBetweenTest(min=low, max=high) | CountBetween(min=low, max=high) if low > high:
            yield f"{path}/min", "must not be more than max"
        case AggregateCriterion(function=function, test=test) if function not in _ANY_VALUE:
            if not isinstance(test, _FIGURE_TESTS):
                yield f"{path}/test", f"{function} is a number: test it as one"
        case _:
            return


def _minutes(duration: Duration) -> int:
    return duration.amount * _MINUTES[duration.unit]


def _memberships(definition: Definition, prefix: str) -> Iterator[tuple[str, AudienceMembershipCriterion]]:
    for path, node in _nodes(definition.root, f"{prefix}/root"):
        if isinstance(node, AudienceMembershipCriterion):
            yield path, node


def _nesting_problems(
    definition: Definition, others: Mapping[AudienceId, Audience], audience_id: AudienceId | None, prefix: str
) -> Iterator[Problem]:
    """Nesting is one level deep, so an audience that is nested nests none itself; which rules out cycles, too."""
    readers = [other for other in others.values() if audience_id in nested(other.definition)]
    for path, node in _memberships(definition, prefix):
        target = others.get(AudienceId(node.audience_id))
        if target is None:
            yield f"{path}/audience_id", f"there is no audience {node.audience_id}"
        elif node.audience_id == audience_id:
            yield f"{path}/audience_id", "an audience cannot be part of its own definition"
        elif target.kind is AudienceKind.LIFETIME:
            yield (
                f"{path}/audience_id",
                f"audience {node.audience_id} is a lifetime one: a part must be real-time",
            )
        elif nested(target.definition):
            yield f"{path}/audience_id", f"audience {node.audience_id} itself depends on the membership of another"
        elif readers:
            names = ", ".join(f"{reader.name} ({reader.audience_id})" for reader in readers)
            yield path, f"this audience is part of {names}, so it cannot depend on the membership of another"
