"""An export from the request to the file, through the real handlers over an AWS in memory."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import requests
from aws_lambda_powertools.utilities.typing import LambdaContext
from moto.ses.models import ses_backends

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.exports import links
from functions.export_download import handler as download_handler
from functions.export_page import handler as page_handler
from functions.export_run import handler as run_handler
from functions.export_zip import handler as zip_handler
from functions.exports_api import handler
from tests.support.ab_tests import an_ab_test
from tests.support.control import ACCOUNT, AUDIENCE, OTHER_ACCOUNT, an_audience
from tests.support.control_stack import control_stack, runs
from tests.support.export_stack import export_stack, join
from tests.support.exports import a_result
from tests.support.http_api import Answer, Caller, a_context, a_sample, an_event
from tests.support.results import keep_members

NEW = {"audiences": [{"id": AUDIENCE}], "identity_types": ["email", "ios_advertising_id_sha256"]}
MPIDS = (-64, 5, 640, 2**63 - 1)


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An audience of four members."""
    stores = export_stack(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    monkeypatch.setattr(wiring, "settings", lambda: wiring.Settings("us-east-1", {"EXPORT_SETTLE_SECONDS": "90"}))
    at = int(datetime.now(UTC).timestamp() * 1000) - 60_000
    for mpid in MPIDS:
        join(stores, mpid, at, ("email", f"{mpid}@example.com"), ("ios_advertising_id", f"idfa{mpid}"))
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


def play(stack: SimpleNamespace, export_id: str) -> None:
    """The state machine, as far as nothing fails."""
    ((name, given),) = [(name, each) for name, each in runs(stack).items() if each["export_id"] == export_id]
    step = {**given, "run": name}
    plan = invoke(run_handler, {**step, "step": "plan"})
    assert plan["is_on"]
    body = boto3.client("s3", region_name="us-east-1").get_object(Bucket=plan["bucket"], Key=plan["key"])["Body"]
    work = {"account_id": given["account_id"], "export_id": export_id, "token": plan["token"]}
    for line in body.read().splitlines():
        event = {**work, **json.loads(line)}
        while not (event := invoke(page_handler, event))["is_done"]:
            pass
    invoke(zip_handler, work)
    invoke(run_handler, {**step, "step": "finish", "token": plan["token"]})
    invoke(run_handler, {**step, "step": "send"})


def a_long_context() -> LambdaContext:
    context = a_context()
    context.get_remaining_time_in_millis = lambda: 120_000  # type: ignore[method-assign]  # as in template.yaml
    return context


def invoke(module: Any, event: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = module.lambda_handler(event, a_long_context())
    # Between the steps everything is JSON.
    answer: dict[str, Any] = json.loads(json.dumps(result))
    return answer


def follow(token: str) -> Answer:
    """Whoever clicks on a link has no credential."""
    event = an_event("GET", f"/v1/downloads/{token}", None, {}, {}, None)
    event["requestContext"].pop("authorizer")
    answer = download_handler.lambda_handler(event, a_context())
    body = answer.get("body")
    is_problem = answer["statusCode"] >= 400
    return Answer(answer["statusCode"], answer["headers"], json.loads(body or "") if is_problem else body)


def mails() -> list[Any]:
    found: list[Any] = ses_backends["123456789012"]["us-east-1"].sent_messages
    return found


def keys_in(stack: SimpleNamespace) -> list[str]:
    return list(stack.export_files.below(""))


def test_an_export_comes_by_mail(call: Caller, stack: SimpleNamespace) -> None:
    asked = call("POST", "/v1/exports", {**NEW, "email": "ann@example.com"})
    assert (asked.status, asked.body["state"], asked.body["progress"]) == (201, "queued", 0.0)
    assert asked.headers["Location"] == f"/v1/exports/{asked.body['id']}"

    play(stack, asked.body["id"])

    found = call("GET", asked.headers["Location"]).body
    assert (found["state"], found["progress"], found["error"], found["email_error"]) == ("succeeded", 1.0, None, None)
    assert found["archive"]["rows_by_identity"] == {"email": 4, "ios_advertising_id_sha256": 4}
    (mail,) = [each for each in mails() if found["archive"]["name"] in each.body]
    assert mail.destinations["ToAddresses"] == ["ann@example.com"]
    (link,) = [line for line in mail.body.splitlines() if line.startswith("https://")]
    assert link.startswith("https://api.execute-api.us-east-1.amazonaws.com/v1/downloads/")

    answer = follow(link.rpartition("/")[2])

    assert (answer.status, answer.headers["Cache-Control"]) == (302, "no-store")
    content = requests.get(answer.headers["Location"], timeout=30).content
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["archive_name"], manifest["total_rows"]) == (found["archive"]["name"], 8)
    lines = archive.read(manifest["files"][0]["file_name"]).decode().splitlines()
    assert len(lines) == 9
    assert len(content) == found["archive"]["bytes"]
    assert keys_in(stack) == [f"{ACCOUNT}/{found['id']}/0001/{found['archive']['name']}"]


def test_the_owner_downloads_without_mail(call: Caller, stack: SimpleNamespace) -> None:
    path = call("POST", "/v1/exports", {**NEW, "format": "parquet"}).headers["Location"]
    early = call("GET", f"{path}/download")
    play(stack, path.rpartition("/")[2])

    answer = call("GET", f"{path}/download")

    assert (early.status, answer.status, answer.body["seconds"]) == (409, 200, 300)
    assert zipfile.is_zipfile(io.BytesIO(requests.get(answer.body["url"], timeout=30).content))


def test_lifetime_audiences_and_variants_are_files_of_one_archive(call: Caller, stack: SimpleNamespace) -> None:
    loyal, test = AudienceId(5), an_ab_test(50)
    keep_members(stack.results, ACCOUNT, loyal, "lifetime-1", {0: [-64], 1: [5, 2**63 - 1], 2: []})
    result = a_result(expires_at=datetime.now(UTC) + timedelta(days=1))
    of = {"audience_id": loyal, "name": "Loyal", "kind": AudienceKind.LIFETIME, "status": AudienceStatus.READY}
    stack.audiences.save(an_audience(**of, result=result))
    audience = stack.audiences.get(ACCOUNT, AUDIENCE)
    stack.audiences.save(audience.model_copy(update={"ab_test": test}))
    wanted = [{"id": loyal}, {"id": AUDIENCE, "variants": ["Control", "Variation A"]}]

    asked = call("POST", "/v1/exports", {"audiences": wanted, "identity_types": ["email"]}).body
    play(stack, asked["id"])

    found = call("GET", f"/v1/exports/{asked['id']}").body
    assert [(each["audience_id"], each["variant"]) for each in found["files"]] == [
        (loyal, None),
        (AUDIENCE, "Control"),
        (AUDIENCE, "Variation A"),
    ]
    url = call("GET", f"/v1/exports/{asked['id']}/download").body["url"]
    archive = zipfile.ZipFile(io.BytesIO(requests.get(url, timeout=30).content))
    users = [each["total_users"] for each in json.loads(archive.read("manifest.json"))["files"]]
    assert users == [3, *(sum(variant.has(Mpid(each)) for each in MPIDS) for variant in reversed(test.variants))]
    assert sum(users[1:]) == len(MPIDS) == found["archive"]["users"] - 3


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"identity_types": []}, "/identity_types"),
        ({"identity_types": ["nose"]}, "/identity_types/0"),
        ({"audiences": []}, "/audiences"),
        ({"audiences": [{"id": 1, "variants": ["A"]}]}, "/audiences/0/variants"),
        ({"audiences": [{"id": 99}]}, "/audiences/0/id"),
        ({"format": "xlsx"}, "/format"),
        ({"email": "nobody"}, "/email"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_what_cannot_be_exported_names_the_field(call: Caller, change: dict[str, Any], pointer: str) -> None:
    answer = call("POST", "/v1/exports", {**NEW, **change})

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_a_draft_and_an_unfinished_audience_are_refused(call: Caller, stack: SimpleNamespace) -> None:
    stack.audiences.save(an_audience(audience_id=AudienceId(2)))
    draft = call("POST", "/v1/exports", {**NEW, "audiences": [{"id": 2}]})
    stack.audiences.publish(stack.audiences.get(ACCOUNT, AUDIENCE))
    unfinished = call("POST", "/v1/exports", NEW)

    assert (draft.status, draft.pointers) == (422, ["/audiences/0/id"])
    assert (unfinished.status, "backfill-1" in unfinished.body["detail"]) == (409, True)


def test_a_repeat_with_the_same_key_is_the_same_export(call: Caller, stack: SimpleNamespace) -> None:
    first, second = (call("POST", "/v1/exports", NEW, {"Idempotency-Key": "k"}) for _ in range(2))

    assert first.body["id"] == second.body["id"]
    assert len(runs(stack)) == 1


def test_exports_are_listed_in_pages(call: Caller) -> None:
    ids = [call("POST", "/v1/exports", NEW).body["id"] for _ in range(3)]

    first = call("GET", "/v1/exports", limit=2, audience=1)
    second = call("GET", "/v1/exports", limit=2, audience=1, next=first.body["next"])

    assert [each["id"] for page in (first, second) for each in page.body["items"]] == ids[::-1]
    assert second.body["next"] is None
    assert call("GET", "/v1/exports", audience=2).body["items"] == []
    assert call("GET", "/v1/exports", next=first.body["next"]).pointers == ["/query/next"]


def test_a_cancelled_export_is_cleaned_up_by_its_run(call: Caller, stack: SimpleNamespace) -> None:
    export_id = call("POST", "/v1/exports", NEW).body["id"]
    ((name, given),) = runs(stack).items()
    plan = invoke(run_handler, {**given, "step": "plan", "run": name})
    invoke(page_handler, {**given, "token": plan["token"], "file": 0, "first": 0, "last": 15})
    assert keys_in(stack)

    cancelled = call("POST", f"/v1/exports/{export_id}/cancel")
    with pytest.raises(Exception, match="cancelled"):
        invoke(page_handler, {**given, "token": plan["token"], "file": 0, "first": 16, "last": 31})
    cause = json.dumps({"errorType": "NotOursError", "errorMessage": "it is cancelled"})
    invoke(run_handler, {**given, "step": "fail", "run": name, "error": "NotOursError", "cause": cause})

    assert (cancelled.body["state"], cancelled.body["error"]) == ("cancelled", "cancelled on request")
    assert call("GET", f"/v1/exports/{export_id}").body["state"] == "cancelled"
    assert keys_in(stack) == []


def test_a_stopped_run_is_explained_and_cleaned_up(call: Caller, stack: SimpleNamespace) -> None:
    export_id = call("POST", "/v1/exports", NEW).body["id"]
    ((name, given),) = runs(stack).items()
    invoke(run_handler, {**given, "step": "plan", "run": name})
    upload = {"Bucket": stack.exports_bucket, "Key": f"{ACCOUNT}/{export_id}/0001/Audiences.zip"}
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_multipart_upload(**upload)
    event = a_sample("export_stopped")
    event["detail"] |= {"name": name, "input": json.dumps(given)}

    invoke(run_handler, event)

    found = call("GET", f"/v1/exports/{export_id}").body
    assert (found["state"], found["error"]) == ("failed", "ABORTED: the run ended from outside")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=stack.exports_bucket)


