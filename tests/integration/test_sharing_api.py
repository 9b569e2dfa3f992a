"""The API of sharing through its handlers, with real stores: two accounts and one that has nothing to do with it."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.audience import AudienceCounts, AudienceStatus
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.splits import MemorySplitStore
from functions.ab_tests_api import handler as ab_tests_api
from functions.audiences_api import handler as audiences_api
from functions.connect_audiences import handler as connect_audiences
from functions.outputs_api import handler as outputs_api
from functions.sharing_api import handler
from functions.sharing_logo import handler as sharing_logo
from tests.support.control import ACCOUNT, AUDIENCE, INPUT, OTHER_ACCOUNT, WORKSPACE, an_account, an_audience, an_output
from tests.support.control_stack import control_stack, emptied, runs
from tests.support.fixed_figures import FixedFigures
from tests.support.http_api import Caller, a_context, a_sample, an_event
from tests.support.sharing import THIRD_ACCOUNT

OWN_ID = AudienceId(4711)
HANDLERS = {
    "/v1/sharing/receiving/logo": sharing_logo,
    "/v1/sharing": handler,
    "/v1/outputs": outputs_api,
    "/v1/connections": outputs_api,
}


class Account:
    """Everything that one account's client may ask for."""

    def __init__(self, account_id: AccountId, role: Role = Role.ADMIN) -> None:
        self._account_id, self._role = account_id, role

    def __call__(self, method: str, path: str, body: Any = None, **given: Any) -> Any:
        part = "/connections" if path.endswith("/connections") else "/ab-test" if path.endswith("/ab-test") else ""
        by_part = {"/connections": outputs_api, "/ab-test": ab_tests_api}
        found = next((module for start, module in HANDLERS.items() if path.startswith(start)), audiences_api)
        module = by_part.get(part, found)
        caller = Caller(module.lambda_handler, self._account_id, self._role, client_id=f"client-{self._account_id}")
        return caller(method, path, body, **given)


OWNER, FRIEND, STRANGER = (Account(each) for each in (ACCOUNT, OTHER_ACCOUNT, THIRD_ACCOUNT))


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    stores.accounts.create(an_account(account_id=THIRD_ACCOUNT, name="Movies"))
    stores.audiences.save(
        an_audience(status=AudienceStatus.ACTIVE, name="VIP 2026", external_name="Fans", audience_id=AUDIENCE)
    )
    stores.outputs.save(an_output(account_id=OTHER_ACCOUNT))
    stores.identities, stores.memberships = MemoryIdentityStore(), MemoryMembershipStore()
    stores.splits = MemorySplitStore()
    return stores


def a_png(size: tuple[int, int] = (8, 8)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "red").save(written, "PNG")
    return written.getvalue()


def opted_in(stack: SimpleNamespace, account: Account, account_id: int) -> str:
    """Through the API, but for the upload itself; the receiver id."""
    begun = account("POST", "/v1/sharing/receiving/logo", {"size_bytes": 100})
    assert (begun.status, begun.body["method"]) == (201, "PUT")
    stack.logos.files[f"{account_id}/{begun.body['id']}"] = a_png()
    used = account("POST", f"/v1/sharing/receiving/logo/{begun.body['id']}/use")
    assert used.status == 200, used.body
    terms = account("GET", "/v1/sharing/terms").body["version"]
    on = account(
        "PATCH",
        "/v1/sharing/receiving",
        {"terms_version": terms, "is_on": True},
        headers={"If-Match": used.headers["ETag"]},
    )
    assert (on.status, on.body["is_on"]) == (200, True), on.body
    return str(on.body["receiver_id"])


def offered(stack: SimpleNamespace, **given: Any) -> dict[str, Any]:
    receiver = opted_in(stack, FRIEND, OTHER_ACCOUNT)
    answer = OWNER("POST", "/v1/sharing/offers", {"audience_ids": [AUDIENCE], "receiver_ids": [receiver], **given})
    assert answer.status == 201, answer.body
    (made,) = answer.body["items"]
    return dict(made)


