"""The erasure of a user: what is to be erased, where traces may be, and how far it has come."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from audience_core.domain.account import Record
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, InputId, Mpid

# Nothing that was accepted before an erasure is delivered so long after it: queues keep messages for 14 days.
REMEMBERED_DAYS = 45


class Subject(Record):
    """A profile to be erased."""

    environment: Environment
    mpid: Mpid


class ErasureOrder(Record):
    """What is known of the user while the erasure is under way; all of it but the number of profiles goes at the end.

    Args:
        identities: (type, value) of all that any of the profiles ever held, as far as it was found.
        at: what was received up to then (UTC ms) is erased.
    """

    subjects: tuple[Subject, ...] = ()
    identities: tuple[tuple[str, str], ...] = ()
    at: int
    profiles: int

    @property
    def known(self) -> list[Identity]:
        return [Identity(*each) for each in self.identities]


def grave_of(mpid: Mpid) -> Identity:
    """By which an erased profile is remembered among erased identities."""
    return Identity("mpid", str(mpid))


def passed_of(mpid: Mpid) -> Identity:
    """By which it is remembered that what fan-out derives from an erased profile has been told of its end."""
    return Identity("passed", str(mpid))


def counted_of(mpid: Mpid) -> Identity:
    """By which it is remembered that figures and logs have been told of an erased profile's end."""
    return Identity("counted", str(mpid))


@dataclass(frozen=True, slots=True)
class RawTraces:
    """What one stretch of the raw archive held of a user, and holds no more.

    Args:
        next: where to go on; None at the end.
    """

    removed: int
    identities: frozenset[Identity]
    requests: frozenset[tuple[InputId, str]]
    next: str | None


class StoredTraces(Protocol):
    """Removes what tables keep of a user; every method says how many items went, and may be repeated."""

    def timelines(self, account_id: AccountId, subject: Subject) -> int: ...

    def identity(self, account_id: AccountId, subject: Subject, identity: Identity) -> int:
        """Its row, or the profile among its holders when there are others."""

    def memberships(self, account_id: AccountId, mpid: Mpid, until: AudienceId) -> int:
        """Rows of the member lists of all sets up to an id."""

    def history(self, account_id: AccountId, mpid: Mpid, until: AudienceId) -> int: ...

    def notes(self, account_id: AccountId, connection_id: ConnectionId, mpid: Mpid) -> int:
        """What the lane has noted of sends to a partner whose row is gone."""

    def requests(self, requests: Collection[tuple[InputId, str]]) -> int: ...

    def job_parts(self, account_id: AccountId, mpids: Collection[Mpid]) -> int:
        """Places and pending rows of ended jobs."""

    def last_audience(self, account_id: AccountId) -> AudienceId:
        """The greatest id that was ever given to an audience, variant or member set."""


class FileTraces(Protocol):
    """Removes what files keep of users; as `StoredTraces`. Raise `UnavailableError` when S3 does not answer."""

    def results(self, account_id: AccountId, mpids: Collection[Mpid]) -> int:
        """Files of results that were written anew without them."""

    def raw(
        self,
        account_id: AccountId,
        subjects: Sequence[Subject],
        after: str,
        clock: Callable[[], int],
        until_ms: int,
    ) -> RawTraces:
        """Write files of the raw archive anew, from the one after `after` on, and as long as time is left."""

    def staged(self, account_id: AccountId, version: int) -> int:
        """What compactions up to a version of the archive had staged."""

    def erasures(self, account_id: AccountId, subject: Subject) -> int:
        """The archive's own note that the user was to be erased."""


class DeadLetters(Protocol):
    def remove(self, is_wanted: Callable[[str], bool]) -> int:
        """Take lines out of the messages in the dead-letter queues of events; how many went."""
