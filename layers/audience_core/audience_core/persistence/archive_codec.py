"""The JSON of archive entries, one object a line."""

import json
from typing import Any

from audience_core.domain.archive import ArchiveEntry, Erasure, OwnedBatch
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.messages import AcceptedBatch, Release
from audience_core.persistence.queues import dump, fields_of, message_of


def encode_entry(entry: ArchiveEntry) -> str:
    """Equal entries give equal text."""
    return dump(entry_fields(entry))


def decode_entry(text: str) -> ArchiveEntry:
    """What `encode_entry` made the text of. Raise `ValueError` for any other text."""
    return entry_of(json.loads(text))


def entry_fields(entry: ArchiveEntry) -> dict[str, Any]:
    match entry:
        case OwnedBatch(batch=batch, mpid=mpid, granted=granted):
            return {**fields_of(batch), "mpid": mpid, "granted": [[each.type, each.value] for each in granted]}
        case Release():
            return fields_of(entry)
        case Erasure():
            return {
                "type": "erasure",
                "account_id": entry.account_id,
                "environment": entry.environment,
                "mpid": entry.mpid,
                "at": entry.at,
            }


def entry_of(fields: Any) -> ArchiveEntry:
    """Raise `ValueError` for anything that `entry_fields` did not make."""
    match fields:
        case {"type": "erasure", "account_id": account_id, "environment": environment, "mpid": mpid, "at": at}:
            return Erasure(AccountId(account_id), Environment(environment), Mpid(mpid), at)
        case {"type": "batch", "mpid": mpid, "granted": granted}:
            batch = message_of(fields)
            assert isinstance(batch, AcceptedBatch)
            return OwnedBatch(batch, Mpid(mpid), tuple(Identity(*each) for each in granted))
        case {"type": "release"}:
            release = message_of(fields)
            assert isinstance(release, Release)
            return release
        case _:
            raise ValueError("not an entry of the archive")