def shared(stack: SimpleNamespace, **given: Any) -> dict[str, Any]:
    accepted = FRIEND("POST", f"/v1/sharing/offers/{offered(stack, **given)['id']}/accept")
    assert accepted.status == 200, accepted.body
    return dict(accepted.body)


def test_the_whole_story_of_an_arrangement(stack: SimpleNamespace) -> None:
    made = offered(stack)
    assert (made["status"], made["name"], made["receiver"]["name"], made["size"]) == ("pending", "VIP 2026", "Acme", 0)
    waiting = FRIEND("GET", "/v1/sharing/received").body
    assert (waiting["items"], waiting["pending"]) == ([], 1)
    (offer,) = FRIEND("GET", "/v1/sharing/offers").body["items"]
    assert (offer["id"], offer["name"], offer["initiator"], offer["status"]) == (made["id"], "Fans", "Acme", "pending")

    taken = FRIEND("POST", f"/v1/sharing/offers/{made['id']}/accept")

    assert taken.status == 200
    assert (taken.body["name"], taken.body["connected_outputs"], taken.body["tags"]) == ("Fans", 0, [])
    listed = FRIEND("GET", "/v1/sharing/received").body
    assert (listed["items"], listed["pending"]) == ([taken.body], 0)
    (row,) = OWNER("GET", "/v1/sharing/shared").body["items"]
    assert (row["status"], row["id"]) == ("accepted", made["id"])

    assert OWNER("DELETE", f"/v1/sharing/shared/{made['id']}").status == 204

    assert FRIEND("GET", "/v1/sharing/received").body["items"] == []
    assert FRIEND("GET", f"/v1/sharing/received/{made['id']}").status == 404
    assert OWNER("GET", "/v1/sharing/shared").body["items"] == []
    (over,) = OWNER("GET", "/v1/sharing/shared", status="ended").body["items"]
    assert (over["end"], over["id"]) == ("unshared", made["id"])
    log = FRIEND("GET", "/v1/sharing/log", limit=1).body
    assert (log["items"][0]["step"], log["items"][0]["by"], log["items"][0]["client_id"]) == ("ended", "them", None)
    rest = FRIEND("GET", "/v1/sharing/log", limit=50, next=log["next"])
    assert rest.status == 200, rest.body
    assert "offered" in [each["step"] for each in rest.body["items"]]


def test_a_received_audience_is_connected_split_and_tagged_like_ones_own(stack: SimpleNamespace) -> None:
    received = shared(stack)["audience_id"]

    connected = FRIEND("POST", f"/v1/audiences/{received}/connections", {"output_id": an_output().output_id})
    split = FRIEND("POST", f"/v1/audiences/{received}/ab-test", {"variations": [{"percentage": 40}]})
    (before,) = FRIEND("GET", "/v1/sharing/received").body["items"]
    tagged = FRIEND(
        "PUT", f"/v1/audiences/{received}/tags", {"tags": ["Spring"]}, headers={"If-Match": split.headers["ETag"]}
    )

    assert (connected.status, split.status, tagged.status) == (201, 201, 200), (connected.body, split.body, tagged.body)
    assert connected.body["notice"] is None
    assert [each["id"] for each in FRIEND("GET", f"/v1/audiences/{received}/connections").body["items"]] == [
        connected.body["id"]
    ]
    assert (before["connected_outputs"], before["ab_test"], before["tags"]) == (1, True, [])
    (row,) = FRIEND("GET", "/v1/sharing/received").body["items"]
    assert row["tags"] == ["Spring"]
    assert FRIEND("GET", f"/v1/audiences/{received}/tags").body == {"tags": ["Spring"]}
    assert FRIEND("GET", f"/v1/audiences/{received}/ab-test").status == 200
    assert OWNER("GET", f"/v1/audiences/{AUDIENCE}/ab-test").status == 404
    assert OWNER("GET", f"/v1/audiences/{AUDIENCE}/connections").body["items"] == []
    (started,) = [each for name, each in runs(stack).items() if name.startswith("fill")]
    assert started["connection_id"] == connected.body["id"]


