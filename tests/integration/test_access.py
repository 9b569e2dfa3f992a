"""Every route x credential x role x account: nobody gets in who does not belong, and nobody learns what others have."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.ids import AccountId
from audience_core.exports import links
from tests.support.access import (
    ABSENT,
    ANYBODY,
    MARK,
    ROWS,
    SECRET,
    Ids,
    Row,
    client_of,
    furnish,
    open_accounts,
)
from tests.support.control import ACCOUNT, OTHER_ACCOUNT
from tests.support.control_stack import REGION
from tests.support.front_door import FrontDoor
from tests.support.http_api import Answer
from tests.support.tokens import ISSUER, a_key, a_token, publishing
from tests.support.whole_stack import WholeStack, forget_wiring

DESCRIBED = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())
OPERATIONS = {
    f"{method.upper()} {path}": each for path, all in DESCRIBED["paths"].items() for method, each in all.items()
}
INGEST = {row for row in ROWS if " /v2/" in row}
GUARDED = [row for row, each in ROWS.items() if each.least is not ANYBODY]
PRECONDITIONS = (None, "*", '"1"', '"99"')


class World:
    """The front door of a stack in which two accounts have one of everything."""

    def __init__(self, patch: pytest.MonkeyPatch, keys_url: str) -> None:
        self.key, stack = a_key(), WholeStack()
        self.stack = stack
        stack.tell(patch, TOKEN_ISSUER=ISSUER, JWKS_URL=keys_url)
        self.door = FrontDoor(stack.template)

    def furnish(self) -> None:
        stores = wiring.stores()
        open_accounts(stores)
        self.mine = furnish(stores, self.door, self.as_client(ACCOUNT), ACCOUNT, "mine")
        self.theirs = furnish(stores, self.door, self.as_client(OTHER_ACCOUNT), OTHER_ACCOUNT, MARK)
        self.theirs |= {"state": "8.their-log-in", "token": "x", "upload_id": "u-" + "0" * 32}
        shared = [name for name, value in self.theirs.items() if self.mine.get(name) == value]
        assert not shared, "what is theirs must not also be mine"

    def as_client(self, account_id: AccountId = ACCOUNT, role: Role = Role.ADMIN, **claims: Any) -> dict[str, str]:
        token = a_token(self.key, **{"client_id": client_of(account_id, role), **claims})
        return {"Authorization": f"Bearer {token}"}

    def ask(self, name: str, ids: Ids, headers: Mapping[str, str], body: Any = None, **query: Any) -> Answer:
        method, path = name.split(" ")
        return self.door(method, path.format(**{**ABSENT, **ids}), body, headers, **query)


@pytest.fixture(scope="module")
def world(aws: str) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch, "")
        with publishing(world.key) as url:
            patch.setenv("JWKS_URL", f"{url}/jwks.json")
            forget_wiring()
            world.furnish()
            yield world
    forget_wiring()


def their_data() -> dict[str, list[Any]]:
    """Every item and object that is the other account's, but for what is kept when it asks for its own figures."""
    dynamodb, s3 = boto3.resource("dynamodb", region_name=REGION), boto3.client("s3", region_name=REGION)
    found: dict[str, list[Any]] = {}
    for table in dynamodb.tables.all():
        items = (item for item in table.scan()["Items"] if not item["pk"].endswith("#splits"))
        found[table.name] = sorted((item for item in items if _is_theirs(item["pk"])), key=str)
    for bucket in s3.list_buckets()["Buckets"]:
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])]
        found[bucket["Name"]] = [key for key in keys if _is_theirs(key)]
    return found


def _is_theirs(key: str) -> bool:
    return str(OTHER_ACCOUNT) in re.split(r"\D", key)


@pytest.fixture(scope="module", autouse=True)
def theirs_stays(world: World) -> Iterator[None]:
    """Whatever these tests try changes nothing that the other account has."""
    before = their_data()
    yield
    assert their_data() == before
    assert sum(map(len, before.values())) > 20, "there is something to be changed"


def test_every_route_has_a_row(world: World) -> None:
    assert set(ROWS) - INGEST == set(OPERATIONS), "add a row to tests/support/access.py"


def test_the_template_has_the_routes_of_the_table_and_no_others(world: World) -> None:
    for name in ROWS:
        method, path = name.split(" ")
        assert any(route.leads(method, path) for route in world.door.routes), f"no function answers {name}"
    for route in world.door.routes:
        told = [name for name in ROWS if route.leads(*name.split(" "))]
        assert told, f"{route.path} is in no row"
        expected = (
            {"Input"} if " /v2/" in told[0] else {"NONE" if ROWS[each].least is ANYBODY else "Bearer" for each in told}
        )
        assert {route.authorizer} == expected, route


