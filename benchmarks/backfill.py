"""How long the backfill of many profiles takes on the local stack: the real state machine and the real functions.

    python -m benchmarks.backfill                       # 100,000 profiles, 10 audiences
    python -m benchmarks.backfill --profiles 5000

Profiles are put into the table directly. The time is that of the execution; then every member list is compared with
what evaluating each profile once more, here, gives.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.account import Account
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.view import View
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.jobs import DynamoJobStore
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.workflows import StepFunctionsWorkflows
from local.aws import ACCESS_KEY, REGION
from local.stack import Stack, ensure_stack

ACCOUNT, WORKSPACE, INPUT = AccountId(1), WorkspaceId("w-1"), InputId("i-1")
DAY = 86_400_000
# Of the profile that is written after all others.
_LAST = AccountId(2)
TIERS = ("gold", "silver", "bronze", "tin", "none")
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def profiles(count: int, now: int) -> Iterator[Profile]:
    """About six events each over 30 days, a tier, a country and an identity."""
    chance = random.Random(2026)
    for number in range(count):
        profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(chance.randint(1, 2**63 - 1) * chance.choice((1, -1))))
        for name, values in (("tier", TIERS), ("country", ("US", "GB", "DE", "FR"))):
            key = RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, name)
            profile.registers[key] = Register(chance.choice(values), now - 40 * DAY)
        for event in sorted(_events(chance, number, now), key=lambda each: (each.at, each.event_id)):
            profile.timeline.setdefault((event.kind, event.name), []).append(event)
        profile.seen[WORKSPACE] = Seen(now - 40 * DAY, now - DAY)
        yield profile


def _events(chance: random.Random, number: int, now: int) -> Iterator[Event]:
    for place in range(chance.randint(2, 10)):
        # Never close to a whole number of days ago, so that no window opens or closes while it is measured.
        at = now - chance.randrange(30) * DAY - chance.randint(DAY // 8, DAY * 7 // 8)
        event_id = (number * 16 + place).to_bytes(8)
        if chance.random() < 0.2:
            amount = {"$total_amount": round(chance.uniform(5, 300), 2)}
            yield Event(d.EventKind.COMMERCE, "purchase", at, event_id, WORKSPACE, INPUT, amount, ())
        else:
            yield Event(d.EventKind.SCREEN_VIEW, f"Page {chance.randint(1, 8)}", at, event_id, WORKSPACE, INPUT, {}, ())


def audiences(count: int) -> list[Audience]:
    roots: list[d.Criterion] = [
        _is("tier", "gold"),
        d.AllOf(criteria=(_is("tier", "silver"), _is("country", "US"))),
        *(_did(d.EventKind.SCREEN_VIEW, f"Page {number}", 3 + number) for number in range(1, 5)),
        _did(d.EventKind.COMMERCE, "purchase", 7),
        d.AllOf(criteria=(_is("country", "DE"), _did(d.EventKind.COMMERCE, "purchase", 30, at_least=2))),
        d.AllOf(criteria=(_is("tier", "tin"), d.Not(criterion=_did(d.EventKind.SCREEN_VIEW, None, 7)))),
        d.AllOf(criteria=(_is("country", "FR"), _did(d.EventKind.SCREEN_VIEW, None, 14, at_least=4))),
    ]
    return [_audience(AudienceId(number + 1), roots[number % len(roots)]) for number in range(count)]


def _audience(audience_id: AudienceId, root: d.Criterion) -> Audience:
    return Audience(
        account_id=ACCOUNT,
        audience_id=audience_id,
        name=f"Audience {audience_id}",
        status=AudienceStatus.ACTIVE,
        workspaces=(WORKSPACE,),
        inputs=(INPUT,),
        definition=d.Definition(root=root),
        created_by="benchmark",
        created_at=_MOMENT,
        updated_at=_MOMENT,
    )


def _is(attribute: str, value: str) -> d.Criterion:
    test = v.StringTest(operator=v.StringOperator.EQUALS, value=value)
    return d.UserAttributeCriterion(attribute=attribute, test=test)


def _did(kind: d.EventKind, name: str | None, days: int, at_least: int = 1) -> d.Criterion:
    return d.EventCriterion(
        event=d.EventSelector(kind=kind, name=name),
        window=w.WithinLast(duration=w.Duration(amount=days, unit=w.Unit.DAYS)),
        frequency=d.Compare(operator=v.NumberOperator.GREATER_OR_EQUAL, value=at_least),
    )


class Account1:
    """The account's stores on the local stack."""

    def __init__(self, stack: Stack) -> None:
        resources = stack.client("cloudformation").describe_stack_resources(StackName="audiences")["StackResources"]
        physical = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
        self.accounts = DynamoAccountStore(physical["AccountsTable"], REGION)
        self.audiences = DynamoAudienceStore(physical["AudiencesTable"], REGION)
        self.profiles = DynamoProfileStore(physical["ProfilesTable"], physical["ChunksTable"], REGION)
        self.memberships = DynamoMembershipStore(physical["MembershipsTable"], physical["CountsTable"], REGION)
        self.jobs = DynamoJobStore(physical["JobsTable"], REGION)
        self.workflows = StepFunctionsWorkflows({"backfill": physical["BackfillAudience"]}, REGION)
        self.machine, self.states = physical["BackfillAudience"], stack.client("stepfunctions")

    def seed(self, count: int, now: int) -> None:
        for account_id in (ACCOUNT, _LAST):
            self.accounts.create(Account(account_id=account_id, name="Benchmark"))
        for some in batched(profiles(count, now), 100, strict=False):
            self.profiles.save_all(some, now)
        # When the last of them has come through the stream, so have all before it.
        last = Profile(_LAST, Environment.PRODUCTION, Mpid(1), memberships={AudienceId(1)})
        self.profiles.save(last, now)
        while not self.memberships.members(_LAST, AudienceId(1), None, 1).items:
            time.sleep(0.5)

    def fill(self, count: int) -> float:
        """Seconds from the start of the execution to its end."""
        wanted = audiences(count)
        self.audiences.advance(
            ACCOUNT, lambda version: ([each.model_copy(update={"program_version": version}) for each in wanted], ())
        )
        started = time.monotonic()
        run = self.workflows.start_backfill(ACCOUNT, 1)
        arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{run}"
        while (status := self.states.describe_execution(executionArn=arn)["status"]) == "RUNNING":
            time.sleep(2)
            self._show(time.monotonic() - started)
        if status != "SUCCEEDED":
            raise SystemExit(f"the execution ended in {status}: {self.jobs.list(ACCOUNT)}")
        return time.monotonic() - started

    def _show(self, seconds: float) -> None:
        parts = self.jobs.parts(ACCOUNT, "backfill-1")
        done: dict[str, float] = {}
        for part in parts:
            done[part.step] = done.get(part.step, 0.0) + part.progress
        print(f"  {seconds:5.0f} s  {json.dumps(done)}", flush=True)

    def wrong_members(self, count: int, number: int, now: int) -> tuple[int, int]:
        """How many memberships there are, and how many of them or of those missing are wrong."""
        program = compile_program(1, audiences(count), 30)
        expected: set[tuple[int, int]] = set()
        for profile in profiles(number, now):
            view = View(profile)
            expected |= {(each, profile.mpid) for each in program.trees if program.holds(each, view, now)}
        found: set[tuple[int, int]] = set()
        for audience in audiences(count):
            after = None
            while True:
                page = self.memberships.members(ACCOUNT, audience.audience_id, after, 5000)
                found |= {(audience.audience_id, each.mpid) for each in page.items}
                if (after := page.next) is None:
                    break
        return len(found), len(found ^ expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--audiences", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, ensure_stack(Path(directory)) as stack:
        environment: dict[str, Any] = {"AWS_ENDPOINT_URL": stack.endpoint, "AWS_ACCESS_KEY_ID": ACCESS_KEY}
        os.environ.update(environment | {"AWS_SECRET_ACCESS_KEY": ACCESS_KEY, "AWS_DEFAULT_REGION": REGION})
        account, now = Account1(stack), time.time_ns() // 1_000_000
        started = time.monotonic()
        account.seed(arguments.profiles, now)
        print(
            f"{arguments.profiles} profiles seeded in {time.monotonic() - started:.0f} s, load {os.getloadavg()}",
            flush=True,
        )
        seconds = account.fill(arguments.audiences)
        memberships, wrong = account.wrong_members(arguments.audiences, arguments.profiles, now)
        print(
            f"{arguments.profiles} profiles x {arguments.audiences} audiences: {seconds:.0f} s,"
            f" {memberships} memberships, {wrong} wrong; load {os.getloadavg()}"
        )


if __name__ == "__main__":
    main()
