"""Kills functions at every call to the outside in turn, and compares what is stored in the end with an undisturbed run.

`play(story, Fault(n, how))` plays a story in which the n-th call that any function makes to AWS or to a partner fails:
the function dies before the call, or after it was carried out, or is told to slow down. Whatever died comes again, as
queues, streams and state machines have it.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from audience_core import wiring
from audience_core.domain.archive import OwnedBatch
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.event import Environment
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.output import DELIVERY_BUCKETS, SubscriptionState
from audience_core.domain.profile import Profile
from audience_core.errors import NotOursError, RetryableDeliveryError
from audience_core.outputs.http import HttpSend
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    CONNECTION,
    PLAYED,
    a_connection,
    a_workspace,
    an_account,
    an_audience,
    an_input,
    an_output,
)
from tests.support.data_path import FAILED, DataPath, called
from tests.support.partners import SECRET, FaultyPartner, a_partner

EVERYBODY = range(1, 4)


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
    """Runs functions, and counts what they ask of the outside."""

    fault: Fault = Fault()
    log: list[str] = field(default_factory=list)
    is_on: bool = False
    is_dead: bool = False

    def run(self, handler: Callable[..., Any], event: dict[str, Any]) -> Any:
        self.is_on = True
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
        make_api_call, send = BaseClient._make_api_call, HttpSend._send

        def to_aws(client: Any, operation: str, parameters: Any) -> Any:
            service = client.meta.service_model.service_name
            return self.make(service, operation, lambda: make_api_call(client, operation, parameters))

        def to_partner(sender: Any, kept: Any, request: Any) -> Any:
            return self.make("partner", request.method, lambda: send(sender, kept, request))

        patch.setattr(BaseClient, "_make_api_call", to_aws)
        patch.setattr(HttpSend, "_send", to_partner)


def _throttling(service: str, operation: str) -> Exception:
    if service == "partner":
        return RetryableDeliveryError("the partner did not answer")
    code = _THROTTLES.get(service, "ThrottlingException")
    error: Exception = ClientError({"Error": {"Code": code, "Message": "slow down"}}, operation)
    return error


@dataclass
class Scene:
    """What a story plays in."""

    stack: DataPath
    partner: FaultyPartner
    functions: Functions

    def settle(self) -> None:
        self.stack.settle(self.functions.run)

    def play(self, machine: str, given: dict[str, Any]) -> None:
        self.stack.play(machine, given, self.functions.run)

    def tell(self, number: int, who: str, event: str = "Play Video", **body: Any) -> None:
        data = {"event_name": event, "custom_event_type": "media", "timestamp_unixtime_ms": NOW - 60_000}
        events = [{"event_type": "custom_event", "data": data}] if event else []
        identities = {"customer_id": who, "email": f"{who}@example.com", **body.pop("user_identities", {})}
        told = {"user_identities": identities, "events": events, **body}
        self.stack.accept(number, NOW + number, **told)


type Story = Callable[[Scene], None]


@contextmanager
def scene(functions: Functions) -> Iterator[Scene]:
    """An account with an audience of those who played a video, connected to a partner on loopback."""
    with pytest.MonkeyPatch.context() as patch, a_partner() as partner:
        stack = DataPath(patch)
        stack.is_reversed = functions.fault.how is How.REVERSED
        of = stack.stores
        of.accounts.create(an_account(has_lifetime_audiences=True, lifetime_credits=50))
        of.workspaces.save(a_workspace())
        of.workspaces.save_input(an_input())
        assert of.audiences.next_id(ACCOUNT) == AUDIENCE
        of.audiences.publish(an_audience(status=AudienceStatus.ACTIVE, definition=PLAYED, external_name="Fans"))
        of.jobs.set_backfilled(ACCOUNT, of.audiences.program(ACCOUNT).published)
        secret = of.secrets.put(ACCOUNT, "o-1", {"signing_secret": SECRET})
        of.outputs.save(an_output(settings={"url": partner.url}, secret_ref=secret))
        of.outputs.save_connection(a_connection(subscription=SubscriptionState.ACTIVE))
        functions.watch(patch)
        try:
            yield Scene(stack, partner, functions)
        finally:
            stack.close()


def play(story: Story, fault: Fault = Fault()) -> tuple[dict[str, Any], list[str]]:
    """What is known in the end, and the calls that were made."""
    functions = Functions(fault)
    with scene(functions) as here:
        story(here)
        return end_state(here), functions.log


# What is known in the end -------------------------------------------------------------------------------------------


def end_state(here: Scene) -> dict[str, Any]:
    """By the names of users instead of their random ids, and without the instants at which it was written."""
    of, stack = here.stack.stores, here.stack
    profiles = _profiles(here)
    names = {profile.mpid: _name(profile) for profile in profiles}
    sets = [AudienceId(number) for number in range(1, 4)]
    return {
        "profiles": sorted(_told(profile) for profile in profiles),
        "identities": _identities(here, profiles, names),
        "members": _members(here, names),
        "counts": {each: of.memberships.counts(ACCOUNT, each, NOW).model_dump() for each in sets},
        "history": _history(here, names),
        "ledger": _ledger(here, names),
        "notes": [item["sk"] for item in stack.items("LEDGER") if "attempts" in item],
        "partner": {
            names.get(Mpid(int(mpid)), "?"): sorted(value for _, value in told)
            for mpid, told in here.partner.members(AUDIENCE).items()
        },
        "archive": _archive(here, names),
        "shards": _shards(here),
        "exports": _exports(here, names),
        "results": _results(here, names),
        "jobs": sorted({(job.kind.value, job.state.value) for job in of.jobs.list(ACCOUNT)}),
        "queues": {queue: len(stack.messages(queue)) for queue in stack.queues},
    }


def _profiles(here: Scene) -> list[Profile]:
    found: list[Profile] = []
    for environment in Environment:
        letter = f"#{environment[0]}#"
        mpids = [Mpid(int(item["sk"]["S"])) for item in here.stack.items("PROFILES") if letter in item["pk"]["S"]]
        found += here.stack.stores.profiles.load(ACCOUNT, environment, mpids).values() if mpids else ()
    return found


def _name(profile: Profile) -> str:
    return min((each.value for each in profile.identities if each.type == "customer_id"), default="nobody")


def _told(profile: Profile) -> str:
    events = sorted((name, event.at) for (_, name), track in profile.timeline.items() for event in track)
    registers = sorted((key, each.value, each.at) for key, each in profile.registers.items())
    return repr((_name(profile), sorted(profile.identities.items()), registers, events, sorted(profile.memberships)))


def _identities(here: Scene, profiles: list[Profile], names: Mapping[Mpid, str]) -> list[Any]:
    known = {identity for profile in profiles for identity in profile.identities}
    rows = here.stack.stores.identities.rows(ACCOUNT, Environment.PRODUCTION, known)
    return sorted((i.type, i.value, sorted(names.get(m, "?") for m in row.holders)) for i, row in rows.items())


def _members(here: Scene, names: Mapping[Mpid, str]) -> list[Any]:
    rows = here.stack.items("MEMBERSHIPS")
    return sorted((row["pk"]["S"].split("#")[1], names.get(Mpid(int(row["sk"]["S"])), "?")) for row in rows)


def _history(here: Scene, names: Mapping[Mpid, str]) -> list[Any]:
    rows = [
        (row["pk"]["S"].split("#")[1], row["who"]["S"].split("#")[0], row["what"]["S"])
        for row in here.stack.items("HISTORY")
    ]
    return sorted((audience, names.get(Mpid(int(mpid)), "?"), what) for audience, mpid, what in rows)


def _ledger(here: Scene, names: Mapping[Mpid, str]) -> list[Any]:
    rows = [
        row
        for lane in range(DELIVERY_BUCKETS)
        for row in here.stack.stores.ledger.rows(ACCOUNT, CONNECTION, lane, None, 100).items
    ]
    told = [(row.mpid, repr(row.desired), repr(row.acknowledged), row.dirty_since is None) for row in rows]
    return sorted((names.get(mpid, "?"), *rest) for mpid, *rest in told)


def _archive(here: Scene, names: Mapping[Mpid, str]) -> list[Any]:
    found = set()
    for name in (key for key in here.stack.objects("ARCHIVE_BUCKET") if key.startswith("raw/")):
        for entry in here.stack.stores.archive.entries(name):
            batch = entry.batch.batch_id if isinstance(entry, OwnedBatch) else type(entry).__name__
            found.add((batch, names.get(entry.mpid, "?")))
    return sorted(found)


def _shards(here: Scene) -> Any:
    manifest = here.stack.stores.shards.manifest(ACCOUNT)
    folders = here.stack.stores.shards.folders(ACCOUNT)
    users = sum(shard.users for shard in manifest.shards)
    # How many compactions it took is nobody's concern.
    return users, manifest.events, len(folders - manifest.retired.keys())


def _exports(here: Scene, names: Mapping[Mpid, str]) -> list[str]:
    found = []
    for key, content in here.stack.objects("EXPORTS_BUCKET").items():
        assert key.endswith(".zip"), f"{key} was left behind"
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.endswith(".csv"):
                    text = archive.read(name).decode()
                    for mpid, who in names.items():
                        text = text.replace(str(mpid), who)
                    found += sorted(re.sub(r"\b\d{13}\b", "instant", text).splitlines())
    return found


def _results(here: Scene, names: Mapping[Mpid, str]) -> list[Any]:
    audiences = here.stack.stores.audiences.list(ACCOUNT)
    found = []
    for each in audiences:
        if each.result is not None:
            page = here.stack.stores.results.page(ACCOUNT, each.audience_id, each.result.calculation_id, None, 100)
            found.append((each.name, sorted(names.get(mpid, "?") for mpid in page.items)))
    return found


NOW = 0


def set_now(now_ms: int) -> None:
    """The instant that stories are told at: one for all runs that are compared."""
    global NOW  # noqa: PLW0603 - an instant of the past would be beyond the look-back one day
    NOW = now_ms


def forget() -> None:
    """Nothing of this is left in the process."""
    for each in vars(wiring).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()


@dataclass(frozen=True)
class Difference:
    """A run that did not end as the undisturbed one.

    Args:
        call: the one that failed.
        found: what differs: as it is, and as it should be; or why there is no end.
    """

    story: str
    fault: Fault
    call: str
    found: Mapping[str, Any]


def compare(
    name: str, story: Story, faults: Iterable[Fault], expected: Mapping[str, Any]
) -> Iterator[Difference | None]:
    """One for each fault: None when all ended well."""
    for fault in faults:
        try:
            state, log = play(story, fault)
        except Exception as error:
            yield Difference(name, fault, "", {type(error).__name__: str(error)})
            continue
        differing = {key: (state[key], expected[key]) for key in expected if state[key] != expected[key]}
        call = log[fault.at - 1] if 0 < fault.at <= len(log) else ""
        yield Difference(name, fault, call, differing) if differing else None


def faults_of(calls: int, every: int = 1, first: int = 1) -> list[Fault]:
    """The messages twice and reversed, and a death or a throttle at every so-manieth call, each in turn."""
    single = [Fault(at, how) for at in range(first, calls + 1, every) for how in (How.BEFORE, How.AFTER, How.THROTTLE)]
    return [Fault(0, How.TWICE), Fault(0, How.REVERSED), *single]
