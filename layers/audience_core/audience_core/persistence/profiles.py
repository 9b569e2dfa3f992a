"""Profiles in DynamoDB: one item each, put under a condition on its version; heavy timelines overflow into chunks."""

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, PutError
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from audience_core.domain.event import Environment, Event, by_time
from audience_core.domain.ids import DAY_MS, NEVER, AccountId, Mpid
from audience_core.domain.messages import Due
from audience_core.domain.profile import ChunkRef, Profile, Track, TrackKey, bucket_of, due_shard_of, next_version
from audience_core.domain.stores import Page
from audience_core.errors import StaleVersionError
from audience_core.persistence import cursors
from audience_core.persistence.profile_codec import pack_state, pack_timeline, unpack_state, unpack_timeline
from audience_core.persistence.tables import bind

# A timeline larger than this is sealed into chunks, so that the item, its stream record and every write stay small.
MAX_TIMELINE_BYTES = 48_000
_LETTERS = {Environment.PRODUCTION: "p", Environment.DEVELOPMENT: "d"}
_ENVIRONMENTS = {letter: environment for environment, letter in _LETTERS.items()}
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

    def load(self, account_id: AccountId, environment: Environment, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        keys = [(partition(account_id, environment, bucket_of(mpid)), str(mpid)) for mpid in mpids]
        found = [_profile(item) for item in self._items.batch_get(keys, consistent_read=True)]
        return {profile.mpid: profile for profile in self._with_chunks(found)}

    def save(self, profile: Profile, now_ms: int) -> Profile:
        self._seal(profile, now_ms)
        opened = _open_tracks(profile)
        due_at, version = profile.due_at, next_version(profile.version, now_ms)
        item = self._items(
            partition(profile.account_id, profile.environment, bucket_of(profile.mpid)),
            str(profile.mpid),
            version=version,
            program=profile.program_version,
            state=pack_state(profile),
            timeline=pack_timeline(opened.items()),
            due_shard=f"{due_shard_of(profile.mpid):02d}" if due_at < NEVER else None,
            due_at=due_at if due_at < NEVER else None,
        )
        unchanged = self._items.version == profile.version if profile.version else self._items.pk.does_not_exist()
        try:
            item.save(condition=unchanged)
        except PutError as error:
            if error.cause_response_code == "ConditionalCheckFailedException":
                raise StaleVersionError("the profile was written in between") from error
            raise
        profile.version = version
        return profile

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


def _due_index() -> DueIndex:
    meta = type("Meta", (), {"index_name": "due", "projection": KeysOnlyProjection()})
    index = type("DueIndex", (DueIndex,), {"Meta": meta})()
    return cast(DueIndex, index)


def profile_from_image(image: Mapping[str, Any]) -> Profile:
    """A profile from a stream record's image, without its timeline.

    Args:
        image: attribute values in DynamoDB's JSON, binary ones as base64 text, as Lambda hands them over.
    """
    values = {name: image[name] for name in ("pk", "sk", "version", "program")}
    item = ProfileItem()
    item.deserialize({**values, "state": {"B": base64.b64decode(image["state"]["B"])}})
    return _profile(item)


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
