"""Resources as the API shows them: ids and instants as text, figures added, secrets left out."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from audience_core.api.edge import instant
from audience_core.domain.account import Input, InputKind, Workspace
from audience_core.domain.audience import Audience, AudienceCounts, AudienceKind, AudienceOutline, AudienceStatus, Tags
from audience_core.domain.definition import Definition
from audience_core.domain.job import JobState
from audience_core.domain.lifetime import DateRange, LifetimeResult
from audience_core.domain.membership import HistoryEntry, Membership, PastMembership, Reason
from audience_core.domain.output import (
    Connection,
    ConnectionStatus,
    Fault,
    FaultKind,
    Output,
    SharedAttributes,
    SubscriptionState,
)
from audience_core.management.jobs import Report
from audience_core.management.listings import Listed
from audience_core.management.ordering import volatility
from audience_core.outputs.registry import ConnectorKind


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
    """

    id: str
    workspace_id: str
    name: str
    kind: InputKind
    key: str
    created_at: datetime


class InputCredentialView(InputView):
    """Args:
    secret: the password that ingest asks for; shown once, null ever after.
    """

    secret: str | None = None


class Scope(StrEnum):
    SINGLE = "single"
    MULTI = "multi"


class JobProgressView(View):
    """A job: its id, its state, and how far it has got, from 0 to 1."""

    id: str
    state: JobState
    progress: float


class AudienceRow(Versioned):
    """Args:
    external_name: what outputs see; `name` when none was given.
    scope: single or multi, by the number of workspaces.
    kind: real-time ones are kept current, lifetime ones calculated on demand.
    size: null for a draft, which has no members. adds_24h, drops_24h: null for lifetime audiences, too.
    volatility: (adds + drops) / size; null when the size is 0.
    calculating: the job that brings it its members, or those of an edit; null when all are known.
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


class FaultView(View):
    kind: FaultKind
    message: str
    at: datetime


class ConnectorView(View):
    """Args:
    output_settings, connection_settings: JSON Schema; `confidential` marks those that are never shown, `fixed` those
        that a connection keeps as it was made with.
    is_legacy: the partner has ended its service; for those who still have it.
    has_log_in: whether one may log in at the partner instead of entering a key: see `authorize`.
    output_settings, connection_settings: JSON Schema; `confidential` marks those that are never shown.
    """

    kind: str
    name: str
    description: str
    identity_types: tuple[str, ...]
    accepts_attributes: bool
    makes_lookalikes: bool
    is_legacy: bool
    has_log_in: bool
    output_settings: dict[str, Any]
    connection_settings: dict[str, Any]


class OutputView(Versioned):
    """Args:
    settings: without the confidential ones.
    is_logged_in: whether somebody has logged in at the partner for it; the partner may have ended that since.
    contact_email: who is told of faults; null for the account's contact.
    faults: its connections that are faulted.
    """

    id: str
    connector: str
    name: str
    settings: dict[str, Any]
    is_logged_in: bool
    contact_email: str | None
    faults: tuple[str, ...]
    created_at: datetime


class OutputSecretView(OutputView):
    """Args:
    generated: confidential settings that were made up for you; shown once, empty ever after.
    """

    generated: dict[str, str] = {}


class OutputTestView(View):
    """Args:
    ok: whether the partner can be used with these settings; if not, `fault` says why.
    """

    ok: bool
    fault: FaultView | None = None


class ConnectedVariantView(View):
    """A variant of the audience's A/B test; `id` is the audience id by which the partner knows it."""

    id: int
    name: str


class LookalikeView(View):
    """An audience at the partner, which is not kept up to date from here."""

    remote_id: str
    name: str


class AuthorizationView(View):
    """Args:
    authorization_url: open it in a browser and log in there; it is good once, for ten minutes.
    """

    authorization_url: str


class ConnectionView(Versioned):
    """Args:
    variant: null when all members of the audience are forwarded.
    attributes: user attributes that are forwarded beside identities; none unless chosen.
    notice: what to decide before the partner is told anything; null once it was, or if there is nothing to decide.
    """

    id: str
    audience_id: int
    variant: ConnectedVariantView | None
    output_id: str
    settings: dict[str, Any]
    attributes: SharedAttributes
    notice: str | None
    status: ConnectionStatus
    fault: FaultView | None
    created_at: datetime
    active_since: datetime | None


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
    return InputView(
        id=an_input.input_id,
        workspace_id=an_input.workspace_id,
        name=an_input.name,
        kind=an_input.kind,
        key=an_input.key,
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


def _job_progress_view(report: Report) -> JobProgressView:
    return JobProgressView(id=report.job.job_id, state=report.state, progress=report.progress)


def member_view(membership: Membership | PastMembership) -> MemberView:
    since = None if membership.since is None else instant(membership.since)
    return MemberView(mpid=str(membership.mpid), since=since)


def history_view(entry: HistoryEntry) -> HistoryView:
    change: Literal["joined", "left"] = "joined" if entry.is_member else "left"
    return HistoryView(mpid=str(entry.mpid), change=change, at=instant(entry.at), reason=entry.reason)


def connector_view(kind: ConnectorKind) -> ConnectorView:
    return ConnectorView(
        kind=kind.kind,
        name=kind.name,
        description=kind.description,
        identity_types=tuple(sorted(kind.identity_types)),
        accepts_attributes=kind.accepts_attributes,
        makes_lookalikes=kind.make_lookalike is not None,
        is_legacy=kind.is_legacy,
        has_log_in=kind.log_in is not None,
        output_settings=kind.output_settings.model_json_schema(),
        connection_settings=kind.connection_settings.model_json_schema(),
    )


def output_view(output: Output, connections: Iterable[Connection]) -> OutputView:
    """Args:
    connections: of the account.
    """
    faulted = (each for each in connections if each.fault and each.output_id == output.output_id)
    return OutputView(
        id=output.output_id,
        connector=output.connector,
        name=output.name,
        settings=output.settings,
        is_logged_in=output.log_in_ref is not None,
        contact_email=output.contact_email,
        faults=tuple(each.connection_id for each in faulted),
        created_at=output.created_at,
        version=output.version,
    )


def output_secret_view(
    output: Output, generated: Mapping[str, str], connections: Iterable[Connection]
) -> OutputSecretView:
    return OutputSecretView(**dict(output_view(output, connections)), generated=dict(generated))


def output_test_view(fault: Fault | None) -> OutputTestView:
    return OutputTestView(ok=fault is None, fault=fault_view(fault))


def fault_view(fault: Fault | None) -> FaultView | None:
    return None if fault is None else FaultView(kind=fault.kind, message=fault.message, at=fault.at)


_ATTRIBUTES_NOTICE = (
    "This partner takes user attributes: those named in `attributes` are shared with it, and no others. "
    "While the status is inactive nothing is sent."
)


def connection_view(connection: Connection, kind: ConnectorKind) -> ConnectionView:
    is_unheard, variant = connection.subscription is SubscriptionState.NONE, connection.variant
    return ConnectionView(
        id=connection.connection_id,
        audience_id=connection.audience_id,
        variant=None if variant is None else ConnectedVariantView(id=variant.audience_id, name=variant.name),
        output_id=connection.output_id,
        settings=connection.settings,
        attributes=connection.attributes,
        notice=_ATTRIBUTES_NOTICE if is_unheard and kind.accepts_attributes else None,
        status=connection.status,
        fault=fault_view(connection.fault),
        created_at=connection.created_at,
        active_since=connection.active_since,
        version=connection.version,
    )
