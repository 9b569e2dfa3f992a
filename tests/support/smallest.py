"""Makes a failing world smaller for as long as it fails: greedy, cheap, and good enough to read."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from audience_core.domain import definition as d
from audience_core.domain.audience import Audience
from audience_core.domain.event import Event, EventBatch
from audience_core.domain.ids import AudienceId
from tests.support.agreement import Disagreement, Engines, World, check
from tests.support.histories import Step

TRIES = 2000


def smallest(world: World, error: Disagreement, engines: Engines) -> tuple[World, Disagreement]:
    tries, alone = 0, replace(world, histories=(world.histories[error.user],))
    candidates: Iterator[World] = iter((alone, *_smaller(world)))
    while tries < TRIES and (candidate := next(candidates, None)) is not None:
        tries += 1
        try:
            check(candidate, engines)
        except Disagreement as again:
            world, error, candidates = candidate, again, _smaller(candidate)
    return world, error


def _smaller(world: World) -> Iterator[World]:
    if world.moments:
        yield replace(world, moments=())
        yield from (replace(world, moments=(moment,)) for moment in world.moments if len(world.moments) > 1)
    before, after = world.portfolios
    yield from (replace(world, portfolios=(each, each)) for each in (before, after) if before is not after)
    for each in _smaller_portfolios(before):
        yield replace(world, portfolios=(each, each if after is before else after))
    if after is not before:
        yield from (replace(world, portfolios=(before, each)) for each in _smaller_portfolios(after))
    if len(world.histories) > 1:
        return
    for steps in _smaller_histories(world.histories[0]):
        yield replace(world, histories=(steps,))


def _smaller_portfolios(portfolio: Mapping[AudienceId, Audience]) -> Iterator[dict[AudienceId, Audience]]:
    for audience_id in portfolio:
        yield {key: each for key, each in portfolio.items() if key != audience_id}
    for audience_id, audience in portfolio.items():
        for root in _smaller_criteria(audience.definition.root):
            smaller = audience.model_copy(update={"definition": d.Definition(root=root)})
            yield {**portfolio, audience_id: smaller}


def _smaller_criteria(criterion: Any) -> Iterator[Any]:
    match criterion:
        case d.AllOf(criteria=parts) | d.AnyOf(criteria=parts):
            yield from parts
            for index, part in enumerate(parts):
                rest = parts[:index], parts[index + 1 :]
                if len(parts) > 1:
                    yield criterion.model_copy(update={"criteria": rest[0] + rest[1]})
                for each in _smaller_criteria(part):
                    yield criterion.model_copy(update={"criteria": (*rest[0], each, *rest[1])})
        case d.Not(criterion=inner):
            yield inner
            yield from (d.Not(criterion=each) for each in _smaller_criteria(inner))
        case d.EventCriterion(event=selector) | d.AggregateCriterion(event=selector):
            for each in _smaller_selectors(selector):
                yield criterion.model_copy(update={"event": each})


def _smaller_selectors(selector: d.EventSelector) -> Iterator[d.EventSelector]:
    for field in ("where", "products"):
        conditions = getattr(selector, field)
        for index in range(len(conditions)):
            yield selector.model_copy(update={field: conditions[:index] + conditions[index + 1 :]})


def _smaller_histories(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for index, step in enumerate(steps):
        rest = steps[:index], steps[index + 1 :]
        yield rest[0] + rest[1]
        for each in _smaller_steps(step):
            yield (*rest[0], each, *rest[1])


def _smaller_steps(step: Step) -> Iterator[Step]:
    if step.visits:
        yield from (replace(step, visits=visits) for visits in {0, step.visits - 1})
    if step.prunes:
        yield replace(step, prunes=False)
    if step.batch is not None:
        for batch in _smaller_batches(step.batch):
            yield replace(step, batch=batch)


def _smaller_batches(batch: EventBatch) -> Iterator[EventBatch]:
    nothing: dict[str, Any] = {key: {} for key in ("attributes", "device", "location", "consents", "attribution")}
    nothing |= dict.fromkeys(("deleted_attributes", "identities"), ())
    for name, empty in nothing.items():
        if getattr(batch, name):
            yield replace(batch, **{name: empty})
    events = batch.events
    for index, event in enumerate(events):
        yield replace(batch, events=events[:index] + events[index + 1 :])
        for each in _smaller_events(event):
            yield replace(batch, events=(*events[:index], each, *events[index + 1 :]))


def _smaller_events(event: Event) -> Iterator[Event]:
    if event.products:
        yield replace(event, products=event.products[:-1])
    for name in event.attributes:
        yield replace(event, attributes={key: each for key, each in event.attributes.items() if key != name})
