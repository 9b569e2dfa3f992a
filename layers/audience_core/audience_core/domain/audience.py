"""A named definition and its members."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from audience_core.domain.ab_test import AbTest
from audience_core.domain.account import Record, ResourceName
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.domain.lifetime import DateRange, LifetimeResult, Recalculation
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
    """A real-time audience is a draft or active; a lifetime one is a draft, calculating, ready, or archived."""

    DRAFT = "draft"
    ACTIVE = "active"
    CALCULATING = "calculating"
    READY = "ready"
    ARCHIVED = "archived"


class FormerSet(Record):
    """A member set that was an audience's membership, at program versions `live_from <= v < live_until`.

    One that was staged and never went live has an empty range.
    """

    member_set: AudienceId
    live_from: int
    live_until: int


class Staged(Record):
    """The version of an audience's definition that will be live once every profile was evaluated with it.

    Args:
        number: of the definition version.
        member_set: who is in it is kept under this id, which nothing else has.
        program_version: since which the account's program contains it.
    """

    number: int
    member_set: AudienceId
    program_version: int


class AudienceOutline(Record):
    """An audience without its definition, which is all that a list needs of it.

    Args:
        kind: real-time ones are kept current; lifetime ones are calculated over a date range.
        external_name: what outputs and sharing receivers see; `name` when none was given.
        workspaces: whose users it is drawn from; `inputs`: whose events its event criteria read.
        tags: in the account's spelling of each (see `AudienceStore.spell`).
        program_version: version of the account's set of active definitions since which it is active as it stands.
        version: of the stored item, for conditional writes; the API's ETag.
        definition_version: number of the definition; each that was active has its own, ascending.
        member_set: id of the set of those who satisfy this very definition; 0: the audience's own id.
        live_from: program version from which `member_set` is the audience's membership.
        former_sets: the latest of the sets that were live before, ascending.
        staged: what an edit made, until it takes over.
        ab_test: how its members are split; an edit leaves it as it is.
        date_range: whose events a lifetime audience sees; None for real-time ones.
        calculation_id: of the last calculation of a lifetime audience that was begun.
        recalculation: when a lifetime audience is calculated anew by itself; None: never.
        recalculation_problem: why that was not begun the last time; "" when it was.
        result: of the last one that came to its end; one that is under way or failed leaves it in place.
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
    definition_version: int = 1
    member_set: AudienceId = AudienceId(0)
    live_from: int = 0
    former_sets: tuple[FormerSet, ...] = ()
    staged: Staged | None = None
    ab_test: AbTest | None = None
    date_range: DateRange | None = None
    calculation_id: str = ""
    result: LifetimeResult | None = None
    recalculation: Recalculation | None = None
    recalculation_problem: str = ""

    def status_at(self, now: datetime) -> AudienceStatus:
        """The status as an observer sees it: what was ready for long enough is archived."""
        is_over = self.result is not None and self.result.expires_at <= now
        return AudienceStatus.ARCHIVED if self.status is AudienceStatus.READY and is_over else self.status

    @property
    def live_set(self) -> AudienceId:
        """The id under which its members are kept."""
        return self.member_set or self.audience_id

    @property
    def home(self) -> AccountId:
        """The account that has its members."""
        return self.account_id


class DefinitionVersion(Record):
    """A definition that an audience has, had or is about to have, with what it is read against; never changed."""

    account_id: AccountId
    audience_id: AudienceId
    number: int
    workspaces: tuple[WorkspaceId, ...]
    inputs: tuple[InputId, ...]
    definition: Definition
    created_at: datetime


class ProgramMark(Record):
    """Where an account's set of active definitions stands.

    Args:
        version: advances with every change of it; profiles remember the one they were evaluated with.
        published: the version of the latest change that asks for a backfill. When staged definitions take over, only
            `version` advances: every profile was evaluated with them before.
        erased_at: when a user was erased last (UTC ms): of what was received before, some must not be applied any more.
    """

    version: int = 0
    published: int = 0
    erased_at: int = 0


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
