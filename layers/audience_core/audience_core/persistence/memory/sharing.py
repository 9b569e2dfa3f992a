"""Sharing in memory, keeping the promises of the store in AWS."""

from collections.abc import Collection, Mapping, Sequence

from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.messages import SharedChange
from audience_core.domain.sharing import (
    LIVE,
    Arrangement,
    ArrangementState,
    LogEntry,
    Received,
    Receiving,
    Side,
)
from audience_core.domain.sharing_stores import Upload
from audience_core.domain.stores import Page
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.evaluation.text import fold


class MemorySharingStore:
    def __init__(self) -> None:
        self._receiving: dict[AccountId, Receiving] = {}
        self._arrangements: dict[str, Arrangement] = {}
        self._received: dict[tuple[AccountId, AudienceId], Received] = {}
        self._log: list[LogEntry] = []

    def receiving(self, account_id: AccountId) -> Receiving | None:
        return self._receiving.get(account_id)

    def save_receiving(self, receiving: Receiving, log: Sequence[LogEntry]) -> Receiving:
        stored = self._receiving.get(receiving.account_id)
        if (stored.version if stored else 0) != receiving.version:
            raise StaleVersionError("somebody else changed it in between: load it again")
        saved = receiving.model_copy(update={"version": receiving.version + 1})
        self._receiving[saved.account_id] = saved
        self._log += log
        return saved

    def receiver(self, receiver_id: str) -> Receiving:
        for each in self._receiving.values():
            if each.receiver_id == receiver_id and each.is_on:
                return each
        raise NotFoundError(f"there is no receiver {receiver_id}")

    def receivers(self, text: str, cursor: str | None, limit: int) -> Page[Receiving]:
        wanted = fold(text.strip())
        found = [each for each in self._receiving.values() if each.is_on and wanted in fold(each.name)]
        return _page(sorted(found, key=lambda each: (fold(each.name), each.receiver_id)), cursor, limit)

    def offer(self, arrangement: Arrangement, log: Sequence[LogEntry]) -> Arrangement:
        self._require_on(arrangement)
        pair = arrangement.audience_id, arrangement.receiver
        if any((each.audience_id, each.receiver) == pair for each in self.live(arrangement.initiator, Side.INITIATOR)):
            raise ConflictError("the audience is shared with, or offered to, this receiver already")
        saved = arrangement.model_copy(update={"version": 1})
        self._arrangements[saved.arrangement_id] = saved
        self._log += log
        return saved

    def change(self, arrangement: Arrangement, log: Sequence[LogEntry]) -> Arrangement:
        if arrangement.state is ArrangementState.ACCEPTED:
            self._require_on(arrangement)
        if self._arrangements[arrangement.arrangement_id].version != arrangement.version:
            raise StaleVersionError("the other party changed it in between: load it again")
        saved = arrangement.model_copy(update={"version": arrangement.version + 1})
        self._arrangements[saved.arrangement_id] = saved
        if saved.received_id is not None:
            key = saved.receiver, saved.received_id
            if saved.state is ArrangementState.ACCEPTED:
                self._received[key] = saved.as_received(saved.received_id)
            else:
                self._received.pop(key, None)
        self._log += log
        return saved

    def arrangement(self, account_id: AccountId, side: Side, arrangement_id: str) -> Arrangement:
        found = self._arrangements.get(arrangement_id)
        if found is None or found.account_of(side) != account_id:
            raise NotFoundError(f"there is no arrangement {arrangement_id}")
        return found

    def arrangements(
        self,
        account_id: AccountId,
        side: Side,
        states: Collection[ArrangementState],
        cursor: str | None,
        limit: int,
        audience_id: AudienceId | None = None,
    ) -> Page[Arrangement]:
        found = [
            each
            for each in self._of(account_id, side)
            if each.state in states and audience_id in (None, each.audience_id)
        ]
        return _page(sorted(found, key=lambda each: each.arrangement_id, reverse=True), cursor, limit)

    def live(self, account_id: AccountId, side: Side) -> tuple[Arrangement, ...]:
        return tuple(each for each in self._of(account_id, side) if each.state in LIVE)

    def pending(self, account_id: AccountId) -> int:
        return sum(each.state is ArrangementState.PENDING for each in self._of(account_id, Side.RECEIVER))

    def is_accepted(self, receiver: AccountId, arrangement_id: str) -> bool:
        found = self._arrangements.get(arrangement_id)
        return found is not None and found.receiver == receiver and found.state is ArrangementState.ACCEPTED

    def received(self, account_id: AccountId, audience_id: AudienceId) -> Received:
        if (account_id, audience_id) not in self._received:
            raise NotFoundError(f"there is no audience {audience_id}")
        return self._received[account_id, audience_id]

    def received_all(self, account_id: AccountId) -> tuple[Received, ...]:
        return tuple(each for key, each in sorted(self._received.items()) if key[0] == account_id)

    def save_received(self, received: Received) -> Received:
        key = received.account_id, received.audience_id
        if key not in self._received or self._received[key].version != received.version:
            raise StaleVersionError("somebody else changed it in between: load it again")
        self._received[key] = received.model_copy(update={"version": received.version + 1})
        return self._received[key]

    def note(self, log: Sequence[LogEntry]) -> None:
        self._log += log

    def log(self, account_id: AccountId, cursor: str | None, limit: int) -> Page[LogEntry]:
        mine = [each for each in self._log if each.account_id == account_id]
        return _page(sorted(mine, key=lambda each: each.at, reverse=True), cursor, limit)

    def _of(self, account_id: AccountId, side: Side) -> list[Arrangement]:
        return [each for each in self._arrangements.values() if each.account_of(side) == account_id]

    def _require_on(self, arrangement: Arrangement) -> None:
        receiving = self._receiving.get(arrangement.receiver)
        if receiving is None or not receiving.is_on:
            raise NotFoundError(f"there is no receiver {arrangement.receiver_id}")


class MemoryLogoFiles:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def upload(self, account_id: AccountId, upload_id: str, size_bytes: int) -> Upload:
        headers: Mapping[str, str] = {"Content-Type": "image/png", "Content-Length": str(size_bytes)}
        return Upload(f"memory:{account_id}/{upload_id}", headers, 600)

    def sent(self, account_id: AccountId, upload_id: str, limit_bytes: int) -> bytes:
        if f"{account_id}/{upload_id}" not in self.files:
            raise NotFoundError(f"nothing was uploaded as {upload_id}")
        return self.files[f"{account_id}/{upload_id}"][: limit_bytes + 1]

    def keep(self, account_id: AccountId, content: bytes) -> str:
        key = f"logos/{account_id}/{hash(content):x}.png"
        self.files[key] = content
        return key

    def forget(self, account_id: AccountId, upload_id: str) -> None:
        self.files.pop(f"{account_id}/{upload_id}", None)

    def link(self, key: str, seconds: int) -> str:
        return f"memory:{key}"


class MemorySharedChangeQueue:
    def __init__(self) -> None:
        self.changes: list[SharedChange] = []

    def send(self, changes: Sequence[SharedChange]) -> None:
        self.changes += changes

    def take(self) -> list[SharedChange]:
        """Everything sent since the last call, in order."""
        taken, self.changes = self.changes, []
        return taken


def _page[T](found: Sequence[T], cursor: str | None, limit: int) -> Page[T]:
    start = int(cursor or 0)
    return Page(tuple(found[start : start + limit]), str(start + limit) if len(found) > start + limit else None)
