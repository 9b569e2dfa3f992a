"""Users as the event archive knows them: who was removed for being inactive is a member of lifetime audiences still."""

from collections import defaultdict
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from audience_core.domain.archive import Erasures, Manifest, ShardStore, erased_key, shard_of
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.profile import Profile
from audience_core.domain.stores import ProfileStore
from audience_core.evaluation.columnar.kept import STATES, States, read_states


class ArchivedProfiles:
    """Profiles of one account without their timelines: as they stand, or else as the archive had them last.

    It reads the archive's latest version, and of that only shards of which profiles are missing; make another one for
    every invocation. The archive is silent of users whose erasure was asked for.
    """

    def __init__(self, profiles: ProfileStore, shards: ShardStore, erasures: Erasures, account_id: AccountId) -> None:
        self._profiles, self._shards, self._erasures, self._account_id = profiles, shards, erasures, account_id
        self._read: dict[int, States | None] = {}
        self._pending: frozenset[Mpid] | None = None

    def load(self, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        """Those of the users of whom anything is known.

        Raises:
            DamagedShardError: the archive cannot be read.
        """
        found = self._profiles.load_outlines(self._account_id, Environment.PRODUCTION, mpids) if mpids else {}
        by_shard: defaultdict[int, list[Mpid]] = defaultdict(list)
        for mpid in mpids:
            if mpid not in found and not self._is_erased(mpid):
                by_shard[shard_of(mpid, self._manifest.count)].append(mpid)
        for number, missing in by_shard.items():
            states = self._states(number)
            found |= states.outlines(self._account_id, missing) if states else {}
        return found

    def refresh(self) -> None:
        """Ask again whose erasure is pending."""
        self._pending = None

    @cached_property
    def _manifest(self) -> Manifest:
        return self._shards.manifest(self._account_id)

    def _is_erased(self, mpid: Mpid) -> bool:
        """Whether the next compaction will remove a user. What shards have of those removed before came afterwards."""
        if self._pending is None:
            told = self._erasures.erased(self._account_id).items()
            self._pending = frozenset(mpid for mpid, at in told if self._manifest.erased.get(erased_key(mpid), -1) < at)
        return mpid in self._pending

    def _states(self, number: int) -> States | None:
        if number not in self._read:
            shard = next((each for each in self._manifest.shards if each.number == number), None)
            # One shard after another is asked for: none is kept for later.
            self._read.clear()
            self._read[number] = None
            if shard is not None:
                with TemporaryDirectory() as folder:
                    self._shards.download(self._account_id, shard, (STATES,), Path(folder))
                    self._read[number] = read_states(Path(folder))
        return self._read[number]