def test_every_name_in_a_body_is_in_its_row() -> None:
    """A body that gets a new field which names something needs it in `names`."""
    for name, operation in OPERATIONS.items():
        if "requestBody" in operation:
            fields = _fields(operation["requestBody"]["content"]["application/json"]["schema"])
            wanted = {each for each in fields if each in ("workspaces", "inputs", "audiences") or "_id" in each}
            # Receivers are found by all: they asked for it.
            wanted -= {"receiver_ids"}
            assert len(ROWS[name].names) >= len(wanted), (name, wanted)
        asked = {each["name"] for each in operation.get("parameters", ()) if _may_name(each)}
        assert asked == set(ROWS[name].query), name


# Parameters that choose, but name nothing of an account.
_CHOICES = {"days", "tag", "q", "sort", "identity_type", "limit", "next", "at", "code"}


def _may_name(parameter: dict[str, Any]) -> bool:
    """Flags and enumerations name nothing either."""
    is_closed = "$ref" in str(parameter["schema"]) or "boolean" in str(parameter["schema"])
    return parameter["in"] == "query" and not is_closed and parameter["name"] not in _CHOICES


def _fields(schema: Any) -> set[str]:
    if "$ref" in schema:
        return _fields(DESCRIBED["components"]["schemas"][schema["$ref"].split("/")[-1]])
    return set(schema.get("properties", ())).union(*(_fields(each) for each in schema.get("anyOf", ())))


@pytest.mark.parametrize("name", GUARDED)
def test_nobody_passes_without_a_good_token(world: World, name: str) -> None:
    good = world.as_client()["Authorization"]
    head, payload, signature = good.split(".")
    basic = b64encode(f"us1-{ACCOUNT}:{SECRET} {ACCOUNT}".encode()).decode()
    other = json.dumps({"client_id": client_of(OTHER_ACCOUNT, Role.ADMIN)}).encode()
    bad = [
        world.as_client(exp=1)["Authorization"],
        world.as_client(iss="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other")["Authorization"],
        world.as_client(scope="audiences/other")["Authorization"],
        world.as_client(token_use="id")["Authorization"],
        world.as_client(client_id="nobody")["Authorization"],
        f"Bearer {a_token(a_key_of_somebody_else())}",
        f"{head}.{b64encode(other).decode()}.{signature}",
        f"{head}.{payload}.{signature[:-4]}AAAA",
        good.replace("Bearer", "Basic"),
        f"Basic {basic}",
        "Bearer",
    ]

    assert world.ask(name, world.mine, {}).status == 401
    assert [world.ask(name, world.mine, {"Authorization": each}).status for each in bad] == [403] * len(bad)


_SOMEBODY_ELSE: list[Any] = []


def a_key_of_somebody_else() -> Any:
    if not _SOMEBODY_ELSE:
        _SOMEBODY_ELSE.append(a_key())
    return _SOMEBODY_ELSE[0]


@pytest.mark.parametrize("name", GUARDED)
def test_a_role_may_do_what_its_row_says(world: World, name: str) -> None:
    """With what does not exist and bodies that say nothing, so that nothing changes."""
    roles, least = list(Role), ROWS[name].least
    assert least is not None
    for role in roles:
        body: dict[str, Any] | None = {} if ROWS[name].body else None
        answer = world.ask(name, ABSENT, {**world.as_client(role=role), "If-Match": "*"}, body)

        is_allowed = roles.index(role) >= roles.index(least)
        assert (answer.status == 403) is not is_allowed, (role, answer)
        assert answer.status < 500


@pytest.mark.parametrize("name", [name for name in GUARDED if "{" in name])
def test_what_is_not_yours_is_as_absent(world: World, name: str) -> None:
    """One id of the path after the other is theirs, or nobody's; all else is mine and right."""
    row, places = ROWS[name], re.findall("{([^}]+)}", name)
    body = row.body(world.mine) if row.body else None
    query = first_of(row, world.mine)
    takes_version = any(each["name"] == "if-match" for each in OPERATIONS[name]["parameters"])
    for replaced in [places, *([place] for place in places if len(places) > 1)]:
        foreign, absent = (dict(world.mine) | {each: ids[each] for each in replaced} for ids in (world.theirs, ABSENT))
        for condition in PRECONDITIONS if takes_version else (None,):
            headers = world.as_client() | ({"If-Match": condition} if condition else {})
            answers = [world.ask(name, ids, headers, body, **query) for ids in (foreign, absent)]

            assert answers[0].status in (404, 412, 428), (replaced, condition, answers[0])
            assert_same(world, *answers)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.names])
