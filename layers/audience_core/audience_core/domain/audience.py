"""A named definition and its members."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from audience_core.domain.account import Record, ResourceName
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId


class AudienceStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"


class Audience(Record):
    """A real-time audience.

    Args:
        external_name: what outputs and sharing receivers see; `name` when none was given.
        workspaces: whose users it is drawn from; `inputs`: whose events its event criteria read.
        program_version: version of the account's set of active definitions since which it is active as it stands.
        version: of the stored item, for conditional writes; the API's ETag.
    """

    account_id: AccountId
    audience_id: AudienceId
    name: ResourceName
    external_name: Annotated[str, Field(max_length=100)] = ""
    status: AudienceStatus = AudienceStatus.DRAFT
    workspaces: Annotated[tuple[WorkspaceId, ...], Field(min_length=1, max_length=50)]
    inputs: Annotated[tuple[InputId, ...], Field(min_length=1, max_length=500)]
    definition: Definition
    created_by: str
    created_at: datetime
    updated_at: datetime
    activated_at: datetime | None = None
    program_version: int = 0
    version: int = 0


class AudienceCounts(Record):
    """How many members an audience has, and how many joined and left in the last 24 hours."""

    size: int
    adds_24h: int
    drops_24h: int
