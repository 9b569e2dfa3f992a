"""Everything that is stored, unpacked, as text that can be searched for what must not be in it."""

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from audience_core.domain.event import Environment
from audience_core.domain.ids import Mpid
from audience_core.domain.profile import Profile
from audience_core.persistence.history import LOG_ENTRY
from audience_core.persistence.ledger_codec import unpack_attempts, unpack_target
from audience_core.persistence.profile_codec import unpack_state, unpack_timeline
from tests.support.control import ACCOUNT


class Stored(Protocol):
    """Where things lie."""

    @property
    def tables(self) -> Iterable[str]: ...

    @property
    def buckets(self) -> Iterable[str]: ...

    def items(self, table: str) -> Iterable[Mapping[str, Any]]: ...

    def objects(self, bucket: str) -> Mapping[str, bytes]: ...


def stored(place: Stored, at: Path) -> list[str]:
    """Everything that lies in tables and buckets, unpacked, as text.

    Args:
        at: a folder for files that cannot be read otherwise.
    """
    found = [f"{name}: {_told(item)}" for name in place.tables for item in place.items(name.removesuffix("_TABLE"))]
    for bucket in place.buckets:
        found += [f"{bucket}/{key}: {_text(key, content, at)}" for key, content in place.objects(bucket).items()]
    return found


def _told(item: Mapping[str, Any]) -> str:
    """A table's item: binary attributes are packed in one of the product's three ways."""
    parts = []
    for name, value in item.items():
        for kind, content in value.items():
            parts.append(f"{name}={_unpacked(name, content) if kind == 'B' else json.dumps(content, default=str)}")
    return " ".join(parts)


def _unpacked(name: str, content: bytes) -> str:
    match name:
        case "attempts":
            return repr(unpack_attempts(content))
        case "desired" | "acknowledged" | "may_have":
            return repr(unpack_target(content))
        case "timeline" | "events":
            return repr(unpack_timeline(content))
        case "state":
            profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(1))
            unpack_state(content, profile)
            return repr(profile).replace("Mpid(1)", "")
        case "entries":
            return repr([Mpid(entry[1]) for entry in LOG_ENTRY.iter_unpack(content)])
        case "definition" | "buckets":
            return zlib.decompress(content).decode()
    raise AssertionError(f"nobody knows how {name} is packed")


def _text(key: str, content: bytes, at: Path) -> str:
    if key.endswith(".gz") or key.startswith(("staged/", "erasures/")):
        return gzip.decompress(content).decode()
    if key.endswith(".members"):
        (users,) = struct.unpack_from(">q", content)
        return repr(struct.unpack_from(f">{users}q", content, 8))
    if key.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return repr([archive.read(name) for name in archive.namelist()])
    if key.endswith(".parquet"):
        path = at / "table.parquet"
        path.write_bytes(content)
        groups = pq.ParquetFile(path)
        return repr([groups.read_row_group(n).to_pylist() for n in range(groups.num_row_groups)])
    return content.decode()
