"""Kills functions at every call to the outside in turn, and compares what is stored in the end with an undisturbed run.

`play(story, Fault(n, how))` plays a story in which the n-th call that any function makes to AWS or to a partner fails:
the function dies before the call, or after it was carried out, or is told to slow down. Whatever died comes again, as
queues, streams and state machines have it. Ids are drawn in the same order each time: the n-th call stays the same.
"""

import json
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.session import Session

from audience_core import clock
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.output import SubscriptionState
from audience_core.errors import NotOursError, RetryableDeliveryError
from audience_core.outputs.http import HttpSend
from functions.ingest_api import handler as ingest_api
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    INPUT,
    PLAYED,
    WORKSPACE,
    a_connection,
    a_workspace,
    an_account,
    an_audience,
    an_input,
    an_output,
)
from tests.support.control_stack import REGION
from tests.support.data_path import FAILED, DataPath, StartedRuns, called
from tests.support.fault_ends import Ends
from tests.support.http_gateway import http_event
from tests.support.partners import SECRET, FaultyPartner, answering


class How(StrEnum):
    BEFORE = "killed before"
    AFTER = "killed after"
    THROTTLE = "throttled at"
    TWICE = "everything twice"
    REVERSED = "the last message first"


@dataclass(frozen=True)
class Fault:
    """Args:
    at: number of the call that fails, from 1; 0: none does.
    """

    at: int = 0
    how: How = How.BEFORE


class Killed(BaseException):
    """The function is no more; nothing in it can catch this."""


_THROTTLES = {"dynamodb": "ProvisionedThroughputExceededException", "sqs": "RequestThrottled", "s3": "SlowDown"}


@dataclass
class Functions:
    """Runs functions, and counts what they ask of the outside.

    Args:
        log: the calls that were made; `invoked`: of what function, each time, and from which call on.
    """

    fault: Fault = Fault()
    log: list[str] = field(default_factory=list)
    invoked: list[tuple[str, int]] = field(default_factory=list)
    is_on: bool = False
    is_dead: bool = False

    def begin(self, fault: Fault) -> None:
        """Forget what was called so far."""
        self.fault, self.log, self.invoked = fault, [], []

    def run(self, handler: Callable[..., Any], event: dict[str, Any]) -> Any:
        self.is_on = True
        self.invoked.append((f"{handler.__module__} {event.get('step', '')}", len(self.log)))
        try:
            answer = called(handler, event)
            return called(handler, event) if self.fault.how is How.TWICE else answer
        except Killed:
            return FAILED
        except NotOursError:
            raise
        except Exception:
            if not self.fault.at:
                raise
            return FAILED
        finally:
            self.is_on = self.is_dead = False

    def make(self, service: str, operation: str, call: Callable[[], Any]) -> Any:
        """A call to the outside, unless it is the one that must not come off."""
        if not self.is_on:
            return call()
        if self.is_dead:
            raise Killed
        self.log.append(f"{service} {operation}")
        is_it = len(self.log) == self.fault.at
        if is_it and self.fault.how is How.THROTTLE:
            raise _throttling(service, operation)
        if is_it and self.fault.how is How.BEFORE:
            self._die()
        answer = call()
        if is_it and self.fault.how is How.AFTER:
            self._die()
        return answer

    def _die(self) -> None:
        self.is_dead = True
        raise Killed

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """From here on all calls pass here."""
        make_api_call, send, ask = BaseClient._make_api_call, HttpSend._send, StartedRuns.ask

        def to_aws(client: Any, operation: str, parameters: Any) -> Any:
            service = client.meta.service_model.service_name
            return self.make(service, operation, lambda: make_api_call(client, operation, parameters))

        def to_partner(sender: Any, kept: Any, request: Any) -> Any:
            return self.make("partner", request.method, lambda: send(sender, kept, request))

        def to_machines(runs: Any, name: str, *given: Any) -> Any:
            return self.make("stepfunctions", "StartExecution", lambda: ask(runs, name, *given))

        patch.setattr(BaseClient, "_make_api_call", to_aws)
        patch.setattr(HttpSend, "_send", to_partner)
        patch.setattr(StartedRuns, "ask", to_machines)


def _throttling(service: str, operation: str) -> Exception:
    if service == "partner":
        return RetryableDeliveryError("the partner did not answer")
    code = _THROTTLES.get(service, "ThrottlingException")
    error: Exception = ClientError({"Error": {"Code": code, "Message": "slow down"}}, operation)
    return error


_INPUT = {"account_id": str(ACCOUNT), "workspace_id": WORKSPACE, "input_id": INPUT}
_TRIES = 5
# Steps that look whether others have done what they wait for.
_WATCHING = frozenset({"settle", "connect", "finish", "visit", "watch"})


