"""Sends batches of the raw archive through the pipeline once more: a step of a restore (docs/operations.md).

    python -m local.replay STACK --account 7 --since 2026-11-26T12:00:00Z

with your own credentials of AWS. A batch that was applied already changes nothing.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3

from audience_core.domain.archive import OwnedBatch
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId
from audience_core.domain.messages import AcceptedBatch
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.queues import SqsEventQueue

_AT_ONCE = 500


def replay(archive: S3Archive, events: SqsEventQueue, account_id: AccountId, since: datetime) -> int:
    """Queue every batch that was archived since then, once; how many."""
    sent, waiting = set[str](), list[AcceptedBatch]()
    for batch in _batches(archive, account_id, since):
        known_as = f"{batch.source.input_id}/{batch.batch_id}"
        if known_as in sent:
            continue
        sent.add(known_as)
        waiting.append(batch)
        if len(waiting) == _AT_ONCE:
            events.send(waiting)
            waiting = []
    events.send(waiting)
    return len(sent)


def _batches(archive: S3Archive, account_id: AccountId, since: datetime) -> Iterator[AcceptedBatch]:
    for environment in Environment:
        for file in archive.files(account_id, int(since.timestamp() * 1000), environment):
            yield from (each.batch for each in archive.entries(file.name) if isinstance(each, OwnedBatch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack", help="name of the stack")
    parser.add_argument("--account", type=int, required=True)
    parser.add_argument("--since", type=datetime.fromisoformat, required=True, help="RFC 3339; the minute counts")
    given = parser.parse_args()
    outputs = outputs_of(boto3.client("cloudformation"), given.stack)
    region = boto3.session.Session().region_name
    archive = S3Archive(outputs["ArchiveBucketName"], region)
    events = SqsEventQueue(outputs["EventsQueueUrl"], region)
    since = given.since if given.since.tzinfo else given.since.replace(tzinfo=UTC)
    print(f"{replay(archive, events, AccountId(given.account), since)} batches queued")


def outputs_of(cloudformation: Any, stack: str) -> dict[str, str]:
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}


if __name__ == "__main__":
    main()
