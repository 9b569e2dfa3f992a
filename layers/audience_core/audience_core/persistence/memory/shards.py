"""Shards and manifests of the archive in memory."""

from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from audience_core.domain.archive import ArchivedFile, ArchiveShard, Manifest, damaged, require_as_written
from audience_core.domain.ids import AccountId
from audience_core.errors import NotFoundError, StaleVersionError


class MemoryShardStore:
    def __init__(self) -> None:
        self.files: dict[tuple[AccountId, str], dict[str, bytes]] = {}
        self._manifests: dict[tuple[AccountId, int], str] = {}

    def manifest(self, account_id: AccountId, version: int | None = None) -> Manifest:
        wanted = max((each for owner, each in self._manifests if owner == account_id), default=0)
        if version is not None:
            wanted = version
        if not wanted:
            return Manifest()
        if (account_id, wanted) not in self._manifests:
            raise NotFoundError(f"the archive has no version {version}")
        return Manifest.model_validate_json(self._manifests[account_id, wanted])

    def commit(self, account_id: AccountId, manifest: Manifest) -> None:
        if (account_id, manifest.version) in self._manifests:
            raise StaleVersionError(f"version {manifest.version} of the archive was committed before")
        self._manifests[account_id, manifest.version] = manifest.model_dump_json()

    def upload(self, account_id: AccountId, folder: str, source: Path) -> dict[str, ArchivedFile]:
        files = {path.name: path.read_bytes() for path in source.iterdir()}
        self.files[account_id, folder] = files
        return {
            name: ArchivedFile(size=len(content), sha256=sha256(content).hexdigest()) for name, content in files.items()
        }

    def fetch(self, account_id: AccountId, shard: ArchiveShard, name: str) -> memoryview:
        content = self.files.get((account_id, shard.folder), {}).get(name)
        if content is None:
            raise damaged(shard, name, "is missing")
        if name not in shard.files or len(content) != shard.files[name].size:
            raise damaged(shard, name)
        return memoryview(content)

    def download(self, account_id: AccountId, shard: ArchiveShard, names: Collection[str], target: Path) -> None:
        for name in names:
            content = self.fetch(account_id, shard, name)
            require_as_written(shard, name, content)
            (target / name).write_bytes(content)

    def folders(self, account_id: AccountId) -> frozenset[str]:
        return frozenset(folder for owner, folder in self.files if owner == account_id)

    def remove(self, account_id: AccountId, folder: str) -> None:
        self.files.pop((account_id, folder), None)
