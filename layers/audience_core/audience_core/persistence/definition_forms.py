"""Stored forms of definitions: all that may lie in the tables are read, one is written (docs/operations.md)."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audience_core.domain.definition import Definition

type Document = dict[str, Any]
type Change = Callable[[Document], Document]


@dataclass(frozen=True, slots=True)
class Forms:
    """What one release of the code reads and writes.

    Args:
        newest: version of the form that `Definition` has.
        writes: version that is stored; the one before while functions of the last release still run.
        upgrades: version -> what makes the next of it.
        downgrades: version -> what makes the one before of it; only for a release that still writes that.
    """

    newest: int = 1
    writes: int = 1
    upgrades: Mapping[int, Change] = field(default_factory=dict)
    downgrades: Mapping[int, Change] = field(default_factory=dict)

    def pack(self, definition: Definition) -> bytes:
        text = definition.model_dump_json()
        if self.writes < self.newest:
            document = json.loads(text)
            for version in range(self.newest, self.writes, -1):
                document = self.downgrades[version](document)
            text = json.dumps(document)
        return zlib.compress(text.encode())

    def unpack(self, data: bytes) -> Definition:
        """Raise `ValidationError` for a form that is newer than this release."""
        text = zlib.decompress(data)
        if self.upgrades:
            document = json.loads(text)
            while (version := document["version"]) < self.newest:
                document = self.upgrades[version](document)
            text = json.dumps(document).encode()
        return Definition.model_validate_json(text)


FORMS = Forms()
