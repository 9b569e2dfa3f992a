"""What exports need from the outside world: files, mail, and keys to sign links with."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Sink(Protocol):
    """A file that is written from its beginning to its end."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


class ExportFiles(Protocol):
    """Files of exports; what is below a folder has its key as a prefix."""

    def put(self, key: str, content: bytes) -> None:
        """Raise `UnavailableError` when it may not be stored."""

    def read(self, key: str) -> Iterator[bytes]:
        """The content bit by bit; raise `NotFoundError` when there is no such file."""

    def create(self, key: str) -> AbstractContextManager[Sink]:
        """A file of any size in little memory: it is there when the context ends, and no trace of it after an error."""

    def size(self, key: str) -> int | None:
        """In bytes; None when there is no such file."""

    def below(self, folder: str) -> Iterator[str]:
        """Keys of the files below a folder, those first that come first as text."""

    def delete(self, keys: Iterable[str]) -> None:
        """Repeats are harmless."""

    def give_up(self, folder: str) -> None:
        """Forget what was being created below a folder; whoever still writes it fails."""

    def link(self, key: str, file_name: str, seconds: int) -> str:
        """An address that anybody can download the file from, for so long, as a file of that name."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Args:
    key_id: tells keys apart; not confidential.
    """

    key_id: str
    secret: str


class SigningKeys(Protocol):
    """The keys that links are signed with: a new one can take over while the one before it still opens links."""

    def current(self) -> SigningKey: ...

    def find(self, key_id: str) -> SigningKey | None:
        """The current key or the one before it; None for any other."""
