"""The resume file: which import it is of, and how far the server has acknowledged it."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from audience_cli.errors import UsageError

# Of the beginning and the end of a file: enough to see that it was replaced, cut or appended to.
SAMPLE_BYTES = 1 << 20


class Position(NamedTuple):
    """Everything before row `row` of file `file` (from 0) is acknowledged, and so many requests after it."""

    file: int
    row: int
    requests: int


START = Position(0, 0, 0)


class State(BaseModel):
    """What the resume file holds.

    Args:
        import_id: of files, mapping and endpoint; another one means another import.
        shift_ms: by how much all times are moved; decided once.
        cutoff_ms: which rows were too young for the historical endpoint when the import began.
    """

    version: int = 1
    import_id: str
    shift_ms: int
    cutoff_ms: int | None = None
    position: Position = START


def import_id(files: Sequence[Path], mapping: str, target: str) -> str:
    """Changes with the content of any file, the mapping, or the endpoint and input it goes to."""
    parts = [fingerprint(file) for file in files]
    return hashlib.sha256("\0".join([*parts, mapping, target]).encode()).hexdigest()


def fingerprint(file: Path) -> str:
    """Of the size of the file and its first and last mebibyte."""
    size = file.stat().st_size
    known = hashlib.sha256(str(size).encode())
    with file.open("rb") as content:
        known.update(content.read(SAMPLE_BYTES))
        content.seek(max(0, size - SAMPLE_BYTES))
        known.update(content.read(SAMPLE_BYTES))
    return known.hexdigest()


def default_path(identity: str) -> Path:
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "audiences" / f"import-{identity[:16]}.json"


def load(path: Path, identity: str) -> State | None:
    """Where the import stands; None if it has not begun.

    Raises:
        UsageError: the file is of another import.
    """
    try:
        state = State.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise UsageError(f"{path} is no resume file of this command; delete it to begin anew") from error
    if state.import_id != identity:
        raise UsageError(
            f"{path} is of another import: the files, the mapping, the endpoint or the input changed. "
            "Delete it to begin anew, or name another with --resume-file."
        )
    return state


def save(path: Path, state: State) -> None:
    """All of it or nothing: a crash in between leaves the older state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(state.model_dump_json())
    draft.replace(path)
