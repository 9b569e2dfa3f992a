"""Every criterion as one sentence of plain English, for explanations, warnings and consoles."""

from collections.abc import Mapping
from typing import assert_never

from audience_core.domain.definition import (
    AggregateCriterion,
    AggregateFunction,
    AllOf,
    AnyOf,
    AttributeLevel,
    AudienceMembershipCriterion,
    CartAbandonmentCriterion,
    Consent,
    ConsentCriterion,
    Criterion,
    DeviceCriterion,
    EventCriterion,
    FirstSeenCriterion,
    IdentityCriterion,
    InstallAttributionCriterion,
    LastSeenCriterion,
    LocationCriterion,
    LocationWithinCriterion,
    Not,
    OccurrenceCriterion,
    SequenceCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.ids import AudienceId
from audience_core.evaluation.phrases import (
    duration_phrase,
    events_phrase,
    frequency_phrase,
    number,
    quoted,
    test_phrase,
    window_phrase,
)

_FIGURES = {
    AggregateFunction.SUM: "sum of",
    AggregateFunction.MIN: "smallest",
    AggregateFunction.MAX: "largest",
    AggregateFunction.AVERAGE: "average",
    AggregateFunction.DISTINCT_COUNT: "number of different values of",
    AggregateFunction.FIRST_VALUE: "first",
    AggregateFunction.LAST_VALUE: "last",
}


def sentence(criterion: Criterion, names: Mapping[AudienceId, str]) -> str:
    """What a criterion asks of a user; of logic, how its parts are combined, not what they are.

    Args:
        names: of audiences by id; one that is not among them is called by its id.
    """
    phrase = _phrase(criterion, names)
    return f"{phrase[0].upper()}{phrase[1:]}."


def spelled_out(criterion: Criterion, names: Mapping[AudienceId, str]) -> str:
    """The whole of a definition as one sentence, what logic combines included.

    Args:
        names: as of `sentence`.
    """
    phrase = _spelled_out(criterion, names)
    first = len(phrase) - len(phrase.lstrip("("))
    return f"{phrase[:first]}{phrase[first].upper()}{phrase[first + 1 :]}."


def _spelled_out(criterion: Criterion, names: Mapping[AudienceId, str]) -> str:
    match criterion:
        case AllOf(criteria=criteria):
            return ", and ".join(_inside(each, names) for each in criteria)
        case AnyOf(criteria=criteria):
            return ", or ".join(_inside(each, names) for each in criteria)
        case Not(criterion=inner):
            return f"it is not true that {_inside(inner, names)}"
        case _:
            return _phrase(criterion, names)


def _inside(criterion: Criterion, names: Mapping[AudienceId, str]) -> str:
    """In brackets where the sentence could be read in two ways."""
    phrase = _spelled_out(criterion, names)
    is_several = isinstance(criterion, AllOf | AnyOf) and len(criterion.criteria) > 1
    return f"({phrase})" if is_several else phrase


def _phrase(criterion: Criterion, names: Mapping[AudienceId, str]) -> str:  # noqa: C901  (one arm per criterion)
    match criterion:
        case AllOf(criteria=criteria):
            return f"all of these {len(criteria)} hold" if len(criteria) > 1 else "this holds"
        case AnyOf(criteria=criteria):
            return f"at least one of these {len(criteria)} holds" if len(criteria) > 1 else "this holds"
        case Not():
            return "this does not hold"
        case EventCriterion(event=event, window=window, frequency=frequency):
            return f"{events_phrase(event)} happened {frequency_phrase(frequency)} {window_phrase(window)}"
        case AggregateCriterion():
            return _aggregate(criterion)
        case OccurrenceCriterion(event=event, which=which, window=window):
            return f"the {which.value} {events_phrase(event)} happened {window_phrase(window)}"
        case SequenceCriterion():
            return _sequence(criterion)
        case CartAbandonmentCriterion(after=after, window=window):
            purchase = f"nothing was purchased for {duration_phrase(after)} after that"
            return f"something was added to the cart {window_phrase(window)}, and {purchase}"
        case UserAttributeCriterion(attribute=attribute, level=level, test=test):
            where = " in any workspace" if level is AttributeLevel.ACCOUNT else ""
            return f"the user attribute {quoted(attribute)}{where} {test_phrase(test)}"
        case IdentityCriterion(identity_type=identity_type, test=test):
            return f"the identity {quoted(identity_type)} {test_phrase(test)}"
        case FirstSeenCriterion(window=window):
            return f"the user was first seen {window_phrase(window)}"
        case LastSeenCriterion(window=window):
            return f"the user was last seen {window_phrase(window)}"
        case DeviceCriterion(field=field, test=test):
            return f"the {quoted(field)} of a device {test_phrase(test)}"
        case LocationCriterion(field=place, test=test):
            return f"the latest known {place.value.replace('_', ' ')} {test_phrase(test)}"
        case LocationWithinCriterion():
            point = f"latitude {number(criterion.latitude)}, longitude {number(criterion.longitude)}"
            return f"the latest known place lies within {number(criterion.distance_km)} km of {point}"
        case ConsentCriterion(regulation=regulation, purpose=purpose, state=state):
            given = "was given" if state is Consent.PRESENT else "was not given"
            return f"{regulation.upper()} consent for {quoted(purpose)} {given}"
        case InstallAttributionCriterion(field=field, test=test):
            return f"the {field} that brought the install {test_phrase(test)}"
        case AudienceMembershipCriterion(audience_id=audience_id):
            name = names.get(AudienceId(audience_id))
            return f"the user is in the audience {quoted(name) if name else audience_id}"
        case _:
            assert_never(criterion)


def _aggregate(criterion: AggregateCriterion) -> str:
    figure = f"the {_FIGURES[criterion.function]} {quoted(criterion.attribute)}"
    events = f"over each {events_phrase(criterion.event)} {window_phrase(criterion.window)}"
    return f"{figure} {events} {test_phrase(criterion.test)}"


def _sequence(criterion: SequenceCriterion) -> str:
    steps = ", then ".join(map(events_phrase, criterion.steps))
    within = f" within {duration_phrase(criterion.within)}" if criterion.within else ""
    return f"one after another{within}: {steps}; all of it {window_phrase(criterion.window)}"
