"""Members found by calculations, in S3: an object for each shard, and for each audience one that says where to look."""

import json
import struct
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.results import FoundMembers, FoundShard, rows_of
from audience_core.domain.stores import Page
from audience_core.errors import NotFoundError, UnavailableError
from audience_core.persistence.clients import client
from audience_core.persistence.result_codec import MEMBERS, encode, start_of, width_of

_PUTS_AT_ONCE = 10
_GONE = "the members that were found are not kept any more"
_SILENT = "the store of results does not answer"


class _Stretch(NamedTuple):
    """Where the bits of an audience lie: in which shard, of how many users, after those of how many audiences."""

    shard: int
    users: int
    place: int
    members: int

    @property
    def start(self) -> int:
        return start_of(self.users) + self.place * width_of(self.users)


class S3ResultStore:
    """Objects `lifetime/{account}/{calculation}/{shard}.members`, and `{audience}.json` beside them.

    The first is as `result_codec` has it, for all audiences. The second lists [shard, users, place of the audience,
    members], and is written last, so that nobody reads half of a calculation.
    """

    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        return client("s3", self._region)

    def put(self, account_id: AccountId, calculation_id: str, shard: int, found: FoundMembers) -> None:
        """Raise `UnavailableError` when it may not be stored."""
        self._write(_shard_key(account_id, calculation_id, shard), encode(found))

    def commit(self, account_id: AccountId, calculation_id: str, shards: Sequence[FoundShard]) -> None:
        """Raise `UnavailableError` when some may not be stored."""
        listed: defaultdict[AudienceId, list[_Stretch]] = defaultdict(list)
        for shard in shards:
            for place, (audience_id, count) in enumerate(sorted(shard.counts.items())):
                listed[audience_id].append(_Stretch(shard.number, shard.users, place, count))

        def write(audience_id: AudienceId) -> None:
            content = json.dumps(listed[audience_id], separators=(",", ":")).encode()
            self._write(_audience_key(account_id, audience_id, calculation_id), content)

        _ = self._client  # threads may share a client, but not make it
        with ThreadPoolExecutor(_PUTS_AT_ONCE) as pool:
            list(pool.map(write, listed))

    def page(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, cursor: str | None, limit: int
    ) -> Page[Mpid]:
        """Raise `UnavailableError` when S3 does not answer."""
        listed = self._listed(account_id, audience_id, calculation_id)
        place, start = (int(part) for part in (cursor or "0:0").split(":"))
        found: list[Mpid] = []
        while place < len(listed) and len(found) < limit:
            wanted = limit - len(found)
            taken = self._members(account_id, calculation_id, listed[place], start, wanted)
            found += taken
            start += len(taken)
            # An erased member is counted, but not found.
            if len(taken) < wanted or start >= listed[place].members:
                place, start = place + 1, 0
        is_over = not any(each.members for each in listed[place:])
        return Page(tuple(found), None if is_over else f"{place}:{start}")

    def shards(self, account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> Sequence[int]:
        """Raise `UnavailableError` when S3 does not answer."""
        try:
            return [each.shard for each in self._listed(account_id, audience_id, calculation_id)]
        except NotFoundError:
            return []

    def of_shard(
        self,
        account_id: AccountId,
        audience_id: AudienceId,
        calculation_id: str,
        shard: int,
        start: int,
        limit: int | None = None,
    ) -> Sequence[Mpid]:
        """Raise `UnavailableError` when S3 does not answer."""
        for each in self._listed(account_id, audience_id, calculation_id):
            if each.shard == shard:
                return self._members(account_id, calculation_id, each, start, limit)
        raise NotFoundError(_GONE)

    def _listed(self, account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> list[_Stretch]:
        listed = json.loads(self._read(_audience_key(account_id, audience_id, calculation_id)))
        return [_Stretch(*each) for each in listed]

    def _members(
        self, account_id: AccountId, calculation_id: str, found: _Stretch, start: int, limit: int | None
    ) -> list[Mpid]:
        if start >= found.members or limit == 0:
            return []
        key = _shard_key(account_id, calculation_id, found.shard)
        bits = self._read(key, found.start, width_of(found.users))
        rows = list(islice(rows_of(bits), start, None if limit is None else start + limit))
        if not rows:
            return []
        first, end = rows[0], rows[-1] + 1
        users = self._read(key, start_of(first), start_of(end) - start_of(first))
        mpids = struct.unpack(f">{end - first}q", users)
        return [Mpid(mpids[row - first]) for row in rows]

    def _read(self, key: str, start: int = 0, size: int | None = None) -> bytes:
        stretch = {} if size is None else {"Range": f"bytes={start}-{start + size - 1}"}
        try:
            content: bytes = self._client.get_object(Bucket=self._bucket, Key=key, **stretch)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise NotFoundError(_GONE) from error
            raise UnavailableError(_SILENT) from error
        except BotoCoreError as error:
            raise UnavailableError(_SILENT) from error
        return content

    def _write(self, key: str, content: bytes) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError(_SILENT) from error


def _shard_key(account_id: AccountId, calculation_id: str, shard: int) -> str:
    return f"lifetime/{account_id}/{calculation_id}/{shard:05d}{MEMBERS}"


def _audience_key(account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> str:
    return f"lifetime/{account_id}/{calculation_id}/{audience_id}.json"
