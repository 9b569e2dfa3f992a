"""Resources as the API shows them: ids and instants as text, figures added, secrets left out."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from audience_core.api.edge import instant
from audience_core.domain.account import Input, InputKind, Role, Workspace
from audience_core.domain.audience import Audience, AudienceCounts, AudienceKind, AudienceOutline, AudienceStatus, Tags
from audience_core.domain.definition import Definition
from audience_core.domain.job import JobState
from audience_core.domain.lifetime import DateRange, LifetimeResult
from audience_core.domain.membership import HistoryEntry, Membership, PastMembership, Reason
from audience_core.management.jobs import Report
from audience_core.management.listings import Listed
from audience_core.management.ordering import volatility


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class Versioned(View):
    """Args:
    version: the resource's ETag without its quotes.
    """

    version: int


class WorkspaceView(Versioned):
    id: str
    name: str
    created_at: datetime


class InputView(Versioned):
    """Args:
    key: the user name that ingest asks for.
    previous_key: the one before it, which works beside it until `previous_key_valid_until`.
    """

    id: str
    workspace_id: str
    name: str
    kind: InputKind
    key: str
    previous_key: str | None = None
    previous_key_valid_until: datetime | None = None
    created_at: datetime


class InputCredentialView(InputView):
    """Args:
    secret: the password that ingest asks for; shown once, null ever after.
    """

    secret: str | None = None


class PersonView(View):
    """Somebody who may sign in to the console for this account."""

    email: str
    role: Role


class Scope(StrEnum):
    SINGLE = "single"
    MULTI = "multi"


class JobProgressView(View):
    """A job: its id, its state, and how far it has got, from 0 to 1."""

    id: str
    state: JobState
    progress: float


class RecalculationView(View):
    """Args:
    every_days: the night so many days after the last calculation begins the next; null: nothing begins by itself.
    problem: why that was not begun the last time; null when it was.
    """

    every_days: int | None
    problem: str | None


class AudienceRow(Versioned):
    """Args:
    external_name: what outputs see; `name` when none was given.
    scope: single or multi, by the number of workspaces.
    kind: real-time ones are kept current, lifetime ones calculated on demand.
    size: null for a draft, which has no members. adds_24h, drops_24h: null for lifetime audiences, too.
    volatility: (adds + drops) / size; null when the size is 0.
    calculating: the job that brings it its members, or those of an edit; null when all are known.
    recalculation: of a lifetime audience that is calculated anew by itself.
    date_range: of a lifetime audience; null days: from the first, or to the last, of which there are data.
    calculated_at, expires_at: of a lifetime audience: since when its members are known, and until when it is ready.
    definition_version: number of the live definition.
    staged_version: number of the one that takes over when its members are known; null when there is none.
    faults: the connections that are faulted.
    ab_test: whether its members are split for a test.
    """

    id: int
    name: str
    external_name: str
    kind: AudienceKind
    status: AudienceStatus
    scope: Scope
    workspaces: tuple[str, ...]
    inputs: tuple[str, ...]
    tags: tuple[str, ...]
    size: int | None
    adds_24h: int | None
    drops_24h: int | None
    volatility: float | None
    calculating: JobProgressView | None
    connected_outputs: int
    faults: tuple[str, ...]
    ab_test: bool
    created_by: str
    created_at: datetime
    updated_at: datetime
    activated_at: datetime | None
    date_range: DateRange | None
    recalculation: RecalculationView | None
    calculated_at: datetime | None
    expires_at: datetime | None
    definition_version: int
    staged_version: int | None


class AudienceView(AudienceRow):
    definition: Definition


class AudienceList(View):
    """Args:
    active: how many audiences of the account are active; `active_cap`: how many may be.
    next: give it back as `next` for the page after this one; null on the last.
    """

    items: tuple[AudienceRow, ...]
    next: str | None
    active: int
    active_cap: int


class TagView(View):
    """Args:
    audiences: on how many audiences it is.
    """

    tag: str
    audiences: int


class AudienceTags(View):
    """Args:
    tags: all that the audience has; up to 50 of up to 18 characters each.
    """

    tags: Tags


class MemberView(View):
    """Args:
    since: when it joined; null only for an instant of the past, if that was before the history that is kept.
    """

    mpid: str
    since: datetime | None


class HistoryView(View):
    """Args:
    change: whether the user joined or left.
    at: the exact instant; for a change that time alone brought, the instant at which the answer turned.
    """

    mpid: str
    change: Literal["joined", "left"]
    at: datetime
    reason: Reason


class Listing[V: View](View):
    """Args:
    next: give it back as `next` for the page after this one; null on the last.
    """

    items: tuple[V, ...]
    next: str | None = None


def workspace_view(workspace: Workspace) -> WorkspaceView:
    return WorkspaceView(
        id=workspace.workspace_id, name=workspace.name, created_at=workspace.created_at, version=workspace.version
    )


def input_view(an_input: Input) -> InputView:
    previous = an_input.previous
    return InputView(
        id=an_input.input_id,
        workspace_id=an_input.workspace_id,
        name=an_input.name,
        kind=an_input.kind,
        key=an_input.key,
        previous_key=previous.key if previous else None,
        previous_key_valid_until=previous.valid_until if previous else None,
        created_at=an_input.created_at,
        version=an_input.version,
    )


def input_credential_view(an_input: Input, secret: str) -> InputCredentialView:
    return InputCredentialView(**dict(input_view(an_input)), secret=secret)


def audience_row[A: AudienceOutline](listed: Listed[A], calculating: Report | None, now: datetime) -> AudienceRow:
    audience, counts, result = listed.audience, listed.counts, listed.audience.result
    return AudienceRow(
        id=audience.audience_id,
        name=audience.name,
        external_name=audience.external_name or audience.name,
        kind=audience.kind,
        status=audience.status_at(now),
        scope=Scope.MULTI if len(audience.workspaces) > 1 else Scope.SINGLE,
        workspaces=audience.workspaces,
        inputs=audience.inputs,
        tags=audience.tags,
        size=_size(counts, result),
        adds_24h=None if counts is None else counts.adds_24h,
        drops_24h=None if counts is None else counts.drops_24h,
        volatility=None if counts is None else volatility(counts),
        calculating=None if calculating is None else _job_progress_view(calculating),
        connected_outputs=len({each.output_id for each in listed.connections}),
        faults=tuple(each.connection_id for each in listed.connections if each.fault),
        ab_test=audience.ab_test is not None,
        created_by=audience.created_by,
        created_at=audience.created_at,
        updated_at=audience.updated_at,
        activated_at=audience.activated_at,
        date_range=audience.date_range,
        recalculation=_recalculation_view(audience),
        calculated_at=None if result is None else result.calculated_at,
        expires_at=None if result is None else result.expires_at,
        definition_version=audience.definition_version,
        staged_version=audience.staged.number if audience.staged else None,
        version=audience.version,
    )


def audience_view(listed: Listed[Audience], calculating: Report | None, now: datetime) -> AudienceView:
    return AudienceView(**dict(audience_row(listed, calculating, now)), definition=listed.audience.definition)


def _size(counts: AudienceCounts | None, result: LifetimeResult | None) -> int | None:
    if counts is not None:
        return counts.size
    return None if result is None else result.size


def _recalculation_view(audience: AudienceOutline) -> RecalculationView | None:
    if audience.recalculation is None:
        return None
    problem = audience.recalculation_problem or None
    return RecalculationView(every_days=audience.recalculation.every_days, problem=problem)


def _job_progress_view(report: Report) -> JobProgressView:
    return JobProgressView(id=report.job.job_id, state=report.state, progress=report.progress)


def member_view(membership: Membership | PastMembership) -> MemberView:
    since = None if membership.since is None else instant(membership.since)
    return MemberView(mpid=str(membership.mpid), since=since)


def history_view(entry: HistoryEntry) -> HistoryView:
    change: Literal["joined", "left"] = "joined" if entry.is_member else "left"
    return HistoryView(mpid=str(entry.mpid), change=change, at=instant(entry.at), reason=entry.reason)