def test_naming_what_is_not_yours_is_naming_nothing(world: World, name: str) -> None:
    """Where naming what is mine is good."""
    row = ROWS[name]
    assert row.body
    headers = world.as_client() | {"If-Match": "*"}
    good = world.ask(name, world.mine, headers, row.body(world.mine))
    assert good.status in (200, 201, 202, 409), good
    for each in row.names:
        bodies = [row.body(dict(world.mine) | {each: ids[each]}) for ids in (world.theirs, ABSENT)]
        assert bodies[0] != bodies[1], "the id is in the body"

        answers = [world.ask(name, world.mine, headers, body) for body in bodies]

        assert_same(world, *answers)
        # Of several audiences each has a result of its own, which the job tells.
        assert answers[0].status >= 400 or "connect-audiences" in name, answers


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.query])
def test_asking_for_what_is_not_yours_is_asking_for_nothing(world: World, name: str) -> None:
    for parameter, kind in ROWS[name].query.items():
        answers = [
            world.ask(name, world.mine, world.as_client(), **{parameter: ids[kind]}) for ids in (world.theirs, ABSENT)
        ]

        assert_same(world, *answers)


@pytest.mark.parametrize("name", [name for name in GUARDED if name.startswith("GET")])
def test_nothing_of_theirs_is_in_what_you_see(world: World, name: str) -> None:
    """And there is something to see for them, except where only the account's own figures are told."""
    query = first_of(ROWS[name], world.mine)
    answer = world.ask(name, world.mine, world.as_client(), **query)

    assert answer.status in (200, 409), answer
    assert_silent(answer)


def test_there_is_something_to_be_seen(world: World) -> None:
    """By the other account itself, in nearly all it can ask for."""
    silent = set()
    for name in GUARDED:
        if name.startswith("GET"):
            query = first_of(ROWS[name], world.theirs)
            answer = world.ask(name, world.theirs, world.as_client(OTHER_ACCOUNT), **query)
            told = json.dumps(answer.body)
            if MARK not in told and not any(str(each) in told for each in world.theirs.values()):
                silent.add(name)

    figures = {"GET /v1/archive", "GET /v1/directory", "GET /v1/lifetime-calculations/quota"}
    # What was never published has no earlier versions, and an unfinished export no file.
    # And what is the same for all: the terms of sharing.
    figures |= {"GET /v1/sharing/terms", "GET /v1/sharing/receivers"}
    # How many there were at which time; and users who were never seen are in no audience.
    figures |= {"GET /v1/audiences/{audience_id}/sizes", "GET /v1/profiles/{mpid}/memberships"}
    assert silent <= figures | {"GET /v1/audiences/{audience_id}/versions", "GET /v1/exports/{export_id}/download"}


LISTINGS = [
    name for name, each in OPERATIONS.items() if any(given["name"] == "next" for given in each.get("parameters", ()))
]


@pytest.mark.parametrize("name", LISTINGS)
def test_a_cursor_continues_nobody_elses_listing(world: World, name: str) -> None:
    query = {parameter: world.theirs[kind] for parameter, kind in ROWS[name].query.items() if parameter != "mpid"}
    cursor = world.ask(name, world.theirs, world.as_client(OTHER_ACCOUNT), limit=1, **query).body["next"]
    assert cursor, "two of everything listed"
    forged = [cursor, cursor[:-4] + "AAAA", "nonsense"]
    places: list[dict[str, Any]] = [{}, {"acc": int(ACCOUNT)}, {"acc": int(ACCOUNT), "at": "0"}]
    for place in places:
        claims = jwt.decode(cursor, options={"verify_signature": False}) | place
        named = claims["of"].replace(str(world.theirs["audience_id"]), str(world.mine["audience_id"]))
        named = named.replace(world.theirs["connection_id"], world.mine["connection_id"])
        header = {"kid": jwt.get_unverified_header(cursor)["kid"]}
        for claimed in (claims, claims | {"of": named}):
            forged.append(jwt.encode(claimed, "a key of one's own, as long as ours", "HS256", header))
            forged.append(jwt.encode(claimed, "", "none", header))

    mine = {parameter: world.mine[kind] for parameter, kind in ROWS[name].query.items() if parameter != "mpid"}
    answers = [world.ask(name, world.mine, world.as_client(), limit=1, next=each, **mine) for each in forged]

    assert [(each.status, each.pointers) for each in answers] == [(422, ["/query/next"])] * len(forged)
    good = world.ask(name, world.theirs, world.as_client(OTHER_ACCOUNT), limit=1, next=cursor, **query)
    assert good.status == 200


