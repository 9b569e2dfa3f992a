"""A named definition and its members."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from audience_core.domain.account import Record, ResourceName
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.errors import ConflictError

MAX_TAGS = 50
MAX_TAG_LENGTH = 18
# Trimmed; its length is in code points.
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TAG_LENGTH)]
Tags = Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)]


class AudienceKind(StrEnum):
    REAL_TIME = "real_time"
    LIFETIME = "lifetime"


class AudienceStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"


class AudienceOutline(Record):
    """An audience without its definition, which is all that a list needs of it.

    Args:
        kind: real-time ones are kept current; lifetime ones are calculated over a date range.
        external_name: what outputs and sharing receivers see; `name` when none was given.
        workspaces: whose users it is drawn from; `inputs`: whose events its event criteria read.
        tags: in the account's spelling of each (see `AudienceStore.spell`).
        program_version: version of the account's set of active definitions since which it is active as it stands.
        version: of the stored item, for conditional writes; the API's ETag.
    """

    account_id: AccountId
    audience_id: AudienceId
    name: ResourceName
    external_name: Annotated[str, Field(max_length=100)] = ""
    kind: AudienceKind = AudienceKind.REAL_TIME
    status: AudienceStatus = AudienceStatus.DRAFT
    workspaces: Annotated[tuple[WorkspaceId, ...], Field(min_length=1, max_length=50)]
    inputs: Annotated[tuple[InputId, ...], Field(min_length=1, max_length=500)]
    tags: tuple[str, ...] = ()
    created_by: str
    created_at: datetime
    updated_at: datetime
    activated_at: datetime | None = None
    program_version: int = 0
    version: int = 0


class Audience(AudienceOutline):
    """An audience with the definition that decides who is in it."""

    definition: Definition


def require_room(active: int, cap: int | None) -> None:
    """Raise `ConflictError` when one more audience than these active ones would be too many; None: never."""
    if cap is not None and active >= cap:
        raise ConflictError(f"{active} of {cap} audiences are active: deactivate one first")


class AudienceCounts(Record):
    """How many members an audience has, and how many joined and left in the last 24 hours."""

    size: int
    adds_24h: int
    drops_24h: int