def test_nothing_but_name_and_figures_is_shown_of_a_received_audience(stack: SimpleNamespace) -> None:
    received = shared(stack)["audience_id"]
    body = {"name": "Mine", "workspaces": [WORKSPACE], "inputs": [INPUT], "definition": {"root": nested(received)}}

    for path in ("", "/members", "/history", "/versions", "/estimate", "/explain"):
        assert FRIEND("GET", f"/v1/audiences/{received}{path}", mpid="1").status == 404, path
    assert FRIEND("PATCH", f"/v1/audiences/{received}", {"name": "x"}, headers={"If-Match": "*"}).status == 404
    assert FRIEND("DELETE", f"/v1/audiences/{received}").status == 404
    assert FRIEND("POST", f"/v1/audiences/{received}/clone").status == 404
    assert FRIEND("POST", "/v1/audiences", body).status == 422
    assert FRIEND("GET", "/v1/audiences").body["items"] == []


def nested(audience_id: int) -> dict[str, Any]:
    return {"type": "audience_membership", "audience_id": audience_id}


def test_attributes_of_others_users_are_not_forwarded(stack: SimpleNamespace) -> None:
    received = shared(stack)["audience_id"]
    wanted = {"output_id": an_output().output_id, "attributes": {"account": ["city"]}}

    refused = FRIEND("POST", f"/v1/audiences/{received}/connections", wanted)
    connected = FRIEND("POST", f"/v1/audiences/{received}/connections", {"output_id": an_output().output_id})
    edited = FRIEND(
        "PATCH",
        f"/v1/connections/{connected.body['id']}",
        {"attributes": wanted["attributes"]},
        headers={"If-Match": "*"},
    )

    assert (refused.status, refused.pointers) == (422, ["/attributes"])
    assert (edited.status, edited.pointers) == (422, ["/attributes"])


def test_a_third_account_and_the_wrong_side_find_nothing(stack: SimpleNamespace) -> None:
    made = shared(stack)
    audience_id, arrangement_id = made["audience_id"], made["id"]
    wrong = [
        *[
            (account, method, f"/v1/sharing/{path}")
            for account in (OWNER, STRANGER)
            for method, path in (
                ("POST", "offers/ID/accept"),
                ("POST", "offers/ID/reject"),
                ("GET", "received/ID"),
                ("DELETE", "received/ID"),
            )
        ],
        *[(account, method, "/v1/sharing/shared/ID") for account in (FRIEND, STRANGER) for method in ("GET", "DELETE")],
    ]
    for account, method, path in wrong:
        answers = [account(method, path.replace("ID", each)) for each in (arrangement_id, "a-none")]
        problems = [{**answer.body, "detail": answer.body["detail"].split()[:3]} for answer in answers]
        assert (answers[0].status, problems[0]) == (404, problems[1]), path
    for account in (OWNER, STRANGER):
        for method, part, body in (
            ("GET", "connections", None),
            ("POST", "connections", {"output_id": "o-1"}),
            ("GET", "ab-test", None),
            ("GET", "tags", None),
        ):
            assert account(method, f"/v1/audiences/{audience_id + 1000}/{part}", body).status == 404
    assert STRANGER("GET", f"/v1/audiences/{audience_id}/connections").status == 404
    assert STRANGER("GET", "/v1/sharing/received").body == {"items": [], "next": None, "pending": 0}
    assert STRANGER("GET", "/v1/sharing/shared").body["items"] == []
    assert STRANGER("GET", "/v1/sharing/log").body["items"] == []
    assert FRIEND("GET", f"/v1/sharing/received/{arrangement_id}").status == 200


