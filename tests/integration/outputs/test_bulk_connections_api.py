"""Many audiences connected at once, through the handlers."""

from types import SimpleNamespace
from typing import Any

import pytest

from functions.connect_audiences import handler as connect_audiences
from functions.jobs_api import handler as jobs_handler
from tests.support.control import ACCOUNT
from tests.support.http_api import Caller, a_context
from tests.support.outputs_api import new


def test_many_audiences_are_connected_by_a_job_with_a_result_for_each(call: Caller, stack: SimpleNamespace) -> None:
    output = call("POST", "/v1/outputs", new()).body["id"]
    body = {"audience_ids": [1, 2], "status": "inactive", "settings": {"list": "7"}}
    once, key = f"/v1/outputs/{output}/connect-audiences", {"Idempotency-Key": "k-1"}

    started, repeated = call("POST", once, body, key), call("POST", once, body, key)
    assert (started.status, started.body["state"], started.body["results"]) == (202, "queued", [])
    assert repeated.body["id"] == started.body["id"]
    arguments = {"account_id": ACCOUNT, "job_id": started.body["id"], "run": "run-1"}
    answer = connect_audiences.lambda_handler({"step": "connect", **arguments}, a_context())
    job = Caller(jobs_handler.lambda_handler, ACCOUNT)("GET", started.headers["Location"])

    assert answer == {"next": "done"}
    assert (job.body["state"], job.body["kind"]) == ("succeeded", "connect_audiences")
    assert [(each["audience_id"], each["code"]) for each in job.body["results"]] == [(1, "connected"), (2, "not_found")]
    (connection,) = stack.outputs.list_connections(ACCOUNT)
    assert (connection.connection_id, connection.settings) == (job.body["results"][0]["connection_id"], {"list": "7"})


def test_a_failed_bulk_connection_says_why(call: Caller) -> None:
    output = call("POST", "/v1/outputs", new()).body["id"]
    started = call("POST", f"/v1/outputs/{output}/connect-audiences", {"audience_ids": [1]}).body["id"]

    failure = {"step": "fail", "account_id": ACCOUNT, "job_id": started, "run": "run-1", "error": "TimeoutError"}
    connect_audiences.lambda_handler(failure, a_context())

    job = Caller(jobs_handler.lambda_handler, ACCOUNT)("GET", f"/v1/jobs/{started}")
    assert (job.body["state"], job.body["error"]) == ("failed", "TimeoutError")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"audience_ids": []}, "/audience_ids"),
        ({"audience_ids": [1, 1]}, "/audience_ids"),
        ({"audience_ids": list(range(501))}, "/audience_ids"),
        ({"audience_ids": [1], "status": "deleting"}, "/status"),
        ({"audience_ids": [1], "colour": "red"}, "/colour"),
    ],
)
def test_a_bulk_connection_that_cannot_be_read_names_its_field(
    call: Caller, body: dict[str, Any], pointer: str
) -> None:
    output = call("POST", "/v1/outputs", new()).body["id"]

    answer = call("POST", f"/v1/outputs/{output}/connect-audiences", body)

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_the_output_of_a_stranger_is_connected_to_nothing(call: Caller, stranger: Caller) -> None:
    output = call("POST", "/v1/outputs", new()).body["id"]

    assert stranger("POST", f"/v1/outputs/{output}/connect-audiences", {"audience_ids": [1]}).status == 404
