"""Warnings about a definition that is sound but will hardly do what its author expects."""

import difflib
from collections.abc import Collection, Iterator
from enum import StrEnum

from audience_core.domain.definition import (
    AggregateCriterion,
    AllOf,
    AnyOf,
    CartAbandonmentCriterion,
    Criterion,
    EventCriterion,
    FirstSeenCriterion,
    IdentityCriterion,
    LastSeenCriterion,
    OccurrenceCriterion,
    SequenceCriterion,
)
from audience_core.domain.identities import IDENTITY_TYPES
from audience_core.domain.ids import DAY_MS
from audience_core.domain.windows import Window
from audience_core.evaluation.constants import attribute_conflicts, constant
from audience_core.evaluation.explanation import Part, moment
from audience_core.evaluation.paths import ROOT, criteria, parts
from audience_core.evaluation.phrases import quoted, window_phrase
from audience_core.evaluation.vocabulary import Question, Vocabulary
from audience_core.evaluation.windows import Span, span_of
from audience_core.evaluation.wording import sentence

_LAST_MS = 253_402_300_799_999


class FindingCode(StrEnum):
    NEVER_HOLDS = "never_holds"
    ALWAYS_HOLDS = "always_holds"
    SINGLE_VALUE_CONFLICT = "single_value_conflict"
    EMPTY_WINDOW = "empty_window"
    WINDOW_EXCEEDS_LOOK_BACK = "window_exceeds_look_back"
    WINDOW_OUTSIDE_LOOK_BACK = "window_outside_look_back"
    DATE_OUTLIVES_LOOK_BACK = "date_outlives_look_back"
    TYPE_NEVER_FITS = "type_never_fits"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_IDENTITY_TYPE = "unknown_identity_type"


class Finding(Part):
    """A warning.

    Args:
        path: JSON pointer into the body that creates the audience.
        suggestion: what to do about it; empty if there is nothing to say.
    """

    path: str
    code: FindingCode
    message: str
    suggestion: str = ""


def lint(root: Criterion, look_back_days: int, now: int, known: Vocabulary) -> tuple[Finding, ...]:
    """What is odd about a definition, in its own order.

    Args:
        now: UTC ms.
        known: taught by a sample of the account's users; without users, nothing is said about names and types.
    """
    found = [
        *_constants(root, look_back_days * DAY_MS, now),
        *_windows(root, look_back_days, now),
        *_identity_types(root),
        *(_unknown_events(known) if known.profiles else ()),
        *(finding for question in known.questions for finding in _values(question, known)),
    ]
    order = {path: place for place, (path, _) in enumerate(criteria(root))}
    return tuple(sorted(found, key=lambda each: _place(each.path, order)))


def _place(path: str, order: dict[str, int]) -> int:
    """Of the criterion that a path lies in."""
    while path not in order:
        path = path.rpartition("/")[0]
    return order[path]


def _constants(root: Criterion, look_back_ms: int, now: int) -> Iterator[Finding]:
    for path, criterion in criteria(root):
        known = constant(criterion, look_back_ms, now)
        is_inherited = any(constant(part, look_back_ms, now) for _, part in parts(criterion, path))
        if known and (path == ROOT or not is_inherited):
            who = "everybody meets" if known.value else "nobody can ever meet"
            message = f"{who} this: {known.because}. It reads: {sentence(criterion, {})}"
            advice = "remove it" if known.value else "change or remove it"
            code = FindingCode.ALWAYS_HOLDS if known.value else FindingCode.NEVER_HOLDS
            yield Finding(path=path, code=code, message=message, suggestion=advice)
        if isinstance(criterion, AllOf):
            for one, other in attribute_conflicts(criterion.criteria):
                message = f"no single value passes both: {sentence(one, {})} {sentence(other, {})}"
                advice = f"if either will do, combine them with {AnyOf.model_fields['type'].default}"
                yield Finding(path=path, code=FindingCode.SINGLE_VALUE_CONFLICT, message=message, suggestion=advice)


def _windows(root: Criterion, look_back_days: int, now: int) -> Iterator[Finding]:
    for path, criterion in criteria(root):
        match criterion:
            case (
                EventCriterion(window=window)
                | AggregateCriterion(window=window)
                | OccurrenceCriterion(window=window)
                | SequenceCriterion(window=window)
                | CartAbandonmentCriterion(window=window)
            ):
                yield from _window(f"{path}/window", window, look_back_days, now)
            case FirstSeenCriterion(window=window) | LastSeenCriterion(window=window):
                if _is_empty(span_of(window)):
                    yield _empty_window(f"{path}/window", window)
            case _:
                continue


