"""Jobs and definition versions as the API shows them."""

from datetime import datetime

from audience_core.api.views import View
from audience_core.domain.audience import Audience, DefinitionVersion
from audience_core.domain.definition import Definition
from audience_core.domain.job import Job, JobKind, JobState, JobStep
from audience_core.management.jobs import Report


class JobStepView(View):
    """Args:
    progress: from 0 to 1.
    looked_at: how many profiles; `written`: how many of them had to be.
    errors: what the latest attempts at its unfinished parts failed of.
    """

    step: JobStep
    progress: float
    looked_at: int
    written: int
    errors: tuple[str, ...]


class FieldProblem(View):
    """Args:
    field: JSON pointer.
    """

    field: str
    message: str


class ItemResultView(View):
    """What came of one audience of a bulk connection, or of one connection of a lifetime audience that is sent.

    Args:
        code: of a send: sending, sent (the partner has acknowledged everything), faulted, inactive, superseded (by a
            later send) or deleted. Of a bulk connection: connecting (the partner has not answered yet), connected,
            already_connected, not_active, ab_test_active, not_found, invalid_settings (`problems` names the fields),
            configuration_faulted or output_rejected.
        connection_id: of the connection that there is.
    """

    audience_id: int
    code: str
    message: str
    problems: tuple[FieldProblem, ...] = ()
    connection_id: str | None = None


class JobView(View):
    """Args:
    state: dead: nobody has worked on it for minutes; restart it.
    progress: from 0 to 1.
    attempt: from 1; each restart begins another.
    can_restart: it has stopped, and is still needed.
    error: why it failed or was cancelled; null otherwise.
    results: of a bulk connection, one for each audience so far, in the order they were named; of a send, one for each
        connection.
    """

    id: str
    kind: JobKind
    state: JobState
    progress: float
    attempt: int
    can_restart: bool
    steps: tuple[JobStepView, ...]
    results: tuple[ItemResultView, ...]
    connection_id: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class VersionView(View):
    """Args:
    state: live, staged (takes over when its members are known), or former.
    """

    number: int
    state: str
    workspaces: tuple[str, ...]
    inputs: tuple[str, ...]
    definition: Definition
    created_at: datetime


def job_view(report: Report) -> JobView:
    job = report.job
    return JobView(
        id=job.job_id,
        kind=job.kind,
        state=report.state,
        progress=report.progress,
        attempt=job.token,
        can_restart=report.can_restart,
        steps=tuple(
            JobStepView(
                step=each.step,
                progress=each.progress,
                looked_at=each.looked_at,
                written=each.written,
                errors=each.errors,
            )
            for each in report.steps
        ),
        results=tuple(map(ItemResultView.model_validate, report.results if _has_items(job) else ())),
        connection_id=job.connection_id,
        error=job.error or None,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def _has_items(job: Job) -> bool:
    return job.kind in (JobKind.CONNECT_AUDIENCES, JobKind.SEND_AUDIENCE)


def version_view(version: DefinitionVersion, audience: Audience) -> VersionView:
    if version.number == audience.definition_version:
        state = "live"
    elif audience.staged and version.number == audience.staged.number:
        state = "staged"
    else:
        state = "former"
    return VersionView(
        number=version.number,
        state=state,
        workspaces=version.workspaces,
        inputs=version.inputs,
        definition=version.definition,
        created_at=version.created_at,
    )
