"""Profiles in memory, packed like stored ones, so that tests meet the same form."""

from collections.abc import Collection, Sequence

from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.messages import Due
from audience_core.domain.profile import Profile, bucket_of, due_shard_of, next_version
from audience_core.domain.stores import Page
from audience_core.errors import StaleVersionError
from audience_core.persistence.profile_codec import pack_state, pack_timeline, unpack_state, unpack_timeline

type _Key = tuple[AccountId, Environment, Mpid]


class MemoryProfileStore:
    def __init__(self) -> None:
        self._stored: dict[_Key, tuple[int, int, int, bytes, bytes]] = {}
        # How often `load` and `save` were called: a message group must need one of each per profile.
        self.loads = self.saves = 0

    def load(self, account_id: AccountId, environment: Environment, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        self.loads += 1
        keys = [(account_id, environment, mpid) for mpid in mpids]
        return {key[2]: self._profile(key) for key in keys if key in self._stored}

    def load_outlines(
        self, account_id: AccountId, environment: Environment, mpids: Collection[Mpid]
    ) -> dict[Mpid, Profile]:
        found = self.load(account_id, environment, mpids)
        for profile in found.values():
            profile.timeline = {}
        return found

    def save(self, profile: Profile, now_ms: int) -> Profile:
        self.saves += 1
        key = (profile.account_id, profile.environment, profile.mpid)
        stored_version = self._stored[key][0] if key in self._stored else 0
        if stored_version != profile.version:
            raise StaleVersionError("the profile was written in between")
        profile.version = next_version(profile.version, now_ms)
        packed = pack_state(profile), pack_timeline(profile.timeline.items())
        self._stored[key] = (profile.version, profile.program_version, profile.due_at, *packed)
        return profile

    def save_all(self, profiles: Sequence[Profile], now_ms: int) -> list[Mpid]:
        stale = []
        for profile in profiles:
            try:
                self.save(profile, now_ms)
            except StaleVersionError:
                stale.append(profile.mpid)
        return stale

    def outlines(
        self, account_id: AccountId, environment: Environment, bucket: int, cursor: str | None, limit: int
    ) -> Page[Profile]:
        page = self.page(account_id, environment, bucket, cursor, limit)
        for profile in page.items:
            profile.timeline = {}
        return page

    def delete(self, profile: Profile) -> None:
        key = (profile.account_id, profile.environment, profile.mpid)
        if key not in self._stored or self._stored[key][0] != profile.version:
            raise StaleVersionError("the profile was written in between")
        del self._stored[key]

    def discard_timeline(self, profile: Profile) -> None:
        """Timelines lie in the profiles themselves."""

    def page(
        self, account_id: AccountId, environment: Environment, bucket: int, cursor: str | None, limit: int
    ) -> Page[Profile]:
        here = (k for k in self._stored if k[:2] == (account_id, environment) and bucket_of(k[2]) == bucket)
        rest = [key for key in sorted(here, key=_text_of_mpid) if cursor is None or _text_of_mpid(key) > cursor]
        items = tuple(self._profile(key) for key in rest[:limit])
        return Page(items, _text_of_mpid(rest[limit - 1]) if len(rest) > limit else None)

    def stretch(
        self, account_id: AccountId, environment: Environment, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[Profile]:
        return self.page(account_id, environment, bucket, None if after is None else str(after), limit).items

    def due(self, shard: int, after_ms: int, until_ms: int, cursor: str | None, limit: int) -> Page[Due]:
        here = ((row[2], key) for key, row in self._stored.items() if due_shard_of(key[2]) == shard)
        due = sorted((at, str(key[2]), key[0]) for at, key in here if after_ms < at <= until_ms)
        left = [each for each in due if cursor is None or repr(each) > cursor]
        items = tuple(Due(account_id, Mpid(int(mpid)), at) for at, mpid, account_id in left[:limit])
        return Page(items, repr(left[limit - 1]) if len(left) > limit else None)

    def _profile(self, key: _Key) -> Profile:
        version, program, _, state, timeline = self._stored[key]
        profile = Profile(*key, version=version, program_version=program)
        unpack_state(state, profile)
        profile.timeline = unpack_timeline(timeline)
        return profile


def _text_of_mpid(key: _Key) -> str:
    return str(key[2])
