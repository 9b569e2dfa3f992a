"""Members that a calculation found, kept as it keeps them."""

import struct
from collections.abc import Collection, Mapping

from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.results import FoundMembers, FoundShard, ResultStore, rows_of


def found_members(members: Mapping[AudienceId, Collection[int]], others: Collection[int] = ()) -> FoundMembers:
    """Args:
    others: users of the shard who are in no audience.
    """
    users = sorted({*others, *(mpid for mpids in members.values() for mpid in mpids)})
    bits = {audience_id: _bits([mpid in mpids for mpid in users]) for audience_id, mpids in members.items()}
    return FoundMembers(struct.pack(f">{len(users)}q", *users), bits)


def members_of(found: FoundMembers, audience_id: AudienceId) -> list[int]:
    users = [mpid for (mpid,) in struct.iter_unpack(">q", found.users)]
    return [users[row] for row in rows_of(found.bits[audience_id])]


def _bits(truths: Collection[bool]) -> bytes:
    digits = "".join(str(int(truth)) for truth in truths)
    size = -(-len(digits) // 8)
    return int(digits.ljust(8 * size, "0") or "0", 2).to_bytes(size)


def keep_members(
    store: ResultStore,
    account_id: AccountId,
    audience_id: AudienceId,
    calculation_id: str,
    members: Mapping[int, Collection[int]],
) -> None:
    """Keep the members of one audience.

    Args:
        members: by shard.
    """
    found = {shard: found_members({audience_id: mpids}) for shard, mpids in members.items()}
    for shard, each in found.items():
        store.put(account_id, calculation_id, shard, each)
    shards = [FoundShard(shard, len(each.users) // 8, each.counts) for shard, each in sorted(found.items())]
    store.commit(account_id, calculation_id, shards)
