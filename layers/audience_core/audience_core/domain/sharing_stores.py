"""What sharing needs from the outside world: arrangements of two accounts, receivers, logos."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.messages import SharedChange
from audience_core.domain.sharing import Arrangement, ArrangementState, LogEntry, Received, Receiving, Side
from audience_core.domain.stores import Page


class SharingStore(Protocol):
    """Both parties' sides of an arrangement change together, and with them both logs: all of it or nothing."""

    def receiving(self, account_id: AccountId) -> Receiving | None:
        """None for an account that never had to do with receiving; strongly consistent."""

    def save_receiving(self, receiving: Receiving, log: Sequence[LogEntry]) -> Receiving:
        """Store and return the next version; raise `StaleVersionError` when `version` is stale.

        Others find it by its name and its receiver id from when it is on until when it is off.
        """

    def receiver(self, receiver_id: str) -> Receiving:
        """Raise `NotFoundError` unless there is one, and it is on."""

    def receivers(self, text: str, cursor: str | None, limit: int) -> Page[Receiving]:
        """Those that are on and whose name contains a text, ignoring case, by name."""

    def offer(self, arrangement: Arrangement, log: Sequence[LogEntry]) -> Arrangement:
        """Store a new arrangement.

        Raises:
            ConflictError: a live one shares the same audience with the same receiver.
            NotFoundError: the receiver is not on (any more).
        """

    def change(self, arrangement: Arrangement, log: Sequence[LogEntry]) -> Arrangement:
        """Store an arrangement in another state; raise `StaleVersionError` when `version` is stale.

        One that is accepted makes a `Received` of its `received_id`, one that is over deletes it.

        Raises:
            NotFoundError: it is accepted, and the receiver is not on (any more).
        """

    def arrangement(self, account_id: AccountId, side: Side, arrangement_id: str) -> Arrangement:
        """Raise `NotFoundError` unless the account is on that side of it; strongly consistent."""

    def arrangements(
        self,
        account_id: AccountId,
        side: Side,
        states: Collection[ArrangementState],
        cursor: str | None,
        limit: int,
        audience_id: AudienceId | None = None,
    ) -> Page[Arrangement]:
        """Those on that side of which the account is, the latest first.

        Args:
            audience_id: only those of this audience of the initiator's.
        """

    def live(self, account_id: AccountId, side: Side) -> tuple[Arrangement, ...]:
        """All pending and accepted ones, strongly consistent."""

    def pending(self, account_id: AccountId) -> int:
        """How many offers the account has not answered."""

    def is_accepted(self, receiver: AccountId, arrangement_id: str) -> bool:
        """Whether an arrangement holds at this moment; strongly consistent."""

    def received(self, account_id: AccountId, audience_id: AudienceId) -> Received:
        """Raise `NotFoundError` unless it is shared with the account at this moment."""

    def received_all(self, account_id: AccountId) -> tuple[Received, ...]:
        """By id."""

    def save_received(self, received: Received) -> Received:
        """Store and return the next version; raise `StaleVersionError` when it is stale, or the sharing is over."""

    def note(self, log: Sequence[LogEntry]) -> None:
        """Write down steps that change nothing."""

    def log(self, account_id: AccountId, cursor: str | None, limit: int) -> Page[LogEntry]:
        """The latest first."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a file may be put, by whom it is not asked: a PUT with these headers, once begun before it expires."""

    url: str
    headers: Mapping[str, str]
    seconds: int


class LogoFiles(Protocol):
    """Logos as they were sent, which nobody sees, and as they were checked and written anew."""

    def upload(self, account_id: AccountId, upload_id: str, size_bytes: int) -> Upload: ...

    def sent(self, account_id: AccountId, upload_id: str, limit_bytes: int) -> bytes:
        """At most one byte more than the limit; raise `NotFoundError` when nothing was sent."""

    def keep(self, account_id: AccountId, content: bytes) -> str:
        """Store a checked logo; its key, the same for the same content."""

    def forget(self, account_id: AccountId, upload_id: str) -> None:
        """Remove what was sent; a repeat is harmless."""

    def link(self, key: str, seconds: int) -> str:
        """An address at which anybody sees a checked logo, for so long."""


class SharedChangeQueue(Protocol):
    """Apart from the initiator's own path, so that no number of receivers holds it up."""

    def send(self, changes: Sequence[SharedChange]) -> None:
        """All are queued when this returns."""
