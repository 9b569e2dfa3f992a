"""An export of a million members against the plainest program that writes the same: `python -m benchmarks.export`.

Each runs in a process of its own, which tells its processor time and its peak of memory. Members and profiles are made
by arithmetic, as cheaply for one as for the other; files lie in a folder. So it measures the work of the functions, and
no requests to AWS.

    python -m benchmarks.export [MEMBERS]
"""

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Membership, Reason
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.exports.csv_rows import COLUMNS
from audience_core.persistence.memory.jobs import MemoryJobStore
from audience_core.pipeline import export
from audience_core.pipeline.export_archive import write_archive
from audience_core.pipeline.export_parts import Order, work
from tests.support.control import ACCOUNT, AUDIENCE
from tests.support.exports import Town

MEMBERS = 1_000_000
LIMIT_MB = 512
# Mpids are spread over all numbers, and of one bucket in the order of their texts.
_STEP = (10**18 // BUCKETS) * BUCKETS


def mpid_of(bucket: int, place: int, of_bucket: int) -> int:
    """All have 19 digits, so the order of numbers is that of texts."""
    return 10**18 // BUCKETS * BUCKETS + place * (_STEP // of_bucket // BUCKETS * BUCKETS) * 8 + bucket


def identities(mpid: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Of one member: an e-mail address and a device."""
    return ("email", f"user.{mpid}@example.com"), ("ios_idfv", str(UUID(int=mpid * 0x9E3779B97F4A7C15 % 2**128)))


class Lists:
    """The member list and the history of an audience in which every bucket has as many members."""

    def __init__(self, members: int, at: int) -> None:
        self._of_bucket, self._at = members // BUCKETS, at

    def mpids(self, bucket: int, after: Mpid | None) -> Iterator[Mpid]:
        step = mpid_of(bucket, 1, self._of_bucket) - mpid_of(bucket, 0, self._of_bucket)
        first = 0 if after is None else (after - mpid_of(bucket, 0, self._of_bucket)) // step + 1
        return (Mpid(mpid_of(bucket, place, self._of_bucket)) for place in range(first, self._of_bucket))

    def bucket_members(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[Membership]:
        found = zip(range(limit), self.mpids(bucket, after), strict=False)
        return [Membership(audience_id, mpid, self._at) for _, mpid in found]

    def by_profile(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None
    ) -> Iterator[HistoryEntry]:
        return (HistoryEntry(audience_id, mpid, True, self._at, Reason.EVENT, 1) for mpid in self.mpids(bucket, after))

    def counts(self, *ignored: object) -> AudienceCounts:
        return AudienceCounts(size=self._of_bucket * BUCKETS, adds_24h=0, drops_24h=0)


class Profiles:
    def load_outlines(self, account_id: AccountId, environment: Any, mpids: Iterable[Mpid]) -> dict[Mpid, Profile]:
        return {mpid: self._profile(account_id, environment, mpid) for mpid in mpids}

    def _profile(self, account_id: AccountId, environment: Any, mpid: Mpid) -> Profile:
        held = {Identity(*each): 0 for each in identities(mpid)}
        return Profile(account_id, environment, mpid, identities=held)


class FolderFiles:
    """Files of exports in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _at(self, key: str) -> Path:
        place = self._folder / key
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def put(self, key: str, content: bytes) -> None:
        self._at(key).write_bytes(content)

    def read(self, key: str) -> Iterator[bytes]:
        with self._at(key).open("rb") as file:
            while chunk := file.read(1024 * 1024):
                yield chunk

    @contextmanager
    def create(self, key: str) -> Iterator["PartByPart"]:
        with self._at(key).open("wb") as file:
            sink = PartByPart(file)
            yield sink
            file.write(sink.waiting)

    def size(self, key: str) -> int | None:
        return self._at(key).stat().st_size

    def below(self, folder: str) -> Iterator[str]:
        found = sorted(each for each in self._at(folder).rglob("*") if each.is_file())
        return (each.relative_to(self._folder).as_posix() for each in found)

    def delete(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self._at(key).unlink()

    def give_up(self, folder: str) -> None:
        """Nobody else writes here."""


class PartByPart:
    """Gathers as much as the real sink before it writes, and cannot go back either."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.waiting = file, bytearray()

    def write(self, data: bytes, /) -> int:
        self.waiting += data
        while len(self.waiting) >= 16 * 1024 * 1024:
            self._file.write(bytes(self.waiting[: 16 * 1024 * 1024]))
            del self.waiting[: 16 * 1024 * 1024]
        return len(data)

    def flush(self) -> None:
        """Parts go when they are full."""


def clock() -> int:
    return time.time_ns() // 1_000_000


def ours(members: int, folder: Path, form: str) -> dict[str, float]:
    """Every step of the state machine but the waiting, one after another; processor seconds of each."""
    town = Town()
    town.now, town.jobs = clock(), MemoryJobStore()
    export_id = town.ask(identity_types=["email", "ios_idfv"], format=form)
    lists = Lists(members, town.now - 1000)
    stores: Any = town.exporter()
    replaced = {"memberships": lists, "history": lists, "profiles": Profiles(), "files": FolderFiles(folder)}
    stores = type(stores)(**{each: replaced.get(each, getattr(stores, each)) for each in stores.__slots__})
    token, run, began = 1, "run-1", time.process_time()
    plan = export.plan(stores, ACCOUNT, export_id, token, run, timedelta(0), town.clock())
    for line in town.run_files.lines(plan["key"]):
        order = Order(ACCOUNT, export_id, token, **line)
        while not work(stores, order, clock, clock() + 90_000).is_done:
            pass
    written = time.process_time()
    write_archive(stores, ACCOUNT, export_id, token, clock)
    zipped = time.process_time()
    export.finish(stores, ACCOUNT, export_id, token, run, town.clock())
    return {"write": written - began, "zip": zipped - written, "finish": time.process_time() - zipped}


def plain(members: int, folder: Path) -> dict[str, float]:
    """Python's csv into Python's zipfile, rows of the same values in the same order."""
    lists, began = Lists(members, 0), time.process_time()
    with (
        zipfile.ZipFile(folder / "plain.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("plain.csv", "w") as raw,
        TextIOWrapper(raw, "utf-8", newline="") as text,
    ):
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for bucket in range(BUCKETS):
            for mpid in lists.mpids(bucket, None):
                writer.writerows((mpid, 1_795_428_930_110, value, kind) for kind, value in identities(mpid))
    return {"zip": time.process_time() - began}


def recounted(folder: Path) -> int:
    """Rows of the CSV in the only archive of a folder, which must be what its manifest says."""
    (place,) = folder.rglob("*.zip")
    with zipfile.ZipFile(place) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".csv")]
        with archive.open(name) as raw, TextIOWrapper(raw, "utf-8", newline="") as text:
            rows = sum(1 for _ in csv.reader(text)) - 1
        if "manifest.json" in archive.namelist():
            told = json.loads(archive.read("manifest.json"))
            assert (told["total_rows"], told["files"][0]["total_users"]) == (rows, rows // 2), told
    return rows


def child(who: str, members: int, folder: Path) -> None:
    seconds = plain(members, folder) if who == "plain" else ours(members, folder, who)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (size,) = [each.stat().st_size for each in folder.rglob("*.zip")]
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "archive_mb": size / 1e6}))


def measured(who: str, members: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "benchmarks.export", "--child", who, str(members), name]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found: dict[str, Any] = json.loads(told.splitlines()[-1])
        if who != "parquet":
            assert recounted(Path(name)) == members // BUCKETS * BUCKETS * 2
    return found


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
        return
    members = int(sys.argv[1]) if sys.argv[1:2] else MEMBERS
    rows = members // BUCKETS * BUCKETS * 2
    print(f"{members:,} members of audience {AUDIENCE} with two identities each: {rows:,} rows")
    for who in ("plain", "csv", "parquet"):
        found = measured(who, members)
        seconds = sum(found["seconds"].values())
        parts = ", ".join(f"{name} {each:.1f}" for name, each in found["seconds"].items())
        print(
            f"{who:8} {seconds:6.1f} s ({parts}), {rows / seconds:9,.0f} rows/s, "
            f"peak {found['peak_mb']:.0f} MB, archive {found['archive_mb']:.0f} MB"
        )
        assert who == "plain" or found["peak_mb"] < LIMIT_MB, found


if __name__ == "__main__":
    main()
