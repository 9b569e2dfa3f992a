"""A user is erased: nothing that is stored anywhere names them any more, and no partner has them."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audience_core.api import edge
from audience_core.domain.account import Role
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.export import Export
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.output import Fault, FaultKind, SubscriptionState
from functions.erase_profile import handler as erase_profile
from functions.jobs_api import handler as jobs_api
from functions.profiles_api import handler as profiles_api
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    CONNECTION,
    PLAYED,
    a_connection,
    an_account,
    an_audience,
    an_output,
)
from tests.support.data_path import DataPath, called, now_ms
from tests.support.http_api import Answer, Caller, a_sample
from tests.support.partners import SECRET, FaultyPartner, a_partner
from tests.support.results import keep_members
from tests.support.stored_bytes import stored

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as partner:
        yield partner


@pytest.fixture
def stack(aws: str, monkeypatch: pytest.MonkeyPatch, partner: FaultyPartner) -> Iterator[DataPath]:
    stack = DataPath(monkeypatch)
    of = stack.stores
    of.accounts.create(an_account())
    audience_id = of.audiences.next_id(ACCOUNT)
    assert audience_id == AUDIENCE
    of.audiences.publish(an_audience(status=AudienceStatus.ACTIVE, definition=PLAYED, external_name="Fans"))
    secret = of.secrets.put(ACCOUNT, "o-1", {"signing_secret": SECRET})
    of.outputs.save(an_output(settings={"url": partner.url}, secret_ref=secret))
    of.outputs.save_connection(a_connection(subscription=SubscriptionState.ACTIVE))
    yield stack
    stack.close()


@pytest.fixture
def call() -> Caller:
    return Caller(profiles_api.lambda_handler, ACCOUNT)


def plays(stack: DataPath, number: int, email: str, **body: Any) -> None:
    data = {"event_name": "Play Video", "custom_event_type": "media", "timestamp_unixtime_ms": now_ms() - 5000}
    events = [{"event_type": "custom_event", "data": {**data, "custom_attributes": {"told": email}}}]
    identities = {"email": email, "customer_id": f"customer of {email}"}
    stack.accept(number, user_identities=identities, events=events, user_attributes={"name": email}, **body)


def find(call: Caller, email: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("GET", "/v1/profiles", identity_type="email", identity=email).body["items"]
    return found


def erased(stack: DataPath, call: Caller, answer: Answer) -> dict[str, Any]:
    """The receipt, once the workflow has come to its end, with everything else going on meanwhile."""
    assert answer.status == 202

    def meanwhile(handler: Any, event: Any) -> Any:
        stack.settle()
        stack.finish_runs()
        return called(handler, event)

    stack.workflows.asked.clear()
    stack.play("erase_profile", {"account_id": ACCOUNT, "job_id": answer.body["id"], "token": 1}, meanwhile)
    receipt: dict[str, Any] = call("GET", f"/v1/erasures/{answer.body['id']}").body
    return receipt


def everything(stack: DataPath, at: Path) -> list[str]:
    return stored(stack, at) + [f"{queue}: {body}" for queue in stack.queues for body in stack.messages(queue)]


def test_nothing_that_is_stored_names_an_erased_user(
    stack: DataPath, call: Caller, partner: FaultyPartner, tmp_path: Path
) -> None:
    plays(stack, 1, ANN, mp_deviceid="0f3c5a0e-1111-4222-8333-444455556666")
    plays(stack, 2, BOB)
    stack.accept(3, environment="development", user_identities={"email": ANN})
    stack.settle()
    stack.play("compact_archive", {"account_id": ACCOUNT, "token": 0})
    stack.accept(4, user_identities={"customer_id": f"customer of {ANN}", "email": "ann@new.example"})
    stack.settle()
    ann, bob = find(call, "ann@new.example")[0], find(call, BOB)[0]
    mpid = Mpid(int(ann["mpid"]))
    keep_members(stack.stores.results, ACCOUNT, AudienceId(2), "lifetime-1", {0: [mpid, Mpid(int(bob["mpid"]))]})
    of_development = [each["mpid"] for each in find(call, ANN) if each["environment"] == "development"]
    assert ann["audiences"] == [AUDIENCE]
    assert set(partner.members(AUDIENCE)) == {ann["mpid"], bob["mpid"]}
    traces = [ANN, "ann@new.example", ann["mpid"], "0f3c5a0e", *of_development]
    before = everything(stack, tmp_path)
    assert all(any(trace in text for text in before) for trace in traces)
    stack.stores.events.send([])

    receipts = [erased(stack, call, call("DELETE", f"/v1/profiles/{each}")) for each in (ann["mpid"], *of_development)]

    assert [receipt["state"] for receipt in receipts] == ["succeeded"] * 2
    after = everything(stack, tmp_path)
    assert [(trace, text) for trace in traces for text in after if trace in text] == []
    assert set(partner.members(AUDIENCE)) == {bob["mpid"]}
    assert find(call, BOB) == [bob]
    assert stack.stores.results.of_shard(ACCOUNT, AudienceId(2), "lifetime-1", 0, 0) == [Mpid(int(bob["mpid"]))]
    assert any(BOB in text for text in after if text.startswith("ARCHIVE_BUCKET/raw/"))
    told = {each["name"]: each for each in receipts[0]["stores"]}
    assert {name for name, each in told.items() if not each["removed"]} <= {
        "timelines",
        "memberships",
        "exports",
        "dead_letters",
        "jobs",
    }
    assert [each["is_done"] for each in receipts[0]["partners"]] == [True]


def an_export_of_before(stack: DataPath, *members: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("members.csv", "\n".join(members))
    stack.stores.export_files.put(f"{ACCOUNT}/e-1/0001/members.zip", content.getvalue())
    export = Export(export_id="e-1", files=(), identity_types=("email",), at=now_ms())
    job = Job(
        account_id=ACCOUNT,
        job_id="export-e-1",
        kind=JobKind.EXPORT,
        state=JobState.SUCCEEDED,
        target=0,
        lease_until=0,
        created_at=edge.now(),
        export=export,
    )
    stack.stores.jobs.save(job)


def test_what_was_on_its_way_when_the_erasure_was_asked_for_is_not_applied_any_more(
    stack: DataPath, call: Caller, tmp_path: Path
) -> None:
    plays(stack, 1, ANN)
    stack.settle()
    (ann,) = find(call, ANN)
    plays(stack, 2, ANN)
    (late,) = stack.messages("EVENTS_QUEUE_URL")
    stack.sqs.send_message(QueueUrl=stack.queues["EVENTS_DEAD_LETTERS_URL"], MessageBody=late)
    an_export_of_before(stack, ANN)

    receipt = erased(stack, call, call("DELETE", "/v1/profiles", identity_type="EMail", identity=ANN))
    stack.sqs.send_message(QueueUrl=stack.queues["EVENTS_QUEUE_URL"], MessageBody=late)
    stack.settle()

    assert receipt["state"] == "succeeded"
    assert find(call, ANN) == []
    assert not any(trace in text for text in stored(stack, tmp_path) for trace in (ANN, ann["mpid"]))
    plays(stack, 3, ANN)
    stack.settle()
    assert [each["mpid"] != ann["mpid"] for each in find(call, ANN)] == [True]


def test_an_erasure_is_not_finished_before_a_faulted_partner_has_done_its_part(
    stack: DataPath, call: Caller, partner: FaultyPartner
) -> None:
    plays(stack, 1, ANN)
    stack.settle()
    (ann,) = find(call, ANN)
    fault = Fault(kind=FaultKind.AUTHENTICATION, message="the key was revoked", at=edge.now())
    connection = stack.stores.outputs.get_connection(ACCOUNT, CONNECTION)
    stack.stores.outputs.save_connection(connection.model_copy(update={"fault": fault}))

    job_id = call("DELETE", f"/v1/profiles/{ann['mpid']}").body["id"]
    stack.workflows.asked.clear()
    begin = a_sample("erase_profile") | {"job_id": job_id, "step": "begin", "run": "run-1"}
    called(erase_profile.lambda_handler, begin)
    for _ in range(3):
        called(erase_profile.lambda_handler, a_sample("erase_profile") | {"job_id": job_id})
        stack.settle()
        stack.finish_runs()

    receipt = call("GET", f"/v1/erasures/{job_id}").body
    assert receipt["state"] == "running"
    assert Caller(jobs_api.lambda_handler, ACCOUNT)("POST", f"/v1/jobs/{job_id}/cancel").status == 409
    assert receipt["partners"][0]["detail"] == "it is faulted (authentication): resume it"
    assert find(call, ANN) == []
    assert set(partner.members(AUDIENCE)) == {ann["mpid"]}
    connection = stack.stores.outputs.get_connection(ACCOUNT, CONNECTION)
    stack.stores.outputs.save_connection(connection.model_copy(update={"fault": None}))
    order = a_sample("erase_profile") | {"job_id": job_id}
    called(erase_profile.lambda_handler, order)
    stack.settle()
    assert called(erase_profile.lambda_handler, order)["is_done"]
    assert partner.members(AUDIENCE) == {}
    assert call("GET", f"/v1/erasures/{job_id}").body["state"] == "succeeded"


def test_only_admins_erase_and_only_what_there_is(stack: DataPath, call: Caller) -> None:
    for role in (Role.READ_ONLY, Role.AUDIENCES_ONLY, Role.USER):
        caller = Caller(profiles_api.lambda_handler, ACCOUNT, role=role)
        assert caller("DELETE", "/v1/profiles/5").status == 403
    assert call("DELETE", "/v1/profiles/5").status == 404
    assert call("DELETE", "/v1/profiles", identity_type="email", identity=ANN).status == 404
    assert call("GET", "/v1/profiles/99999999999999999999").status == 404
    assert call("GET", "/v1/profiles", identity_type="shoe size", identity="9").pointers == ["/query/identity_type"]
    assert call("GET", "/v1/erasures/nothing").status == 404
    assert call("GET", "/v1/erasures").body["items"] == []
