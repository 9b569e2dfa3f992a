"""Profiles in DynamoDB: one item each, put under a condition on its version; heavy timelines overflow into chunks."""

import base64
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any, cast

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import CancellationReason, DeleteError, PutError, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from audience_core.domain.event import Environment, Event, by_time
from audience_core.domain.ids import DAY_MS, NEVER, AccountId, Mpid
from audience_core.domain.messages import Due
from audience_core.domain.profile import ChunkRef, Profile, Track, TrackKey, bucket_of, due_shard_of, next_version
from audience_core.domain.profile_change import ProfileChange
from audience_core.domain.stores import Page
from audience_core.errors import StaleVersionError
from audience_core.persistence import cursors
from audience_core.persistence.profile_codec import pack_state, pack_timeline, unpack_state, unpack_timeline
from audience_core.persistence.tables import bind, connection

# A timeline larger than this is sealed into chunks, so that the item, its stream record and every write stay small.
MAX_TIMELINE_BYTES = 48_000
_LETTERS = {Environment.PRODUCTION: "p", Environment.DEVELOPMENT: "d"}
_ENVIRONMENTS = {letter: environment for environment, letter in _LETTERS.items()}
# A transaction holds 100 items and 4 MB; a profile has at most 48 kB of timeline, with few events far less.
_LIGHT_EVENTS, _LIGHT_AT_ONCE, _HEAVY_AT_ONCE = 200, 100, 20
# All but the timeline.
_OUTLINE = ["pk", "sk", "version", "program", "state"]
# Chunks outlive the longest look-back; DynamoDB removes them afterwards.
_CHUNK_DAYS = 100