def test_bad_offers_name_what_is_wrong(stack: SimpleNamespace) -> None:
    mine = opted_in(stack, OWNER, ACCOUNT)
    draft = stack.audiences.save(an_audience(audience_id=AudienceId(2)))

    def offer(**changed: Any) -> Any:
        return OWNER("POST", "/v1/sharing/offers", {"audience_ids": [AUDIENCE], "receiver_ids": [mine]} | changed)

    assert (offer().status, offer().pointers) == (422, ["/receiver_ids/0"])
    assert offer(audience_ids=[draft.audience_id]).pointers == ["/audience_ids/0"]
    nobody = offer(receiver_ids=["r-none"])
    assert (nobody.status, nobody.body["errors"][0]["detail"]) == (422, "there is no such receiver")
    theirs = opted_in(stack, FRIEND, OTHER_ACCOUNT)
    assert offer(receiver_ids=[theirs]).status == 201
    twice = offer(receiver_ids=[theirs])
    assert (twice.status, "already" in twice.body["detail"]) == (409, True)
    off = FRIEND("PATCH", "/v1/sharing/receiving", {"is_on": False}, headers={"If-Match": "*"})
    assert (off.status, off.body["is_on"]) == (200, False)
    gone = offer(receiver_ids=[theirs])
    assert (gone.status, gone.body["errors"][0]["detail"]) == (422, "there is no such receiver")
    assert offer(audience_ids=[]).status == offer(receiver_ids="all").status == 422


def test_an_offer_that_is_repeated_under_its_key_is_made_once(stack: SimpleNamespace) -> None:
    receiver = opted_in(stack, FRIEND, OTHER_ACCOUNT)
    asked = {"audience_ids": [AUDIENCE], "receiver_ids": [receiver]}

    first, again = (OWNER("POST", "/v1/sharing/offers", asked, headers={"Idempotency-Key": "k"}) for _ in range(2))

    assert (first.status, again.body) == (201, first.body)
    assert len(OWNER("GET", "/v1/sharing/shared").body["items"]) == 1


def test_accepting_what_was_withdrawn_is_refused(stack: SimpleNamespace) -> None:
    made = offered(stack)
    OWNER("DELETE", f"/v1/sharing/shared/{made['id']}")

    late = FRIEND("POST", f"/v1/sharing/offers/{made['id']}/accept")

    assert (late.status, "ended (unshared)" in late.body["detail"]) == (409, True)
    assert OWNER("DELETE", f"/v1/sharing/shared/{made['id']}").status == 409


def test_receivers_are_found_by_name_with_their_logos_and_not_by_themselves(stack: SimpleNamespace) -> None:
    opted_in(stack, FRIEND, OTHER_ACCOUNT)
    movies = opted_in(stack, STRANGER, THIRD_ACCOUNT)

    (found,) = OWNER("GET", "/v1/sharing/receivers", q="MOV").body["items"]

    assert (found["id"], found["name"], found["logo_url"].startswith("memory:logos/")) == (movies, "Movies", True)
    assert [each["name"] for each in STRANGER("GET", "/v1/sharing/receivers").body["items"]] == ["Acme"]


def test_figures_are_those_of_the_initiators_audience(stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    summaries = FixedFigures({(ACCOUNT, AUDIENCE): AudienceCounts(size=10, adds_24h=3, drops_24h=2)})
    monkeypatch.setattr(stack, "summaries", summaries)
    made = shared(stack)

    figures = {"size": 10, "adds_24h": 3, "drops_24h": 2, "volatility": 0.5}
    (theirs,), (mine,) = (
        account("GET", f"/v1/sharing/{path}").body["items"]
        for account, path in ((FRIEND, "received"), (OWNER, "shared"))
    )
    assert {name: theirs[name] for name in figures} == {name: mine[name] for name in figures} == figures
    audience = stack.audiences.get(ACCOUNT, AUDIENCE)
    stack.audiences.save(audience.model_copy(update={"status": AudienceStatus.DRAFT, "external_name": "Old fans"}))
    renamed = FRIEND("GET", f"/v1/sharing/received/{made['id']}").body
    assert (renamed["name"], renamed["size"], renamed["volatility"]) == ("Old fans", None, None)


def test_deleting_a_shared_audience_ends_the_sharing(stack: SimpleNamespace) -> None:
    made = shared(stack)

    assert OWNER("DELETE", f"/v1/audiences/{AUDIENCE}").status == 204

    (over,) = OWNER("GET", "/v1/sharing/shared", status="ended").body["items"]
    assert (over["end"], over["name"], over["size"]) == ("deleted", "Fans", None)
    assert FRIEND("GET", f"/v1/audiences/{made['audience_id']}/connections").status == 404


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"GIF89a" + bytes(50), "no PNG"),
        (a_png((2049, 1)), "2049 x 1"),
        (a_png()[:40], "cannot be read"),
        (b"", "no PNG"),
    ],
)
def test_a_logo_that_cannot_be_taken_is_refused_with_its_reason(
    stack: SimpleNamespace, content: bytes, why: str
) -> None:
    begun = FRIEND("POST", "/v1/sharing/receiving/logo", {"size_bytes": 100}).body
    stack.logos.files[f"{OTHER_ACCOUNT}/{begun['id']}"] = content

    refused = FRIEND("POST", f"/v1/sharing/receiving/logo/{begun['id']}/use")

    assert (refused.status, why in refused.body["detail"]) == (422, True), refused.body
    assert FRIEND("POST", f"/v1/sharing/receiving/logo/{begun['id']}/use").status == 404
    assert FRIEND("POST", "/v1/sharing/receiving/logo", {"size_bytes": 1_000_001}).pointers == ["/size_bytes"]