def test_a_failure_is_told_in_its_own_words(call: Caller, stack: SimpleNamespace) -> None:
    export_id = call("POST", "/v1/exports", NEW).body["id"]
    ((name, given),) = runs(stack).items()
    invoke(run_handler, {**given, "step": "plan", "run": name})
    cause = json.dumps({"errorType": "NotFoundError", "errorMessage": "there is no audience 1", "stackTrace": ["x"]})

    invoke(run_handler, {**given, "step": "fail", "run": name, "error": "NotFoundError", "cause": cause})

    assert call("GET", f"/v1/exports/{export_id}").body["error"] == "NotFoundError: there is no audience 1"


def test_links_that_open_nothing_say_nothing(call: Caller, stack: SimpleNamespace) -> None:
    export_id = call("POST", "/v1/exports", NEW).body["id"]
    play(stack, export_id)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    good = links.sign(stack.signing_keys, ACCOUNT, export_id, now_ms + 60_000)
    over = links.sign(stack.signing_keys, ACCOUNT, export_id, now_ms - 1000)
    strangers = links.sign(stack.signing_keys, OTHER_ACCOUNT, export_id, now_ms + 60_000)
    assert follow(good).status == 302

    answers = [follow(each) for each in (over, strangers, good[:-4], "nonsense", "x" * 2000)]

    assert [each.status for each in answers] == [410, 410, 403, 403, 403]
    assert len({each.body["detail"] for each in answers}) == 2
    assert all("Location" not in each.headers and each.headers["Cache-Control"] == "no-store" for each in answers)
    stack.export_files.delete(keys_in(stack))
    assert follow(good).status == 410


def test_roles_decide_who_may_ask(call: Caller) -> None:
    reader = Caller(handler.lambda_handler, ACCOUNT, Role.READ_ONLY)
    stranger = Caller(handler.lambda_handler, OTHER_ACCOUNT)
    path = call("POST", "/v1/exports", NEW).headers["Location"]

    assert (reader("POST", "/v1/exports", NEW).status, reader("GET", path).status) == (403, 200)
    assert [stranger("GET", path).status, stranger("POST", f"{path}/cancel").status] == [404, 404]
    assert stranger("GET", f"{path}/download").status == 404


def test_samples_are_what_the_handlers_take(stack: SimpleNamespace) -> None:
    created = handler.lambda_handler(a_sample("exports_api_create"), a_context())
    refused = download_handler.lambda_handler(a_sample("export_download"), a_context())

    assert (created["statusCode"], refused["statusCode"]) == (201, 403)
    ours = {"export_id": json.loads(created["body"])["id"]}
    assert run_handler.lambda_handler(a_sample("export_run") | ours, a_context())["is_on"]
    assert page_handler.lambda_handler(a_sample("export_page") | ours, a_long_context())["is_done"]