def _is_empty(span: Span) -> bool:
    return span.is_moving and span.newer >= span.older


def _empty_window(path: str, window: Window) -> Finding:
    message = f"“{window_phrase(window)}” is a single instant, which nothing ever falls into for long"
    return Finding(path=path, code=FindingCode.EMPTY_WINDOW, message=message, suggestion="make the window longer")


def _window(path: str, window: Window, look_back_days: int, now: int) -> Iterator[Finding]:
    span = span_of(window)
    if _is_empty(span):
        yield _empty_window(path, window)
        return
    seen = f"the audience sees the events of the last {look_back_days} days only"
    advice = "use a window such as “in the last 7 days”, or a lifetime audience"
    for code, message in _beyond(span, look_back_days * DAY_MS, now):
        yield _finding(path, code, f"{seen}: {message}", advice)


def _beyond(span: Span, look_back_ms: int, now: int) -> Iterator[tuple[FindingCode, str]]:
    """How a window of events goes beyond the look-back, now or later."""
    is_outside = span.newer > look_back_ms if span.is_moving else span.last < now - look_back_ms
    exceeds = span.older > look_back_ms if span.is_moving else span.first < now - look_back_ms
    if is_outside:
        yield FindingCode.WINDOW_OUTSIDE_LOOK_BACK, "none of them lies in this window"
    elif exceeds:
        yield FindingCode.WINDOW_EXCEEDS_LOOK_BACK, "what this window reaches beyond that counts as not happened"
    elif not span.is_moving:
        yield FindingCode.DATE_OUTLIVES_LOOK_BACK, _forgotten(span.first + look_back_ms)


def _forgotten(at: int) -> str:
    day = f"from {moment(at).date().isoformat()} on" if at <= _LAST_MS else "in time"
    return f"{day}, events of these dates are forgotten one by one and members drop out"


def _identity_types(root: Criterion) -> Iterator[Finding]:
    for path, criterion in criteria(root):
        if isinstance(criterion, IdentityCriterion) and criterion.identity_type not in IDENTITY_TYPES:
            name = criterion.identity_type
            message = f"there is no identity type {quoted(name)}"
            advice = _nearest(name, IDENTITY_TYPES)
            yield _finding(f"{path}/identity_type", FindingCode.UNKNOWN_IDENTITY_TYPE, message, advice)


def _unknown_events(known: Vocabulary) -> Iterator[Finding]:
    for path, selector in known.selectors:
        name, seen = selector.name, known.events[selector.kind]
        if name is None or name in seen:
            continue
        message = f"none of the {known.profiles} users looked at has an event {quoted(name)} of kind {selector.kind}"
        advice = _nearest(name, seen)
        if name in known.elsewhere[selector.kind]:
            message += " from this audience's inputs"
            advice = "it comes from inputs or workspaces that the audience does not read: choose those too"
        yield _finding(f"{path}/name", FindingCode.UNKNOWN_EVENT, message, advice)


def _values(question: Question, known: Vocabulary) -> Iterator[Finding]:
    path, source, name, kind = question
    names, tally = known.names[source], known.tallies[source, name, kind]
    if names and not tally.values:
        message = f"none of the {known.profiles} users looked at has a value of {quoted(name)}"
        yield _finding(path, FindingCode.UNKNOWN_ATTRIBUTE, message, _nearest(name, names))
    elif tally.values and not tally.readable:
        message = f"{quoted(name)} is tested as a {kind}, but none of the {tally.values} values looked at is one"
        yield _finding(path, FindingCode.TYPE_NEVER_FITS, message, "test it as text, or correct what is sent")


def _nearest(name: str, names: Collection[str]) -> str:
    """The name that was probably meant."""
    plain = {_plain(each): each for each in sorted(names)}
    close = difflib.get_close_matches(_plain(name), plain, n=1)
    return f"did you mean {quoted(plain[close[0]])}?" if close else ""


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _finding(path: str, code: FindingCode, message: str, suggestion: str) -> Finding:
    return Finding(path=path, code=code, message=message, suggestion=suggestion)