def test_an_idempotency_key_is_the_account_s_own(world: World) -> None:
    key, body = {"Idempotency-Key": "same"}, {"audiences": [{"id": 0}], "identity_types": ["email"]}
    first = world.door("POST", "/v1/workspaces", {"name": "A"}, world.as_client() | key)

    again = world.door("POST", "/v1/workspaces", {"name": "A"}, world.as_client() | key)
    refused = world.door("POST", "/v1/exports", body, world.as_client(OTHER_ACCOUNT) | key)

    assert (again.body["id"], refused.status) == (first.body["id"], 422)
    assert first.body["id"] not in json.dumps(refused.body)


def test_a_link_opens_what_was_signed_and_nothing_else(world: World) -> None:
    keys, now_ms = wiring.stores().signing_keys, 4_000_000_000_000
    link = links.sign(keys, OTHER_ACCOUNT, world.theirs["export_id"], now_ms)
    forged = links.sign(keys, ACCOUNT, world.theirs["export_id"], now_ms)
    cursor = world.ask("GET /v1/exports", world.mine, world.as_client(), limit=1).body["next"]
    head, payload, signature = link.split(".")

    answers = [
        world.door("GET", f"/v1/downloads/{token}")
        for token in ("nonsense", cursor, f"{head}.{payload}.{signature[::-1]}", f"{head}.{payload}.")
    ]
    whose = world.door("GET", f"/v1/downloads/{forged}")

    assert [each.status for each in answers] == [403] * 4
    assert len({json.dumps(each.body) for each in answers}) == 1, "nothing tells which part was wrong"
    assert whose.status == 410, "an export is looked for in the account that the link was signed for"


@pytest.mark.parametrize("name", sorted(INGEST))
def test_ingest_takes_the_keys_of_inputs_alone(world: World, name: str) -> None:
    good, wrong = (b64encode(f"us1-{ACCOUNT}:{each}".encode()).decode() for each in (f"{SECRET} {ACCOUNT}", SECRET))
    crossed = b64encode(f"us1-{ACCOUNT}:{SECRET} {OTHER_ACCOUNT}".encode()).decode()

    assert world.ask(name, {}, {}, {}).status == 401
    for bad in (f"Basic {wrong}", f"Basic {crossed}", "Basic", world.as_client()["Authorization"]):
        assert world.ask(name, {}, {"Authorization": bad}, {}).status == 403
    assert world.ask(name, {}, {"Authorization": f"Basic {good}"}, "{").status == 400


def test_whose_events_are_is_not_the_body_s_to_say(world: World) -> None:
    good = b64encode(f"us1-{ACCOUNT}:{SECRET} {ACCOUNT}".encode()).decode()
    lies = {"account_id": OTHER_ACCOUNT, "workspace_id": world.theirs["workspace_id"]}
    batch = {**lies, "source_info": lies, "user_identities": {"customer_id": "c"}, "events": []}

    answer = world.ask("POST /v2/events", {}, {"Authorization": f"Basic {good}"}, batch)

    queue = boto3.client("sqs", region_name=REGION)
    (message,) = queue.receive_message(QueueUrl=world.stack.names["EventsQueue"])["Messages"]
    told = json.loads(message["Body"])
    assert answer.status == 202
    assert (told["account_id"], told["workspace_id"]) == (ACCOUNT, world.mine["workspace_id"])


def first_of(row: Row, ids: Ids) -> dict[str, Any]:
    return {parameter: ids[kind] for parameter, kind in list(row.query.items())[:1]}


def assert_same(world: World, theirs: Answer, absent: Answer) -> None:
    assert theirs.status < 500
    assert_silent(theirs)
    first, second = (_without_ids(answer, ids) for answer, ids in ((theirs, world.theirs), (absent, ABSENT)))
    assert first == second


def assert_silent(answer: Answer) -> None:
    told = json.dumps([dict(answer.headers), answer.body])
    assert MARK not in told
    assert f"client-{OTHER_ACCOUNT}" not in told


def _without_ids(answer: Answer, ids: Ids) -> str:
    text = json.dumps([answer.status, {k: v for k, v in answer.headers.items() if k != "Location"}, answer.body])
    for value in sorted(map(str, ids.values()), key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", "ID", text)
    return re.sub(r"connect-[0-9a-f]{12}|[0-9-]{10}T[0-9:.]+(Z|\+00:00)", "MADE", text)
