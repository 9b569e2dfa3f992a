"""A shard of profiles after a trip through files."""

from collections.abc import Sequence
from pathlib import Path

from audience_core.domain.profile import Profile
from audience_core.evaluation.columnar.build import shard_of, tables_of
from audience_core.evaluation.columnar.parquet import read_shard, write_shard
from audience_core.evaluation.columnar.shard import Shard

__all__ = ["shard_of", "stored_shard_of", "tables_of"]


def stored_shard_of(profiles: Sequence[Profile], folder: Path, promoted: int) -> Shard:
    """As `shard_of`, written and read again."""
    write_shard(folder, *tables_of(profiles), promoted)
    return read_shard(folder)
