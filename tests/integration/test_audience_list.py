"""The list of audiences: its columns, filters, orders and pages, and what it costs."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import jwt
import pytest

from audience_core import wiring
from audience_core.api.cursor import Cursors
from audience_core.domain.audience import Audience, AudienceCounts, AudienceKind, AudienceStatus
from audience_core.domain.ids import AudienceId, ConnectionId, InputId, OutputId, WorkspaceId
from audience_core.domain.output import Fault, FaultKind
from audience_core.domain.stores import CountChange, CountStep
from functions.audiences_api import handler
from tests.support.ab_tests import an_ab_test
from tests.support.control import (
    ACCOUNT,
    INPUT,
    NOW,
    WORKSPACE,
    a_connection,
    a_workspace,
    an_audience,
    an_input,
)
from tests.support.control_stack import REGION, control_stack, emptied
from tests.support.dynamo_client import listening
from tests.support.http_api import Caller

PLAYED = {"root": {"type": "event", "event": {"kind": "custom_event", "name": "Play Video"}}}
SORTS = ("id", "name", "size", "adds", "drops", "volatility", "updated", "created")


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    stores.workspaces.save(a_workspace())
    stores.workspaces.save_input(an_input())
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


def new(**given: Any) -> dict[str, Any]:
    return {"name": "Players", "workspaces": [WORKSPACE], "inputs": [INPUT], "definition": PLAYED} | given


def counted(stack: SimpleNamespace, audience_id: AudienceId, size: int, adds: int, drops: int) -> None:
    """Let it have these figures, by joins and leaves of a week ago and of now."""
    now_ms = time.time_ns() // 1_000_000
    week_ago = now_ms - 7 * 86_400_000
    bucket = audience_id % 64
    steps = [CountStep(bucket, "1", week_ago, size - adds + drops, 0), CountStep(bucket, "2", now_ms, adds, drops)]
    stack.counts.count(ACCOUNT, {audience_id: steps})
    stack.summaries.refresh(CountChange(ACCOUNT, audience_id), now_ms)


def ids(call: Caller, **query: Any) -> list[int]:
    return [row["id"] for row in call("GET", "/v1/audiences", **query).body["items"]]


def test_a_row_has_every_column_of_the_list(call: Caller, stack: SimpleNamespace) -> None:
    call("POST", "/v1/audiences", new(activate=True))
    counted(stack, AudienceId(1), size=40, adds=7, drops=3)
    stack.memberships.figures[ACCOUNT, AudienceId(1)] = AudienceCounts(size=40, adds_24h=7, drops_24h=3)
    stack.outputs.save_connection(a_connection())

    row = call("GET", "/v1/audiences").body["items"][0]
    alone = call("GET", "/v1/audiences/1").body

    assert alone.pop("definition")["root"]["event"]["name"] == "Play Video"
    assert alone == row

    instants = {name: row.pop(name) for name in ("created_at", "updated_at", "activated_at")}
    assert all(instants.values())
    assert row.pop("calculating")["id"] == "backfill-1"
    assert row == {
        "id": 1,
        "name": "Players",
        "external_name": "Players",
        "kind": "real_time",
        "status": "active",
        "scope": "single",
        "workspaces": [WORKSPACE],
        "inputs": [INPUT],
        "tags": [],
        "size": 40,
        "adds_24h": 7,
        "drops_24h": 3,
        "volatility": 0.25,
        "connected_outputs": 1,
        "faults": [],
        "ab_test": False,
        "created_by": "client-1",
        "date_range": None,
        "recalculation": None,
        "calculated_at": None,
        "expires_at": None,
        "definition_version": 1,
        "staged_version": None,
        "version": 1,
    }


def test_the_list_is_paged_and_filtered(call: Caller, stack: SimpleNamespace) -> None:
    stack.workspaces.save(a_workspace(workspace_id=WorkspaceId("w-2")))
    stack.workspaces.save_input(an_input(workspace_id=WorkspaceId("w-2"), input_id=InputId("i-2"), key="k-2"))
    call("POST", "/v1/audiences", new(name="Red fans"))
    call("POST", "/v1/audiences", new(name="Blue", external_name="FANS too", activate=True))
    call("POST", "/v1/audiences", new(name="Green", workspaces=[WORKSPACE, "w-2"], inputs=["i-2"]))

    first = call("GET", "/v1/audiences", limit=2).body
    rest = call("GET", "/v1/audiences", limit=2, next=first["next"]).body

    def found(**query: Any) -> list[int]:
        return [row["id"] for row in call("GET", "/v1/audiences", **query).body["items"]]

    assert [row["id"] for row in first["items"] + rest["items"]] == [1, 2, 3]
    assert rest["next"] is None
    assert (found(q="fans"), found(q="3"), found(status="active")) == ([1, 2], [3], [2])
    assert (found(workspace="w-2"), found(workspace="w-3")) == ([3], [])


def test_a_cursor_continues_only_its_own_listing(call: Caller) -> None:
    for _ in range(2):
        call("POST", "/v1/audiences", new())
    cursor = call("GET", "/v1/audiences", limit=1).body["next"]

    strange = call("GET", "/v1/audiences", limit=1, next=cursor, q="Players")
    nonsense = call("GET", "/v1/audiences", next="nonsense!")

    assert (strange.status, strange.pointers) == (422, ["/query/next"])
    assert nonsense.status == 422
    assert call("GET", "/v1/audiences", limit=0).pointers == ["/query/limit"]


def test_a_connection_that_is_faulted_shows_on_its_audience(call: Caller, stack: SimpleNamespace) -> None:
    call("POST", "/v1/audiences", new())
    fault = Fault(kind=FaultKind.AUTHENTICATION, message="the key was revoked", at=NOW)
    stack.outputs.save_connection(a_connection(fault=fault))
    stack.outputs.save_connection(a_connection(connection_id=ConnectionId("c-2"), output_id=OutputId("o-2")))

    (row,) = call("GET", "/v1/audiences").body["items"]

    assert (row["connected_outputs"], row["faults"]) == (2, ["c-000000000001"])


def test_all_filters_must_let_an_audience_pass(call: Caller, stack: SimpleNamespace) -> None:
    both = (WORKSPACE, WorkspaceId("w-2"))
    lifetime = AudienceKind.LIFETIME
    stack.audiences.save(an_audience(audience_id=AudienceId(1), tags=("Spring", "a, b")))
    stack.audiences.save(an_audience(audience_id=AudienceId(2), tags=("Spring", "VIP"), workspaces=both))
    stack.audiences.publish(an_audience(audience_id=AudienceId(3), tags=("VIP",), status=AudienceStatus.ACTIVE))
    stack.audiences.save(an_audience(audience_id=AudienceId(4), kind=lifetime))

    assert (ids(call, kind="lifetime"), ids(call, kind="real_time")) == ([4], [1, 2, 3])
    assert (ids(call, scope="multi"), ids(call, scope="single")) == ([2], [1, 3, 4])
    assert (ids(call, tag="vip"), ids(call, tag=["VIP", " spring "]), ids(call, tag="a, b")) == ([2, 3], [2], [1])
    assert (ids(call, tag="VIP", status="active"), ids(call, tag="VIP", workspace="w-2")) == ([3], [2])
    assert ids(call, tag="a") == []


def test_audiences_that_are_split_are_marked_and_found(call: Caller, stack: SimpleNamespace) -> None:
    stack.audiences.save(an_audience(audience_id=AudienceId(1), ab_test=an_ab_test(30)))
    stack.audiences.save(an_audience(audience_id=AudienceId(2)))

    rows = call("GET", "/v1/audiences").body["items"]

    assert [(row["id"], row["ab_test"]) for row in rows] == [(1, True), (2, False)]
    assert call("GET", "/v1/audiences/1").body["ab_test"] is True
    assert (ids(call, ab_test="true"), ids(call, ab_test="false")) == ([1], [2])
    assert call("GET", "/v1/audiences", ab_test="perhaps").pointers == ["/query/ab_test"]


@pytest.mark.parametrize("query", [{"kind": "x"}, {"scope": "x"}, {"status": "x"}, {"sort": "x"}, {"sort": "--id"}])
def test_what_is_no_filter_or_order_is_named(call: Caller, query: dict[str, Any]) -> None:
    (name,) = query

    assert call("GET", "/v1/audiences", **query).pointers == [f"/query/{name}"]


@pytest.fixture
def sorted_stack(stack: SimpleNamespace) -> SimpleNamespace:
    """Five active audiences and two drafts: names in another order than ids, with pairs that are equal."""
    names = ("delta", "Bravo", "alpha", "bravo", "Charlie", "brav", "echo")
    figures = ((9, 1, 0), (40, 8, 2), (0, 0, 5), (40, 3, 3), (7, 1, 1))
    for place, name in enumerate(names):
        at = NOW + timedelta(milliseconds=(3 * place) % 5)
        is_active = place < len(figures)
        stack.audiences.publish(
            an_audience(
                audience_id=AudienceId(place + 1),
                name=name,
                created_at=at,
                updated_at=at + timedelta(days=place % 2),
                status=AudienceStatus.ACTIVE if is_active else AudienceStatus.DRAFT,
            )
        )
        if is_active:
            counted(stack, AudienceId(place + 1), *figures[place])
    return stack


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("id", [1, 2, 3, 4, 5, 6, 7]),
        ("-id", [7, 6, 5, 4, 3, 2, 1]),
        ("name", [3, 6, 2, 4, 5, 1, 7]),
        ("-name", [7, 1, 5, 2, 4, 6, 3]),
        ("size", [3, 5, 1, 2, 4, 6, 7]),
        ("-size", [2, 4, 1, 5, 3, 6, 7]),
        ("-adds", [2, 4, 1, 5, 3, 6, 7]),
        ("drops", [1, 5, 2, 4, 3, 6, 7]),
        ("-volatility", [5, 2, 4, 1, 3, 6, 7]),
        ("created", [1, 6, 3, 5, 2, 7, 4]),
        ("-updated", [4, 2, 6, 7, 5, 3, 1]),
    ],
)
def test_any_column_orders_the_list_and_its_pages(
    call: Caller, sorted_stack: SimpleNamespace, sort: str, expected: list[int]
) -> None:
    assert ids(call, sort=sort) == expected
    assert [row["id"] for page in pages(call, sort=sort, limit=2) for row in page] == expected


def pages(call: Caller, **query: Any) -> Iterator[list[dict[str, Any]]]:
    cursor: dict[str, Any] = {}
    while True:
        answer = call("GET", "/v1/audiences", **query, **cursor).body
        yield answer["items"]
        if answer["next"] is None:
            return
        cursor = {"next": answer["next"]}


def test_an_audience_that_moves_between_two_pages_hides_no_other(call: Caller, sorted_stack: SimpleNamespace) -> None:
    first = call("GET", "/v1/audiences", sort="-size", limit=3).body
    sorted_stack.audiences.delete(sorted_stack.audiences.get(ACCOUNT, AudienceId(1)))
    moved = sorted_stack.audiences.get(ACCOUNT, AudienceId(2))
    sorted_stack.audiences.publish(moved.model_copy(update={"status": AudienceStatus.DRAFT}))

    rest = ids(call, sort="-size", limit=10, next=first["next"])

    assert [row["id"] for row in first["items"]] == [2, 4, 1]
    assert rest == [5, 3, 2, 6, 7]


@pytest.mark.parametrize("sort", SORTS)
def test_a_cursor_of_another_order_or_filter_is_refused(call: Caller, sorted_stack: SimpleNamespace, sort: str) -> None:
    cursor = call("GET", "/v1/audiences", sort=sort, limit=1).body["next"]

    queries: list[dict[str, Any]] = [{"sort": f"-{sort}"}, {"sort": sort, "tag": "x"}, {"sort": sort, "q": "a"}]
    for query in queries:
        assert call("GET", "/v1/audiences", next=cursor, **query).pointers == ["/query/next"]
    assert call("GET", "/v1/audiences/1/members", next=cursor).pointers == ["/query/next"]


@pytest.mark.parametrize(
    "position", ["", "nonsense", "[]", '["x", 1]', "[1, null]", "[[], 1]", '{"a": 1, "b": 2}', "3"]
)
def test_a_forged_cursor_is_refused(call: Caller, sorted_stack: SimpleNamespace, position: str) -> None:
    good = call("GET", "/v1/audiences", sort="size", limit=1).body["next"]
    listing = jwt.decode(good, options={"verify_signature": False})["of"]

    forged = Cursors(sorted_stack.signing_keys, ACCOUNT, listing).encode(position)

    assert call("GET", "/v1/audiences", sort="size", next=forged).pointers == ["/query/next"]


@pytest.mark.parametrize("sort", ["-size", "name"])
def test_hundreds_of_audiences_take_as_few_requests_as_one(call: Caller, stack: SimpleNamespace, sort: str) -> None:
    """On AWS requests are what takes time; each query brings a megabyte, which is more than these have."""
    put_many(stack, 300)

    with requests_counted() as made:
        listed = call("GET", "/v1/audiences", sort=sort, limit=50)

    sizes = [row["size"] for row in listed.body["items"]]
    assert sizes == (list(range(300, 250, -1)) if sort == "-size" else list(range(1, 51)))
    # Audiences, connections, and all summaries or those of the page; the account; how far its calculation is.
    calculation = Counter({"Query": 1, "GetItem": 5})
    listing = {"Query": 3, "GetItem": 1} if sort == "-size" else {"Query": 2, "BatchGetItem": 1, "GetItem": 1}
    assert made == calculation + Counter(listing)


def put_many(stack: SimpleNamespace, count: int) -> None:
    """Active audiences 1 to `count`, as large as their ids, in the form in which the stores write them."""
    tables = {name.partition("-")[0]: name for name in stack.tables}
    numbers = [AudienceId(number) for number in range(1, count + 1)]
    first = stack.audiences.publish(an_audience(audience_id=AudienceId(1), status=AudienceStatus.ACTIVE))
    counted(stack, first.audience_id, size=1, adds=1, drops=0)
    audience = one_item(tables["audiences"], f"{ACCOUNT}#audiences", "A#0000000001")
    summary = one_item(tables["counts"], f"{ACCOUNT}#summaries", "0000000001")
    put_all(tables["audiences"], (audience | {"sk": f"A#{n:010d}", "outline": outlined(first, n)} for n in numbers))
    put_all(tables["counts"], (summary | {"sk": f"{n:010d}", "size": n} for n in numbers))


def outlined(audience: Audience, number: AudienceId) -> str:
    changed = audience.model_copy(update={"audience_id": number, "name": f"Audience {number:05d}"})
    return changed.model_dump_json(exclude={"definition"})


def one_item(table: str, pk: str, sk: str) -> dict[str, Any]:
    found: dict[str, Any] = (
        boto3.resource("dynamodb", region_name=REGION).Table(table).get_item(Key={"pk": pk, "sk": sk})["Item"]
    )
    return found


def put_all(table: str, items: Iterator[dict[str, Any]]) -> None:
    with boto3.resource("dynamodb", region_name=REGION).Table(table).batch_writer() as batch:
        for item in items:
            batch.put_item(item)


@contextmanager
def requests_counted() -> Iterator[Counter[str]]:
    """Operation -> how many were sent to DynamoDB, pages of a query each for itself."""
    made: Counter[str] = Counter()
    with listening(REGION, "before-call.dynamodb", lambda model, **_: made.update([model.name])):
        yield made