class DueIndex(GlobalSecondaryIndex["ProfileItem"]):  # type: ignore[no-untyped-call]  # pynamodb's own hook
    """Profiles with an instant of change ahead; all others are absent from it."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)


class ProfileItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    version = NumberAttribute()
    program = NumberAttribute(default=0)
    state = BinaryAttribute(legacy_encoding=False)
    timeline = BinaryAttribute(legacy_encoding=False)
    due_shard = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)
    cause = UnicodeAttribute(null=True)
    due = DueIndex()


class ChunkItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    events = BinaryAttribute(legacy_encoding=False)
    ttl = NumberAttribute()


class DynamoProfileStore:
    def __init__(self, table_name: str, chunks_table_name: str, region: str | None = None) -> None:
        self._items = bind(ProfileItem, table_name, region, due=_due_index())
        self._chunks = bind(ChunkItem, chunks_table_name, region)
        self._region = region

    def load(self, account_id: AccountId, environment: Environment, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        keys = [(partition(account_id, environment, bucket_of(mpid)), str(mpid)) for mpid in mpids]
        found = [_profile(item) for item in self._items.batch_get(keys, consistent_read=True)]
        return {profile.mpid: profile for profile in self._with_chunks(found)}

    def load_outlines(
        self, account_id: AccountId, environment: Environment, mpids: Collection[Mpid]
    ) -> dict[Mpid, Profile]:
        keys = [(partition(account_id, environment, bucket_of(mpid)), str(mpid)) for mpid in mpids]
        items = self._items.batch_get(keys, consistent_read=True, attributes_to_get=_OUTLINE)
        return {profile.mpid: profile for profile in map(_profile, items)}

    def save(self, profile: Profile, now_ms: int) -> Profile:
        self._seal(profile, now_ms)
        version = next_version(profile.version, now_ms)
        try:
            self._item(profile, version).save(condition=self._unchanged(profile))
        except PutError as error:
            # A live write may also meet a transaction of `save_all`.
            if error.cause_response_code in ("ConditionalCheckFailedException", "TransactionConflictException"):
                raise StaleVersionError("the profile was written in between") from error
            raise
        profile.version = version
        return profile

    def save_all(self, profiles: Sequence[Profile], now_ms: int) -> list[Mpid]:
        """In transactions, because a request of its own for each costs more time than it takes to evaluate them."""
        stale: list[Mpid] = []
        for together in _in_transactions(profiles):
            for profile in together:
                self._seal(profile, now_ms)
            saved = together
            while blocked := self._save_unless_stale(saved, now_ms):
                stale += blocked
                saved = [each for each in saved if each.mpid not in blocked]
            for profile in saved:
                profile.version = next_version(profile.version, now_ms)
        return stale

    def _save_unless_stale(self, profiles: Sequence[Profile], now_ms: int) -> list[Mpid]:
        """Save all or none; the mpids of those that stood in the way."""
        if not profiles:
            return []
        try:
            with TransactWrite(connection=connection(self._region)) as transaction:
                for profile in profiles:
                    item = self._item(profile, next_version(profile.version, now_ms))
                    transaction.save(item, condition=self._unchanged(profile))
        except TransactWriteError as error:
            found = [p.mpid for p, why in zip(profiles, error.cancellation_reasons, strict=False) if _is_conflict(why)]
            if not found:
                raise
            return found
        return []

    def _item(self, profile: Profile, version: int) -> ProfileItem:
        due_at = profile.due_at
        return self._items(
            partition(profile.account_id, profile.environment, bucket_of(profile.mpid)),
            str(profile.mpid),
            version=version,
            program=profile.program_version,
            state=pack_state(profile),
            timeline=pack_timeline(_open_tracks(profile).items()),
            due_shard=f"{due_shard_of(profile.mpid):02d}" if due_at < NEVER else None,
            due_at=due_at if due_at < NEVER else None,
            cause=profile.cause or None,
        )

    def _unchanged(self, profile: Profile) -> Condition:
        return self._items.version == profile.version if profile.version else self._items.pk.does_not_exist()

    def delete(self, profile: Profile) -> None:
        pk = partition(profile.account_id, profile.environment, bucket_of(profile.mpid))
        try:
            self._items(pk, str(profile.mpid)).delete(condition=self._items.version == profile.version)
        except DeleteError as error:
            if error.cause_response_code == "ConditionalCheckFailedException":
                raise StaleVersionError("the profile was written in between") from error
            raise

    def discard_timeline(self, profile: Profile) -> None:
        with self._chunks.batch_write() as batch:
            for ref in profile.sealed:
                batch.delete(self._chunks(_chunk_key(profile), ref.name))

    def page(
        self, account_id: AccountId, environment: Environment, bucket: int, cursor: str | None, limit: int
    ) -> Page[Profile]:
        rows = self._items.query(
            partition(account_id, environment, bucket),
            limit=limit,
            last_evaluated_key=cursors.decode(cursor),
            consistent_read=True,
        )
        found = self._with_chunks([_profile(item) for item in rows])
        return Page(tuple(found), cursors.encode(rows.last_evaluated_key))

    def outlines(
        self, account_id: AccountId, environment: Environment, bucket: int, cursor: str | None, limit: int
    ) -> Page[Profile]:
        rows = self._items.query(
            partition(account_id, environment, bucket),
            limit=limit,
            last_evaluated_key=cursors.decode(cursor),
            consistent_read=True,
            attributes_to_get=_OUTLINE,
        )
        return Page(tuple(_profile(item) for item in rows), cursors.encode(rows.last_evaluated_key))

    def stretch(
        self, account_id: AccountId, environment: Environment, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[Profile]:
        later = None if after is None else ProfileItem.sk > str(after)
        pk = partition(account_id, environment, bucket)
        rows = self._items.query(pk, later, limit=limit, consistent_read=True)
        return self._with_chunks([_profile(item) for item in rows])

    def due(self, shard: int, after_ms: int, until_ms: int, cursor: str | None, limit: int) -> Page[Due]:
        rows = self._items.due.query(
            f"{shard:02d}",
            DueIndex.due_at.between(after_ms + 1, until_ms),
            limit=limit,
            last_evaluated_key=cursors.decode(cursor),
        )
        found = [Due(AccountId(int(i.pk.split("#", 1)[0])), Mpid(int(i.sk)), int(i.due_at)) for i in rows]
        return Page(tuple(found), cursors.encode(rows.last_evaluated_key))

    def _with_chunks(self, profiles: list[Profile]) -> list[Profile]:
        heavy = {_chunk_key(profile): profile for profile in profiles if profile.sealed}
        keys = [(key, ref.name) for key, profile in heavy.items() for ref in profile.sealed]
        for chunk in self._chunks.batch_get(keys, consistent_read=True) if keys else ():
            _add_sealed(heavy[chunk.pk], unpack_timeline(chunk.events))
        return profiles

    def _seal(self, profile: Profile, now_ms: int) -> None:
        """Move the older half of the open events into a chunk until the rest is small."""
        while len(pack_timeline(_open_tracks(profile).items())) > MAX_TIMELINE_BYTES:
            events = sorted((e for track in _open_tracks(profile).values() for e in track), key=by_time)
            older = events[: (len(events) + 1) // 2]
            data = pack_timeline(_tracks_of(older).items())
            name = hashlib.sha256(data).hexdigest()[:16]
            expires = (older[-1].at + _CHUNK_DAYS * DAY_MS) // 1000
            self._chunks(_chunk_key(profile), name, events=data, ttl=max(expires, now_ms // 1000)).save()
            profile.sealed = (*profile.sealed, ChunkRef(name, older[0].at, older[-1].at, len(older)))
            profile.sealed_ids |= {event.event_id for event in older}


def _in_transactions(profiles: Sequence[Profile]) -> Iterator[list[Profile]]:
    """So many that neither the items nor the bytes of a transaction go beyond what DynamoDB takes."""
    heavy = [profile for profile in profiles if profile.sealed or _events(profile) > _LIGHT_EVENTS]
    light = [profile for profile in profiles if not (profile.sealed or _events(profile) > _LIGHT_EVENTS)]
    yield from map(list, batched(light, _LIGHT_AT_ONCE))
    yield from map(list, batched(heavy, _HEAVY_AT_ONCE))


def _events(profile: Profile) -> int:
    return sum(map(len, profile.timeline.values()))


def _is_conflict(reason: CancellationReason | None) -> bool:
    return reason is not None and reason.code in ("ConditionalCheckFailed", "TransactionConflict")


def _due_index() -> DueIndex:
    meta = type("Meta", (), {"index_name": "due", "projection": KeysOnlyProjection()})
    index = type("DueIndex", (DueIndex,), {"Meta": meta})()
    return cast(DueIndex, index)


def change_from_record(record: Mapping[str, Any]) -> ProfileChange:
    """What a stream record tells.

    Args:
        record: its `dynamodb` part, as Lambda hands it over.
    """
    old, new = (profile_from_image(record[name]) if name in record else None for name in ("OldImage", "NewImage"))
    return ProfileChange(old, new, record["SequenceNumber"], int(record["ApproximateCreationDateTime"] * 1000))


def profile_from_image(image: Mapping[str, Any]) -> Profile:
    """A profile from a stream record's image, without its timeline.

    Args:
        image: attribute values in DynamoDB's JSON, binary ones as base64 text, as Lambda hands them over.
    """
    values = {name: image[name] for name in ("pk", "sk", "version", "program")}
    item = ProfileItem()
    item.deserialize({**values, "state": {"B": base64.b64decode(image["state"]["B"])}})
    profile = _profile(item)
    profile.cause = image.get("cause", {}).get("S", "")
    return profile


def partition(account_id: AccountId, environment: Environment, bucket: int) -> str:
    return f"{account_id}#{_LETTERS[environment]}#{bucket:02d}"


def _profile(item: ProfileItem) -> Profile:
    account, letter, _ = item.pk.split("#")
    profile = Profile(
        AccountId(int(account)),
        _ENVIRONMENTS[letter],
        Mpid(int(item.sk)),
        version=int(item.version),
        program_version=int(item.program),
    )
    unpack_state(item.state, profile)
    if item.timeline is not None:
        profile.timeline = unpack_timeline(item.timeline)
    return profile


def _chunk_key(profile: Profile) -> str:
    return f"{profile.account_id}#{_LETTERS[profile.environment]}#{profile.mpid}"


def _add_sealed(profile: Profile, tracks: dict[TrackKey, Track]) -> None:
    for key, track in tracks.items():
        profile.timeline[key] = sorted([*profile.timeline.get(key, ()), *track], key=by_time)
        profile.sealed_ids |= {event.event_id for event in track}


def _open_tracks(profile: Profile) -> dict[TrackKey, Track]:
    if not profile.sealed_ids:
        return profile.timeline
    sealed = profile.sealed_ids
    return {key: [e for e in track if e.event_id not in sealed] for key, track in profile.timeline.items()}


def _tracks_of(events: list[Event]) -> dict[TrackKey, Track]:
    tracks: dict[TrackKey, Track] = {}
    for event in events:
        tracks.setdefault((event.kind, event.name), []).append(event)
    return tracks