def test_roles(stack: SimpleNamespace) -> None:
    reader, marketer, user = (Account(OTHER_ACCOUNT, role) for role in (Role.READ_ONLY, Role.AUDIENCES_ONLY, Role.USER))

    for path in ("terms", "receiving", "receivers", "offers", "shared", "received", "log"):
        assert reader("GET", f"/v1/sharing/{path}").status == 200
    assert marketer("POST", "/v1/sharing/offers/a-1/accept").status == 403
    assert user("POST", "/v1/sharing/offers/a-1/accept").status == 404
    assert user("PATCH", "/v1/sharing/receiving", {"is_on": False}, headers={"If-Match": "*"}).status == 403
    assert user("POST", "/v1/sharing/receiving/logo", {"size_bytes": 1}).status == 403


def test_preconditions_of_receiving(stack: SimpleNamespace) -> None:
    nothing = FRIEND("GET", "/v1/sharing/receiving")
    assert (nothing.body["is_on"], nothing.body["receiver_id"], nothing.headers["ETag"]) == (False, None, '"0"')

    assert FRIEND("PATCH", "/v1/sharing/receiving", {"is_on": True}).status == 428
    stale = FRIEND("PATCH", "/v1/sharing/receiving", {"is_on": True}, headers={"If-Match": '"3"'})
    assert stale.status == 412
    early = FRIEND("PATCH", "/v1/sharing/receiving", {"is_on": True}, headers={"If-Match": '"0"'})
    assert (early.status, "terms" in early.body["detail"]) == (409, True)


@pytest.mark.parametrize("name", ["sharing_api_offer", "sharing_api_accept"])
def test_sample_events_are_understood(stack: SimpleNamespace, name: str) -> None:
    answer = handler.lambda_handler(a_sample(name), a_context())

    assert answer["statusCode"] in (404, 422), answer


def test_received_audiences_are_connected_in_bulk(stack: SimpleNamespace) -> None:
    received = shared(stack)["audience_id"]
    job = FRIEND("POST", f"/v1/outputs/{an_output().output_id}/connect-audiences", {"audience_ids": [received, 99]})
    assert job.status == 202, job.body

    event = {"account_id": OTHER_ACCOUNT, "job_id": job.body["id"], "run": "run-1", "step": "connect"}
    connect_audiences.lambda_handler(event, a_context())

    parts = stack.jobs.parts(OTHER_ACCOUNT, job.body["id"])
    assert [part.result["code"] for part in parts] == ["connecting", "not_found"]
    (connection,) = stack.outputs.list_connections(OTHER_ACCOUNT)
    assert connection.members_of == (ACCOUNT, AUDIENCE)


def test_no_content_is_an_empty_text(stack: SimpleNamespace) -> None:
    """As null the local AWS answers 500, though the step was taken."""
    made = offered(stack)
    claims = {"account_id": str(ACCOUNT), "role": "admin", "client_id": "client-7"}
    event = an_event("DELETE", f"/v1/sharing/shared/{made['id']}", None, {}, {}, claims)

    answer = handler.lambda_handler(event, a_context())

    assert (answer["statusCode"], answer["body"]) == (204, "")
