"""Files of exports, mail and signing keys in memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count

from audience_core.domain.export_stores import SigningKey
from audience_core.errors import NotFoundError


class MemorySink:
    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes, /) -> int:
        self.content += data
        return len(data)

    def flush(self) -> None:
        """Everything is where it belongs."""


class MemoryExportFiles:
    """`files` are those that are there, `open` those that somebody creates."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.open: dict[int, str] = {}
        self._uploads = count(1)

    def put(self, key: str, content: bytes) -> None:
        self.files[key] = content

    def read(self, key: str) -> Iterator[bytes]:
        if key not in self.files:
            raise NotFoundError("a file of the export is gone")
        return iter((self.files[key],))

    @contextmanager
    def create(self, key: str) -> Iterator[MemorySink]:
        upload = next(self._uploads)
        self.open[upload] = key
        try:
            sink = MemorySink()
            yield sink
            if upload not in self.open:
                raise NotFoundError("somebody gave this file up")
            self.files[key] = bytes(sink.content)
        finally:
            self.open.pop(upload, None)

    def size(self, key: str) -> int | None:
        return len(self.files[key]) if key in self.files else None

    def below(self, folder: str) -> Iterator[str]:
        return iter(sorted(key for key in self.files if key.startswith(folder)))

    def delete(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self.files.pop(key, None)

    def give_up(self, folder: str) -> None:
        self.open = {upload: key for upload, key in self.open.items() if not key.startswith(folder)}

    def link(self, key: str, file_name: str, seconds: int) -> str:
        return f"memory://{key}?name={file_name}&seconds={seconds}"


class MemoryMail:
    """`sent` holds (to, subject, text)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []

    def send(self, recipient: str, subject: str, text: str) -> None:
        self.sent.append((recipient, subject, text))


class MemorySigningKeys:
    def __init__(self) -> None:
        self._keys = [SigningKey("key-1", "0123456789abcdef0123456789abcdef")]

    def rotate(self, key: SigningKey) -> None:
        self._keys = [key, *self._keys[:1]]

    def current(self) -> SigningKey:
        return self._keys[0]

    def find(self, key_id: str) -> SigningKey | None:
        return next((key for key in self._keys if key.key_id == key_id), None)
