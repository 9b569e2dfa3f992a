"""In-memory twins of the queues, the archive and the stores of ingest."""

from collections import Counter
from collections.abc import Collection, Sequence

from audience_core.domain.ids import AccountId, InputId
from audience_core.domain.messages import AcceptedBatch, Due, PipelineMessage, WakeUp


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

    def add(self, account_id: AccountId, batches: int, second: int) -> int:
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
    def __init__(self) -> None:
        self._batches: dict[tuple[InputId, str], AcceptedBatch] = {}

    def put(self, batches: Sequence[AcceptedBatch]) -> None:
        for batch in batches:
            self._batches.setdefault((batch.source.input_id, batch.batch_id), batch)

    @property
    def batches(self) -> list[AcceptedBatch]:
        return list(self._batches.values())