@dataclass
class Scene:
    """What a story plays in."""

    stack: DataPath
    partner: FaultyPartner
    functions: Functions

    def settle(self) -> None:
        self.stack.settle(self.functions.run)

    @property
    def now_ms(self) -> int:
        return NOW

    def play(self, machine: str, **given: Any) -> None:
        """A state machine, from its beginning to its end."""
        self.stack.play(machine, {"account_id": ACCOUNT, **given}, self._step)

    def _step(self, handler: Callable[..., Any], event: dict[str, Any]) -> Any:
        """Before it looks for what others do, they have done it."""
        if event.get("step") in _WATCHING:
            self.settle()
            self.finish_runs()
        return self.functions.run(handler, event)

    def finish_runs(self) -> None:
        self.stack.finish_runs(self._step)

    def call(self, handler: Callable[..., Any], event: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Call what a schedule calls: again and again, until it has come off."""
        while self.functions.run(handler, dict(event)) is FAILED:
            pass

    def tell(self, number: int, who: str, event: str = "Play Video", ago_ms: int = 60_000, **body: Any) -> None:
        events = [_custom_event(event, ago_ms)] if event else []
        told = {"events": events, **body, "user_identities": _identities(who) | body.get("user_identities", {})}
        self.stack.accept(number, NOW + number - (ago_ms - 60_000), **told)

    def send(self, who: str, request_id: str) -> None:
        """A batch, as clients send it: again and again, until it is said to be accepted."""
        body = {
            "source_request_id": request_id,
            "environment": "production",
            "user_identities": _identities(who),
            "events": [_custom_event("Play Video", 60_000)],
        }
        event = http_event("POST", "/v2/events", json.dumps(body), authorizer=_INPUT)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "now_ms", lambda: NOW)
            tries = (self.functions.run(ingest_api.lambda_handler, event) for _ in range(_TRIES))
            assert any(map(_is_taken, tries)), f"{request_id} is not accepted"


def _identities(who: str) -> dict[str, str]:
    return {"customer_id": who, "email": f"{who}@example.com"}


def _custom_event(name: str, ago_ms: int) -> dict[str, Any]:
    data = {"event_name": name, "custom_event_type": "media", "timestamp_unixtime_ms": NOW - ago_ms}
    return {"event_type": "custom_event", "data": data}


def _is_taken(answer: Any) -> bool:
    return answer is not FAILED and answer["statusCode"] == HTTPStatus.ACCEPTED


type Act = Callable[[Scene], None]


@dataclass(frozen=True)
class Story:
    """Args:
    then: what functions die in.
    before: what was there already, with nothing going wrong.
    of: the functions that are disturbed, all by default; others have stories of their own.
    """

    then: Act
    before: Act
    of: str = ""


class Invocation(NamedTuple):
    """Args:
    calls: numbers of those it made; `kind`: its function, its step, and what it called.
    """

    calls: range
    kind: tuple[str, ...]


@dataclass(frozen=True)
class Ending:
    """Args:
    state: what is known in the end.
    calls: those that were made, in order; `invoked`: of what function, each time, and from which call on.
    """

    state: Mapping[str, Any]
    calls: list[str]
    invoked: list[tuple[str, int]]

    def invocations(self) -> Iterator[Invocation]:
        ends = [*(start for _, start in self.invoked[1:]), len(self.calls)]
        for (function, start), end in zip(self.invoked, ends, strict=True):
            yield Invocation(range(start + 1, end + 1), (function, *self.calls[start:end]))


@contextmanager
def scene(before: Act) -> Iterator[Scene]:
    """An account with an audience of those who played a video, connected to a partner on loopback; and what came then.

    The partner does not answer when this is done: `ending` lets it.
    """
    functions = Functions()
    with pytest.MonkeyPatch.context() as patch, FaultyPartner() as partner:
        drawn = random.Random(1)
        patch.setattr(secrets, "token_bytes", lambda size=32: drawn.randbytes(size))
        _share_clients(patch)
        stack = DataPath(patch)
        _furnish(stack, partner)
        functions.watch(patch)
        here = Scene(stack, partner, functions)
        with answering(partner):
            before(here)
        try:
            yield here
        finally:
            stack.close()


def _share_clients(patch: pytest.MonkeyPatch) -> None:
    """One client for each service: to make one takes longer than most stories."""
    create, made = Session.create_client, dict[Any, Any]()

    def create_once(session: Any, service: str, *given: Any, **named: Any) -> Any:
        key = service, repr(named.get("config") and vars(named["config"]))
        if key not in made:
            made[key] = create(session, service, *given, **named)
        return made[key]

    patch.setattr(Session, "create_client", create_once)
    for service in ("dynamodb", "sqs", "s3", "secretsmanager", "sesv2"):
        boto3.client(service, region_name=REGION)


def _furnish(stack: DataPath, partner: FaultyPartner) -> None:
    of = stack.stores
    of.accounts.create(an_account(has_lifetime_audiences=True, lifetime_credits=50, contact_email="owner@example.com"))
    of.workspaces.save(a_workspace())
    of.workspaces.save_input(an_input())
    assert of.audiences.next_id(ACCOUNT) == AUDIENCE
    of.audiences.publish(an_audience(status=AudienceStatus.ACTIVE, definition=PLAYED, external_name="Fans"))
    of.jobs.set_backfilled(ACCOUNT, of.audiences.program(ACCOUNT).published)
    secret = of.secrets.put(ACCOUNT, "o-1", {"signing_secret": SECRET})
    of.outputs.save(an_output(settings={"url": partner.url}, secret_ref=secret))
    of.outputs.save_connection(a_connection(subscription=SubscriptionState.ACTIVE))


def ending(here: Scene, then: Act, fault: Fault) -> Ending:
    """Play what functions die in, once for each scene."""
    here.stack.is_reversed = fault.how is How.REVERSED
    here.functions.begin(fault)
    with answering(here.partner):
        then(here)
        calls, invoked = list(here.functions.log), list(here.functions.invoked)
        return Ending(Ends(here.stack, here.partner, NOW).told(), calls, invoked)


def play(story: Story, fault: Fault = Fault()) -> Ending:
    with scene(story.before) as here:
        return ending(here, story.then, fault)


NOW = 0


def set_now(now_ms: int) -> None:
    """The instant that stories are told at: one for all runs that are compared."""
    global NOW  # noqa: PLW0603 - an instant of the past would be beyond the look-back one day
    NOW = now_ms
