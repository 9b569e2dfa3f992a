"""Many audiences connected to one output with one set of settings: a job with a result for each audience."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from audience_core.domain.account import Record
from audience_core.domain.control_stores import JobStore, OutputStore, Workflows
from audience_core.domain.ids import AccountId, AudienceId, OutputId
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.output import ConnectionStatus, RequiredConsents
from audience_core.management.connections import Switch

MAX_AUDIENCES = 500
_QUEUED_FOR = timedelta(minutes=3)


class BulkConnection(Record):
    """Args:
    audience_ids: each once.
    settings, required_consent, status: of every connection that is made.
    """

    model_config = ConfigDict(extra="forbid")

    audience_ids: Annotated[tuple[AudienceId, ...], Field(min_length=1, max_length=MAX_AUDIENCES)]
    settings: dict[str, Any] = Field(default_factory=dict)
    required_consent: RequiredConsents = ()
    status: Switch = ConnectionStatus.ACTIVE

    @field_validator("audience_ids")
    @classmethod
    def _are_different(cls, ids: tuple[AudienceId, ...]) -> tuple[AudienceId, ...]:
        if twice := sorted({each for each in ids if ids.count(each) > 1}):
            raise ValueError(f"named more than once: {', '.join(map(str, twice))}")
        return ids


def start(
    jobs: JobStore,
    outputs: OutputStore,
    workflows: Workflows,
    account_id: AccountId,
    output_id: OutputId,
    wanted: BulkConnection,
    now: datetime,
) -> Job:
    """The job, just queued. What is wrong with one audience stands in its result and stops no other."""
    output = outputs.get(account_id, output_id)
    job = Job(
        account_id=account_id,
        job_id=f"connect-{secrets.token_hex(6)}",
        kind=JobKind.CONNECT_AUDIENCES,
        state=JobState.QUEUED,
        target=0,
        request={"output_id": output.output_id, **wanted.model_dump(mode="json")},
        lease_until=int((now + _QUEUED_FOR).timestamp() * 1000),
        created_at=now,
    )
    saved = jobs.save(job)
    workflows.start_connecting(account_id, saved.job_id, saved.token)
    return saved
