"""The data path in memory: an account with audiences, a pipeline over memory stores, and what is known in the end."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.account import Account, LoginStrategy
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment, Source
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.domain.messages import AcceptedBatch, PipelineMessage
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import MemoryArchive, MemoryEventQueue
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.pipeline.process import Pipeline, process
from audience_core.pipeline.programs import Programs

NOW = 1_795_525_200_000  # 2026-11-24T13:00:00Z
HOUR, DAY = 3_600_000, 86_400_000
ACCOUNT, WORKSPACE = AccountId(7), WorkspaceId("w-000000000001")
SOURCE = Source(ACCOUNT, WORKSPACE, InputId("i-000000000001"))
OTHER_SOURCE = Source(ACCOUNT, WorkspaceId("w-000000000002"), InputId("i-000000000002"))
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class Population:
    """One account's users, fed and looked at."""

    def __init__(self, *definitions: d.Criterion, strategy: LoginStrategy | None = None) -> None:
        self.accounts, self.audiences = MemoryAccountStore(), MemoryAudienceStore()
        self.identities, self.profiles = MemoryIdentityStore(), MemoryProfileStore()
        self.events, self.archive = MemoryEventQueue(), MemoryArchive()
        self.accounts.create(Account(account_id=ACCOUNT, name="Shop", strategy=strategy or LoginStrategy()))
        for root in definitions:
            self.activate(root)

    def activate(self, root: d.Criterion) -> Audience:
        audience_id = self.audiences.next_id(ACCOUNT)
        return self.audiences.publish(an_audience(audience_id, root))

    def pipeline(self, **replaced: Any) -> Pipeline:
        """A worker of its own, with nothing cached."""
        given: dict[str, Any] = {"identities": self.identities, "profiles": self.profiles, "events": self.events}
        programs = Programs(self.accounts, self.audiences)
        return Pipeline(programs=programs, archive=self.archive, **given | replaced)

    def take(self, messages: Iterable[PipelineMessage], now: int = NOW) -> None:
        """Process one message group, and whatever it sent on, until the queue is empty."""
        group: Sequence[PipelineMessage] = list(messages)
        while group:
            process(self.pipeline(), group, now)
            group = self.events.take()

    def everybody(self, environment: Environment = Environment.PRODUCTION) -> list[Profile]:
        pages = [self.profiles.page(ACCOUNT, environment, bucket, None, 10_000) for bucket in range(BUCKETS)]
        return list(itertools.chain.from_iterable(page.items for page in pages))

    def customer(self, customer_id: str) -> Profile:
        (found,) = [p for p in self.everybody() if any(i.value == customer_id for i in p.identities)]
        return found


def an_audience(audience_id: AudienceId, root: d.Criterion, **given: Any) -> Audience:
    defaults: dict[str, Any] = {
        "account_id": ACCOUNT,
        "audience_id": audience_id,
        "name": f"Audience {audience_id}",
        "status": AudienceStatus.ACTIVE,
        "workspaces": (SOURCE.workspace_id, OTHER_SOURCE.workspace_id),
        "inputs": (SOURCE.input_id, OTHER_SOURCE.input_id),
        "definition": d.Definition(root=root),
        "created_by": "test",
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
    }
    return Audience(**defaults | given)


def a_batch(number: int, customer: str | None = "c-1", received_at: int = NOW, **body: Any) -> AcceptedBatch:
    """An accepted batch; `source` may be given among the fields of the body."""
    source = body.pop("source", SOURCE)
    if customer is not None:
        body.setdefault("user_identities", {})["customer_id"] = customer
    return AcceptedBatch(source, f"request-{number}", received_at, body)


def custom_event(name: str, at: int, event_id: str, **attributes: Any) -> dict[str, Any]:
    data = {
        "event_name": name,
        "custom_event_type": "other",
        "timestamp_unixtime_ms": at,
        "source_message_id": event_id,
        "custom_attributes": attributes,
    }
    return {"event_type": "custom_event", "data": data}


def at_least(count: int, name: str, days: int = 30) -> d.EventCriterion:
    return d.EventCriterion(
        event=d.EventSelector(kind=d.EventKind.CUSTOM, name=name),
        window=w.WithinLast(duration=w.Duration(amount=days, unit=w.Unit.DAYS)),
        frequency=d.Compare(operator=v.NumberOperator.GREATER_OR_EQUAL, value=count),
    )


def fewer_than(count: int, name: str, days: int = 30) -> d.Not:
    return d.Not(criterion=at_least(count, name, days))


def tier_is(tier: str) -> d.UserAttributeCriterion:
    test = v.StringTest(operator=v.StringOperator.EQUALS, value=tier)
    return d.UserAttributeCriterion(attribute="tier", test=test)
