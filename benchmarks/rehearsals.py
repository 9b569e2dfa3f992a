"""What must work on the day it is needed, on a local stack of its own: `python -m benchmarks.rehearsals [NAME...]`.

* `consent`: users withdraw a consent that a connection requires, or opt out, and leave its partner; how soon.
* `erasure`: users are erased while others send events; everything that is stored is searched for them.
* `restore`: the tables of profiles are restored to an instant, and what came after it is applied again.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from audience_core.domain.ids import AccountId
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.queues import SqsEventQueue
from benchmarks.latency import within_a_day
from local.aws import ACCESS_KEY, REGION
from local.replay import replay
from local.stack import Stack, ensure_stack
from tests.support.partners import a_partner
from tests.support.shop import Json, Shop, invoke
from tests.support.stored_bytes import stored

_USERS, _ERASED = 20, 4
_PATIENCE_S = 240
_STATE = ("ProfilesTable", "ChunksTable", "IdentitiesTable")
_READERS = ("ProcessEventsFunction", "ReevaluateProfilesFunction")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(REHEARSALS)}; all by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ensure_stack(Path(folder)) as stack:
        os.environ.update({"AWS_ENDPOINT_URL": stack.endpoint, "AWS_ACCESS_KEY_ID": ACCESS_KEY})
        os.environ.update({"AWS_SECRET_ACCESS_KEY": ACCESS_KEY, "AWS_DEFAULT_REGION": REGION})
        for name in given.names or REHEARSALS:
            began = time.monotonic()
            # Audiences are numbered by account: a partner of several could not tell them apart.
            with a_partner() as partner:
                REHEARSALS[name](Shop(stack, partner))
            print(f"{name}: {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)


def consent(shop: Shop) -> None:
    audience = shop.audience("Buyers", within_a_day("buy"))
    needed = [{"regulation": "gdpr", "purpose": "advertising"}]
    path = f"/v1/audiences/{audience}/connections"
    shop.post(path, {"output_id": shop.output["id"], "required_consent": needed})
    shop.wait_until(lambda: audience in shop.partner.book.audiences)
    users = [f"user-{number}@example.com" for number in range(_USERS)]
    shop.send(*(_batch(user, "buy", consent_state=_said(consented=True)) for user in users))
    shop.wait_until(lambda: len(shop.told(audience)) == _USERS, _PATIENCE_S)
    opt_out = {"event_type": "opt_out", "data": {"is_opted_out": True}}
    taken: dict[str, list[float]] = {"consent withdrawn": [], "opted out": []}
    for number, user in enumerate(users):
        what = "opted out" if number % 2 else "consent withdrawn"
        said = {"events": [opt_out]} if number % 2 else {"events": [], "consent_state": _said(consented=False)}
        shop.send({"user_identities": {"email": user}, **said})
        taken[what].append(_until(lambda left=_USERS - number - 1: len(shop.told(audience)) == left))  # type: ignore[misc]
    assert len(shop.members(audience)) == _USERS, "they are members all the same"
    for what, seconds in taken.items():
        print(f"{what}: {len(seconds)} users left the partner, p50 {median(seconds):.2f} s, most {max(seconds):.2f} s")
        assert max(seconds) < 60


def erasure(shop: Shop) -> None:
    audience = shop.audience("Buyers", within_a_day("buy"))
    shop.connect(audience)
    users = [f"shopper-{number}@example.com" for number in range(_USERS)]
    erased, others = users[:_ERASED], users[_ERASED:]
    shop.send(*(_batch(user, "buy", user_attributes={"told": user}) for user in (*erased, *others)))
    shop.wait_until(lambda: len(shop.told(audience)) == _USERS, _PATIENCE_S)
    place, traces = Place(shop.stack), [*erased, *(mpid for user in erased for mpid in _mpids(shop, user))]
    with tempfile.TemporaryDirectory() as folder:
        before = stored(place, Path(folder))
        assert all(any(trace in text for text in before) for trace in traces)
        began = time.monotonic()
        receipts = [_deleted(shop, user) for user in erased]
        shop.send(*(_batch(user, "look") for user in others))
        shop.wait_until(lambda: all(shop.get(each)["state"] == "succeeded" for each in receipts), _PATIENCE_S)
        seconds = time.monotonic() - began
        found = [(trace, text) for text in stored(place, Path(folder)) for trace in traces if trace in text]
    assert not found, found[:3]
    assert len(shop.told(audience)) == len(shop.members(audience)) == shop.size(audience) == len(others)
    print(f"{len(erased)} users erased within {seconds:.0f} s; {len(before)} things searched, {len(found)} name them")


def restore(shop: Shop) -> None:
    """As `docs/operations.md` has it; the local AWS restores a table as it is when it is asked."""
    audience = shop.audience("Buyers", within_a_day("buy"))
    connection = shop.connect(audience)
    place, total = Place(shop.stack), 2 * _USERS
    shop.send(*(_batch(f"early-{number}@example.com", "buy") for number in range(_USERS)))
    shop.wait_until(lambda: len(shop.told(audience)) == _USERS, _PATIENCE_S)
    instant = datetime.now(UTC)
    place.restore_aside(instant)
    shop.send(*(_batch(f"late-{number}@example.com", "buy") for number in range(_USERS)))
    shop.wait_until(lambda: len(shop.told(audience)) == total, _PATIENCE_S)
    began = time.monotonic()
    place.read_queues(enabled=False)
    place.lose_state()
    place.put_back()
    place.read_queues(enabled=True)
    archive = S3Archive(shop.stack.outputs["ArchiveBucketName"], REGION)
    events = SqsEventQueue(shop.stack.outputs["EventsQueueUrl"], REGION)
    queued = replay(archive, events, AccountId(shop.account_id), instant)
    _until(lambda: len(_known(shop, "early", "late")) == total)
    _until(lambda: _audited(shop) == 0)
    for status in ("inactive", "active"):
        answer = shop.api.patch(f"/v1/connections/{connection}", json={"status": status}, headers={"If-Match": "*"})
        assert answer.is_success, answer.text
    right = _known(shop, "early", "late")
    _until(lambda: shop.members(audience) == right == shop.told(audience) and shop.size(audience) == total)
    print(f"{total} profiles lost, {_USERS} restored and {queued} batches applied again: members, size and partner")
    print(f"are right {time.monotonic() - began:.0f} s after the loss")


class Place:
    """Tables and buckets of the stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._dynamodb, self._s3 = stack, stack.client("dynamodb"), stack.client("s3")
        self._restored: dict[str, str] = {}

    @cached_property
    def _resources(self) -> list[dict[str, Any]]:
        pages = self._stack.client("cloudformation").describe_stack_resources(StackName="audiences")
        found: list[dict[str, Any]] = pages["StackResources"]
        return found

    def _of(self, kind: str) -> dict[str, str]:
        found = [each for each in self._resources if each["ResourceType"] == kind]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    @cached_property
    def tables(self) -> dict[str, str]:
        return self._of("AWS::DynamoDB::Table")

    @cached_property
    def buckets(self) -> dict[str, str]:
        return {name: each for name, each in self._of("AWS::S3::Bucket").items() if name != "ConsoleBucket"}

    def items(self, table: str) -> Iterator[Mapping[str, Any]]:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self.tables.get(table, table))
        return (item for page in pages for item in page["Items"])

    def objects(self, bucket: str) -> Mapping[str, bytes]:
        name = self.buckets[bucket]
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=name)
        keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return {key: self._s3.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}

    def restore_aside(self, instant: datetime) -> None:
        for name in _STATE:
            target = f"{self.tables[name]}-restored"
            self._dynamodb.restore_table_to_point_in_time(
                SourceTableName=self.tables[name], TargetTableName=target, RestoreDateTime=instant
            )
            self._restored[name] = target

    def lose_state(self) -> None:
        for name in _STATE:
            for item in list(self.items(name)):
                key = {"pk": item["pk"], "sk": item["sk"]}
                self._dynamodb.delete_item(TableName=self.tables[name], Key=key)

    def put_back(self) -> None:
        for name, restored in self._restored.items():
            for item in self.items(restored):
                self._dynamodb.put_item(TableName=self.tables[name], Item=item)

    def read_queues(self, *, enabled: bool) -> None:
        functions = self._stack.client("lambda")
        for name in _READERS:
            for each in functions.list_event_source_mappings(FunctionName=self._stack.outputs[name])[
                "EventSourceMappings"
            ]:
                functions.update_event_source_mapping(UUID=each["UUID"], Enabled=enabled)


