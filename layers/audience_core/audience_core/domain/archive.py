"""The event archive: what is put into it as it comes, and the shards that compaction makes of that."""

from collections.abc import Buffer, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from pydantic import Field

from audience_core.domain.account import Record
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.messages import AcceptedBatch, Release
from audience_core.errors import DamagedShardError


@dataclass(frozen=True, slots=True)
class OwnedBatch:
    """An accepted batch and whose it is, as identity resolution said when it was processed.

    Args:
        granted: those of its identities that the profile might take.
    """

    batch: AcceptedBatch
    mpid: Mpid
    granted: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """Everything received up to `at` (UTC ms) of a user is to be forgotten."""

    account_id: AccountId
    environment: Environment
    mpid: Mpid
    at: int


type ArchiveEntry = OwnedBatch | Release | Erasure


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of entries; `size` in bytes, compressed."""

    name: str
    size: int


class ArchivedFile(Record):
    """Args:
    sha256: of its content, hexadecimal.
    """

    size: int
    sha256: str


class ArchiveShard(Record):
    """The users whose mpids hash to `number`, with all that is known of them (docs/archive-layout.md).

    Args:
        folder: where its files lie; a folder is never written again.
        first_at, last_at: of its events (UTC ms); None when it has none.
    """

    number: int
    folder: str
    users: int
    events: int
    first_at: int | None = None
    last_at: int | None = None
    files: Mapping[str, ArchivedFile] = Field(default_factory=dict)


def require_as_written(shard: ArchiveShard, name: str, content: Buffer) -> None:
    """Raise `DamagedShardError` when a file is not what it was. Long ones are hashed without the interpreter's lock."""
    if sha256(content).hexdigest() != shard.files[name].sha256:
        raise damaged(shard, name)


def damaged(shard: ArchiveShard, name: str, how: str = "is not as it was written") -> DamagedShardError:
    return DamagedShardError(f"shard {shard.number}: {shard.folder}/{name} {how}")


class Manifest(Record):
    """What an account's archive consists of; each is kept under its version and never changed.

    Args:
        version: 0 when nothing was compacted yet.
        count: how many shards mpids are spread over, a power of two; those without users are not listed.
        read_until: entries put into the archive before this instant (UTC ms) are in the shards.
        erased: `erased_key` of users that are to be forgotten -> up to what was received when (UTC ms), so that late
            repeats are, too.
        retired: folders that a manifest no longer names -> since when (UTC ms).
    """

    version: int = 0
    count: int = 1
    read_until: int = 0
    committed_at: datetime | None = None
    shards: tuple[ArchiveShard, ...] = ()
    erased: Mapping[str, int] = Field(default_factory=dict)
    retired: Mapping[str, int] = Field(default_factory=dict)

    @property
    def events(self) -> int:
        return sum(shard.events for shard in self.shards)

    @property
    def first_at(self) -> int | None:
        """Of the earliest event (UTC ms); None when there is none."""
        return min((shard.first_at for shard in self.shards if shard.first_at is not None), default=None)

    @property
    def last_at(self) -> int | None:
        return max((shard.last_at for shard in self.shards if shard.last_at is not None), default=None)


# What evaluation reads of a shard, and all its files.
SCANNED = ("events.parquet", "products.parquet", "users.parquet")
FILES = (*SCANNED, "ids.parquet", "states.parquet")


def shard_of(mpid: int, count: int) -> int:
    """Which of `count` (a power of two) shards: mpids are random, so their low bits spread evenly.

    With twice as many shards, the users of shard n are those of n and n + count.
    """
    return mpid & (count - 1)


def erased_key(mpid: int) -> str:
    """By which an erased user is known among erased ones: what its shard is can be told, and nothing else."""
    return f"{mpid & 0xFFFF:04x}{sha256(str(mpid).encode()).hexdigest()}"


def shard_of_erased(key: str, count: int) -> int:
    return shard_of(int(key[:4], 16), count)


class Archive(Protocol):
    def put(self, entries: Sequence[ArchiveEntry], now_ms: int) -> None:
        """Keep entries durably before their queue messages are deleted; a repeat of one is harmless."""


class Erasures(Protocol):
    """Users of production whose erasure was put: known before compaction removes them from shards, and long after."""

    def erased(self, account_id: AccountId) -> Mapping[Mpid, int]:
        """Users -> up to what was received when is to be forgotten (UTC ms)."""


class RawArchive(Protocol):
    """What was put, and is to be read by compaction."""

    def files(self, account_id: AccountId, since_ms: int) -> Sequence[RawFile]:
        """Those of production with entries put at or after an instant, to the minute, in the order of time."""

    def entries(self, name: str) -> list[ArchiveEntry]: ...


class StagedEntries(Protocol):
    """Entries on their way from the raw archive into a shard."""

    def stage(self, name: str, entries: Sequence[ArchiveEntry]) -> None:
        """Replace what is staged under a name."""

    def staged_names(self, prefix: str) -> Sequence[str]:
        """Those that begin so, in the order of the alphabet."""

    def staged(self, name: str) -> list[ArchiveEntry]: ...


class ShardStore(Protocol):
    """Shards and the manifests that name them. Folders are paths below the account's."""

    def manifest(self, account_id: AccountId, version: int | None = None) -> Manifest:
        """The latest one, or one of the kept ones; version 0 when nothing was compacted yet. Raise `NotFoundError`."""

    def commit(self, account_id: AccountId, manifest: Manifest) -> None:
        """Make it the latest; raise `StaleVersionError` when somebody else has committed one of its version."""

    def upload(self, account_id: AccountId, folder: str, source: Path) -> dict[str, ArchivedFile]:
        """Keep the files of a local folder."""

    def fetch(self, account_id: AccountId, shard: ArchiveShard, name: str) -> memoryview:
        """A file of a shard, which `require_as_written` is still to see.

        Raises:
            DamagedShardError: it is missing, or of another length than was written.
        """

    def download(self, account_id: AccountId, shard: ArchiveShard, names: Collection[str], target: Path) -> None:
        """Fetch files of a shard; raise `DamagedShardError` when one is missing or not as it was written."""

    def folders(self, account_id: AccountId) -> frozenset[str]:
        """All that there are, whether a manifest names them or not."""

    def remove(self, account_id: AccountId, folder: str) -> None:
        """Delete the files of a folder; a repeat is harmless."""
