"""In-memory twins of the queues, the archive and the stores of ingest."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from audience_core.domain.archive import ArchiveEntry, Erasure, OwnedBatch, RawFile
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, InputId, Mpid
from audience_core.domain.messages import AcceptedBatch, Due, PipelineMessage, WakeUp

_MINUTE_MS = 60_000


class MemoryRequestStore:
    def __init__(self) -> None:
        self._known: set[tuple[InputId, str]] = set()

    def is_known(self, input_id: InputId, request_ids: Collection[str]) -> frozenset[str]:
        return frozenset(request_id for request_id in request_ids if (input_id, request_id) in self._known)

    def remember(self, input_id: InputId, request_ids: Collection[str], now_ms: int) -> None:
        self._known.update((input_id, request_id) for request_id in request_ids)


class MemoryRateStore:
    def __init__(self) -> None:
        self._counts: Counter[tuple[AccountId, int]] = Counter()

    def add(self, account_id: AccountId, batches: int, second: int, limit: int) -> int:
        self._counts[account_id, second] += batches
        return self._counts[account_id, second]


class MemoryEventQueue:
    """Holds what was sent until a test takes it."""

    def __init__(self) -> None:
        self.messages: list[PipelineMessage] = []

    def send(self, messages: Sequence[PipelineMessage]) -> None:
        self.messages += messages

    def take(self) -> list[PipelineMessage]:
        """Everything sent since the last call, in order."""
        taken, self.messages = self.messages, []
        return taken


class MemoryReevaluationQueue:
    """Holds what was sent until a test takes it; a message per profile."""

    def __init__(self) -> None:
        self.due: list[Due] = []

    def send(self, due: Sequence[Due], now_ms: int) -> None:
        self.due += due

    def waiting(self) -> int:
        return len(self.due)

    def take(self) -> list[Due]:
        """Everything sent since the last call, in order."""
        taken, self.due = self.due, []
        return taken


class MemoryMarkStore:
    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self._marks.get(name)

    def put(self, name: str, value: str) -> None:
        self._marks[name] = value


class MemoryWakeUpQueue:
    """Drops repeats of a wake-up within one second, as the FIFO queue does."""

    def __init__(self) -> None:
        self.wake_ups: list[WakeUp] = []
        self._sent: set[tuple[WakeUp, int]] = set()

    def send(self, wake_ups: Collection[WakeUp], now_ms: int) -> None:
        for wake_up in wake_ups:
            if (wake_up, now_ms // 1000) not in self._sent:
                self._sent.add((wake_up, now_ms // 1000))
                self.wake_ups.append(wake_up)

    def take(self) -> list[WakeUp]:
        """Everything sent since the last call, in order."""
        taken, self.wake_ups = self.wake_ups, []
        return taken


class MemoryArchive:
    """Each entry once, under the minute in which it was put first."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, ArchiveEntry]] = {}
        self._staged: dict[str, list[ArchiveEntry]] = {}

    def put(self, entries: Sequence[ArchiveEntry], now_ms: int) -> None:
        for entry in entries:
            self._entries.setdefault(repr(entry), (now_ms // _MINUTE_MS, entry))

    def files(self, account_id: AccountId, since_ms: int) -> Sequence[RawFile]:
        minutes = {minute for minute, entry in self._entries.values() if _population(entry) == _production(account_id)}
        return [RawFile(f"{account_id}/{each}", 100) for each in sorted(minutes) if each >= since_ms // _MINUTE_MS]

    def entries(self, name: str) -> list[ArchiveEntry]:
        account_id, minute = map(int, name.split("/"))
        wanted = minute, _production(AccountId(account_id))
        return [entry for at, entry in self._entries.values() if (at, _population(entry)) == wanted]

    def erased(self, account_id: AccountId) -> Mapping[Mpid, int]:
        found: dict[Mpid, int] = {}
        for entry in self.all:
            if isinstance(entry, Erasure) and _population(entry) == _production(account_id):
                found[entry.mpid] = max(entry.at, found.get(entry.mpid, entry.at))
        return found

    def stage(self, name: str, entries: Sequence[ArchiveEntry]) -> None:
        self._staged[name] = list(entries)

    def staged_names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self._staged if name.startswith(prefix))

    def staged(self, name: str) -> list[ArchiveEntry]:
        return list(self._staged[name])

    @property
    def all(self) -> list[ArchiveEntry]:
        return [entry for _, entry in self._entries.values()]

    @property
    def batches(self) -> list[AcceptedBatch]:
        return [entry.batch for entry in self.all if isinstance(entry, OwnedBatch)]


def _population(entry: ArchiveEntry) -> tuple[AccountId, Environment]:
    if isinstance(entry, OwnedBatch):
        return entry.batch.source.account_id, Environment.told_by(entry.batch.body.get("environment"))
    return entry.account_id, entry.environment


def _production(account_id: AccountId) -> tuple[AccountId, Environment]:
    return account_id, Environment.PRODUCTION