def _batch(user: str, event: str, **more: Any) -> Json:
    data = {"event_name": event, "custom_event_type": "other", "timestamp_unixtime_ms": int(time.time() * 1000)}
    events = [{"event_type": "custom_event", "data": data}]
    return {"user_identities": {"email": user}, "events": events, **more}


def _said(*, consented: bool) -> Json:
    return {"gdpr": {"advertising": {"consented": consented}}}


def _mpids(shop: Shop, user: str) -> list[str]:
    return [each["mpid"] for each in shop.get(f"/v1/profiles?identity_type=email&identity={user}")["items"]]


def _known(shop: Shop, *groups: str) -> set[str]:
    users = (f"{group}-{number}@example.com" for group in groups for number in range(_USERS))
    return {mpid for user in users for mpid in _mpids(shop, user)}


def _deleted(shop: Shop, user: str) -> str:
    """Path of the receipt."""
    answer = shop.api.delete(f"/v1/profiles?identity_type=email&identity={user}")
    assert answer.status_code == 202, answer.text
    return f"/v1/erasures/{answer.json()['id']}"


def _audited(shop: Shop) -> int:
    """Repairs of an audit that looks at everything."""
    found = invoke(shop.stack, shop.stack.outputs["ReconcileFunction"], {"stretches": 150, "audiences": 50})
    return sum(count for what, count in found.items() if what.endswith("repaired"))


def _until(holds: Callable[[], bool]) -> float:
    """Seconds until it was so."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + _PATIENCE_S, "it did not come about in time"
        time.sleep(0.02)
    return time.monotonic() - began


REHEARSALS: Mapping[str, Callable[[Shop], None]] = {each.__name__: each for each in (consent, erasure, restore)}

if __name__ == "__main__":
    main()
