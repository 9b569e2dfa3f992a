"""Starts the state machines of the control path; a run's name is its purpose, so that starting twice starts one."""

import json
import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.errors import ConflictError
from audience_core.persistence.clients import client

_ATTEMPTS = 10

logger = logging.getLogger(__name__)


class StepFunctionsWorkflows:
    """Args:
    arns: of the state machines that the caller may start, by name.
    """

    def __init__(self, arns: Mapping[str, str], region: str | None = None) -> None:
        self._region, self._arns = region, arns

    @cached_property
    def _client(self) -> Any:
        # Made on first use: most functions start nothing, and a client costs a tenth of a second.
        return client("stepfunctions", self._region)

    def start_backfill(self, account_id: AccountId, program_version: int, token: int = 1) -> str:
        name = f"backfill-{account_id}-{program_version}" + (f"-again-{token}" if token > 1 else "")
        return self._start(
            self._arns["backfill"], name, {"account_id": account_id, "program_version": program_version, "token": token}
        )

    def is_backfill_under_way(self, account_id: AccountId, program_version: int) -> bool:
        try:
            return self._status(self._arns["backfill"], f"backfill-{account_id}-{program_version}") == "RUNNING"
        except self._client.exceptions.ExecutionDoesNotExist:
            return False

    def start_connection_fill(
        self, account_id: AccountId, connection_id: ConnectionId, version: int, token: int = 1
    ) -> str:
        return self._start(
            self._arns["fill_connection"],
            f"fill-{account_id}-{connection_id}-{version}" + (f"-again-{token}" if token > 1 else ""),
            {"account_id": account_id, "connection_id": connection_id, "version": version},
        )

    def start_connecting(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        arguments = {"account_id": account_id, "job_id": job_id}
        return self._start(self._arns["connect_audiences"], f"{account_id}-{job_id}-{token}", arguments)

    def start_measurement(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        arguments = {"account_id": account_id, "job_id": job_id}
        return self._start(self._arns["measure_ab_test"], f"{account_id}-{job_id}-{token}", arguments)

    def start_export(self, account_id: AccountId, export_id: str, token: int = 1) -> str:
        return self._start(
            self._arns["export"],
            f"export-{account_id}-{export_id}" + (f"-again-{token}" if token > 1 else ""),
            {"account_id": account_id, "export_id": export_id, "token": token},
        )

    def start_compaction(self, account_id: AccountId, purpose: str, token: int = 0) -> str:
        name = f"compact-{account_id}-{purpose}" + (f"-again-{token}" if token else "")
        return self._start(self._arns["compact_archive"], name, {"account_id": account_id, "token": token})

    def start_erasure(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        arguments = {"account_id": account_id, "job_id": job_id, "token": token}
        return self._start(self._arns["erase_profile"], f"{account_id}-{job_id}-{token}", arguments)

    def start_lifetime_calculation(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        name = f"{account_id}-{job_id}" + (f"-again-{token}" if token > 1 else "")
        arguments = {"account_id": account_id, "job_id": job_id, "token": token}
        return self._start(self._arns["calculate_lifetime"], name, arguments)

    def start_sending(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        name = f"{account_id}-{job_id}" + (f"-again-{token}" if token > 1 else "")
        arguments = {"account_id": account_id, "job_id": job_id, "token": token}
        return self._start(self._arns["send_audience"], name, arguments)

    def _start(self, arn: str, name: str, arguments: dict[str, Any]) -> str:
        """A run that died does not stand in the way of the next attempt."""
        for attempt in range(_ATTEMPTS):
            run = f"{name}-{attempt + 1}" if attempt else name
            try:
                self._client.start_execution(stateMachineArn=arn, name=run, input=json.dumps(arguments))
            except self._client.exceptions.ExecutionAlreadyExists:
                if not self._is_dead(arn, run):
                    logger.info("workflow was started before", extra={"run": run})
                    return run
            else:
                return run
        raise ConflictError(f"{name} failed {_ATTEMPTS} times: see its runs")

    def _is_dead(self, arn: str, run: str) -> bool:
        return self._status(arn, run) in {"FAILED", "TIMED_OUT", "ABORTED"}

    def _status(self, arn: str, run: str) -> str:
        execution = f"{arn.replace(':stateMachine:', ':execution:')}:{run}"
        status: str = self._client.describe_execution(executionArn=execution)["status"]
        return status
