"""A ZIP archive written from its beginning to its end into a sink that cannot go back, in little memory.

Python's `zipfile` does this by itself: sizes and checksums follow each file's data.
"""

import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, cast

from audience_core.domain.export_stores import Sink

# Fast and good enough: identities hardly compress any better at a higher level, at several times the CPU.
_LEVEL = 1


class ArchiveWriter:
    """Args:
    at: the time that all files in the archive bear (UTC).
    """

    def __init__(self, archive: zipfile.ZipFile, at: datetime) -> None:
        self._archive, self._time = archive, time.struct_time(at.astimezone(UTC).timetuple())[:6]

    def add(self, name: str, content: Iterable[bytes], about_bytes: int) -> None:
        """A file; `about_bytes`, at least what it may hold, decides whether it needs the form for large files."""
        with self.entry(name, about_bytes) as entry:
            for each in content:
                entry.write(each)

    @contextmanager
    def entry(self, name: str, about_bytes: int) -> Iterator[IO[bytes]]:
        """A file to be written into, one at a time."""
        info = zipfile.ZipInfo(name, self._time)
        info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, about_bytes
        info.compress_level = _LEVEL
        info.external_attr = 0o644 << 16
        with self._archive.open(info, "w") as entry:
            yield entry


@contextmanager
def archive_into(sink: Sink, at: datetime) -> Iterator[ArchiveWriter]:
    """An archive that is complete when the context ends."""
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        yield ArchiveWriter(archive, at)
