"""HTTP API of jobs: long work, watched, stopped and started again."""

from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring, wiring_management
from audience_core.api import edge
from audience_core.api.cursor import Cursors
from audience_core.api.job_views import JobView, job_view
from audience_core.api.routing import Next, account_of, answer, new_api
from audience_core.api.views import Listing
from audience_core.domain.job import JobState
from audience_core.management import jobs

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()


@app.get("/v1/jobs", summary="List jobs, the latest first", tags=["jobs"])
def list_jobs(
    state: Annotated[JobState | None, Query(description="Only those in this state")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Next = None,
) -> Listing[JobView]:
    reports = jobs.list_all(wiring_management.jobs(), account_of(app), edge.now())
    wanted = [report for report in reports if state in (None, report.state)]
    cursors = Cursors(wiring.stores().signing_keys, account_of(app), f"jobs {state}")
    start = int(cursors.decode(after) or 0)
    more = str(start + limit) if len(wanted) > start + limit else None
    return Listing(items=tuple(map(job_view, wanted[start : start + limit])), next=cursors.encode(more))


@app.get("/v1/jobs/<job_id>", summary="Get a job", tags=["jobs"])
def get_job(job_id: str) -> JobView:
    return job_view(jobs.get(wiring_management.jobs(), account_of(app), job_id, edge.now()))


@app.post("/v1/jobs/<job_id>/cancel", summary="Stop a job", tags=["jobs"])
def cancel_job(job_id: str) -> JobView:
    """What it has done stays done; it can be restarted."""
    return job_view(jobs.cancel(wiring_management.jobs(), account_of(app), job_id, edge.now()))


@app.post("/v1/jobs/<job_id>/restart", summary="Go on with a job that stopped", tags=["jobs"])
def restart_job(job_id: str) -> JobView:
    """One that failed, was cancelled, or is dead."""
    return job_view(jobs.restart(wiring_management.jobs(), account_of(app), job_id, edge.now()))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)
