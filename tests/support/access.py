"""Two accounts with one of everything each, and what every route asks for: the material of the table of access."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from audience_core.api import edge
from audience_core.domain.account import Client, Role
from audience_core.domain.archive import ArchiveShard, Manifest
from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid, WorkspaceId
from audience_core.domain.membership import HistoryEntry, Membership, Reason
from audience_core.domain.output import Target
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind
from audience_core.domain.stores import IdentityRow
from audience_core.management import sharing
from audience_core.management.sharing import NewOffers, Party, SharingStores
from audience_core.management.sharing_terms import TERMS
from tests.support.control import (
    ACCOUNT,
    OTHER_ACCOUNT,
    a_connection,
    a_workspace,
    an_account,
    an_audience,
    an_input,
    an_output,
)
from tests.support.http_api import Answer
from tests.support.sharing import THIRD_ACCOUNT, a_receiving

type Ids = Mapping[str, Any]
type Door = Callable[..., Answer]
type Ask = Callable[..., Any]

# In the name or value of everything that the other account has.
MARK = "zebra"
SECRET = "ingest secret"
ANYBODY, READER, MARKETER, USER, ADMIN = None, Role.READ_ONLY, Role.AUDIENCES_ONLY, Role.USER, Role.ADMIN
SPLIT = {"variations": [{"percentage": 30}]}
CRITERION = {"root": {"type": "event", "event": {"kind": "custom_event", "name": "buy"}}}
RANGE = {"type": "within_last", "duration": {"amount": 9, "unit": "days"}}
WITHIN = {"root": {"type": "event", "event": {"kind": "custom_event", "name": "buy"}, "window": RANGE}}


@dataclass(frozen=True)
class Row:
    """What a route asks for.

    Args:
        least: the least role that may; None for everybody.
        body: a request that an account can make of what it has, from its ids.
        names: ids by which the body names something -> the name's place in it.
        query: parameters that name something -> the id that they take; the first is enough to ask.
    """

    least: Role | None
    body: Callable[[Ids], Any] | None = None
    names: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)


def _audience(ids: Ids) -> dict[str, Any]:
    inside = {"type": "audience_membership", "audience_id": ids["part_id"]}
    return {
        "name": "New",
        "workspaces": [ids["workspace_id"]],
        "inputs": [ids["input_id"]],
        "definition": {"root": inside},
    }


def _draft(ids: Ids) -> dict[str, Any]:
    whole = _audience(ids)
    return {name: whole[name] for name in ("workspaces", "inputs", "definition")}


def _measurement(ids: Ids) -> dict[str, Any]:
    return {"criterion": CRITERION, "workspaces": [ids["workspace_id"]], "inputs": [ids["input_id"]]}


_DRAWN = ("workspace_id", "input_id", "part_id")
_NAMED: Callable[[Ids], Any] = lambda ids: {"name": "New"}  # noqa: E731 - a row is read best in one line
_AUDIENCE, _CONNECTION = "/v1/audiences/{audience_id}", "/v1/connections/{connection_id}"
_OUTPUT, _INPUTS = "/v1/outputs/{output_id}", "/v1/workspaces/{workspace_id}/inputs"

# Every route of docs/openapi.json, and those of ingest; a route without a row fails the test.
ROWS: Mapping[str, Row] = {
    "POST /v2/events": Row(ANYBODY),
    "POST /v2/bulkevents": Row(ANYBODY),
    "POST /v2/bulkevents/historical": Row(ANYBODY),
    "GET /v1/archive": Row(READER),
    "POST /v1/archive/compactions": Row(MARKETER),
    "GET /v1/audiences": Row(READER, query={"workspace": "workspace_id"}),
    "POST /v1/audiences": Row(MARKETER, _audience, _DRAWN),
    "POST /v1/audiences/preview": Row(MARKETER, _draft, _DRAWN),
    f"GET {_AUDIENCE}": Row(READER),
    f"PATCH {_AUDIENCE}": Row(MARKETER, _draft, _DRAWN),
    f"DELETE {_AUDIENCE}": Row(MARKETER),
    f"GET {_AUDIENCE}/ab-test": Row(READER),
    f"POST {_AUDIENCE}/ab-test": Row(MARKETER, lambda ids: SPLIT),
    f"DELETE {_AUDIENCE}/ab-test": Row(MARKETER),
    f"GET {_AUDIENCE}/ab-test/outcomes": Row(READER),
    f"POST {_AUDIENCE}/ab-test/outcomes": Row(MARKETER, _measurement, ("workspace_id", "input_id")),
    f"GET {_AUDIENCE}/ab-test/outcomes/{{outcomes_id}}": Row(READER),
    f"POST {_AUDIENCE}/activate": Row(MARKETER),
    f"POST {_AUDIENCE}/archive": Row(MARKETER),
    f"POST {_AUDIENCE}/clone": Row(MARKETER, _NAMED),
    f"GET {_AUDIENCE}/connections": Row(READER),
    f"POST {_AUDIENCE}/connections": Row(MARKETER, lambda ids: {"output_id": ids["output_id"]}, ("output_id",)),
    f"POST {_AUDIENCE}/deactivate": Row(MARKETER),
    f"GET {_AUDIENCE}/estimate": Row(READER),
    f"GET {_AUDIENCE}/explain": Row(READER, query={"mpid": "mpid", "customer_id": "customer_id"}),
    f"GET {_AUDIENCE}/history": Row(READER, query={"mpid": "mpid"}),
    f"GET {_AUDIENCE}/members": Row(READER),
    f"POST {_AUDIENCE}/restore": Row(MARKETER, lambda ids: {"version": 1}),
    f"POST {_AUDIENCE}/send": Row(MARKETER, lambda ids: {"connection_ids": [ids["connection_id"]]}, ("connection_id",)),
    f"GET {_AUDIENCE}/tags": Row(READER),
    f"PUT {_AUDIENCE}/tags": Row(MARKETER, lambda ids: {"tags": ["new"]}),
    f"GET {_AUDIENCE}/versions": Row(READER),
    f"GET {_CONNECTION}": Row(READER),
    f"PATCH {_CONNECTION}": Row(MARKETER, lambda ids: {"status": "inactive"}),
    f"DELETE {_CONNECTION}": Row(MARKETER),
    f"POST {_CONNECTION}/lookalike": Row(MARKETER, lambda ids: {"country": "FR"}),
    f"GET {_CONNECTION}/reconciliation": Row(READER),
    f"POST {_CONNECTION}/resume": Row(MARKETER),
    f"POST {_CONNECTION}/send": Row(MARKETER),
    "GET /v1/directory": Row(READER),
    "GET /v1/downloads/{token}": Row(ANYBODY),
    "GET /v1/exports": Row(READER, query={"audience": "audience_id"}),
    "POST /v1/exports": Row(
        MARKETER,
        lambda ids: {"audiences": [{"id": ids["audience_id"]}], "identity_types": ["email"]},
        ("audience_id",),
    ),
    "GET /v1/exports/{export_id}": Row(READER),
    "POST /v1/exports/{export_id}/cancel": Row(MARKETER),
    "GET /v1/exports/{export_id}/download": Row(READER),
    "GET /v1/jobs": Row(READER),
    "GET /v1/jobs/{job_id}": Row(READER),
    "POST /v1/jobs/{job_id}/cancel": Row(MARKETER),
    "POST /v1/jobs/{job_id}/restart": Row(MARKETER),
    "GET /v1/lifetime-calculations": Row(READER),
    "POST /v1/lifetime-calculations": Row(
        MARKETER, lambda ids: {"audience_ids": [ids["lifetime_id"]]}, ("lifetime_id",)
    ),
    "GET /v1/lifetime-calculations/quota": Row(READER),
    "GET /v1/lifetime-calculations/{calculation_id}": Row(READER),
    "GET /v1/oauth/callback": Row(ANYBODY, query={"state": "state"}),
    "GET /v1/outputs": Row(READER),
    "POST /v1/outputs": Row(USER, lambda ids: {"connector": "webhook", "name": "New"}),
    f"GET {_OUTPUT}": Row(READER),
    f"PATCH {_OUTPUT}": Row(USER, _NAMED),
    f"DELETE {_OUTPUT}": Row(USER),
    f"POST {_OUTPUT}/authorize": Row(USER),
    f"POST {_OUTPUT}/connect-audiences": Row(
        USER, lambda ids: {"audience_ids": [ids["audience_id"]]}, ("audience_id",)
    ),
    f"POST {_OUTPUT}/test": Row(USER),
    "GET /v1/erasures": Row(READER),
    "GET /v1/erasures/{erasure_id}": Row(READER),
    "GET /v1/profiles": Row(READER, query={"identity": "customer_id"}),
    "DELETE /v1/profiles": Row(ADMIN, query={"identity": "customer_id"}),
    "GET /v1/profiles/{mpid}": Row(READER),
    "DELETE /v1/profiles/{mpid}": Row(ADMIN),
    "GET /v1/sharing/log": Row(READER),
    "GET /v1/sharing/offers": Row(READER),
    "POST /v1/sharing/offers": Row(
        USER,
        lambda ids: {"audience_ids": [ids["audience_id"]], "receiver_ids": [f"r-{THIRD_ACCOUNT}"]},
        ("audience_id",),
    ),
    "POST /v1/sharing/offers/{offer_id}/accept": Row(USER),
    "POST /v1/sharing/offers/{offer_id}/reject": Row(USER),
    "GET /v1/sharing/received": Row(READER),
    "GET /v1/sharing/received/{received_id}": Row(READER),
    "DELETE /v1/sharing/received/{received_id}": Row(USER),
    "GET /v1/sharing/receivers": Row(READER),
    "GET /v1/sharing/receiving": Row(READER),
    "PATCH /v1/sharing/receiving": Row(ADMIN, lambda ids: {"is_on": True}),
    "POST /v1/sharing/receiving/logo": Row(ADMIN, lambda ids: {"size": "no number"}),
    "POST /v1/sharing/receiving/logo/{upload_id}/use": Row(ADMIN),
    "GET /v1/sharing/shared": Row(READER, query={"audience": "audience_id"}),
    "GET /v1/sharing/shared/{shared_id}": Row(READER),
    "DELETE /v1/sharing/shared/{shared_id}": Row(USER),
    "GET /v1/sharing/terms": Row(READER),
    f"GET {_AUDIENCE}/sizes": Row(READER),
    "GET /v1/profiles/{mpid}/memberships": Row(READER),
    "GET /v1/people": Row(ADMIN),
    "GET /v1/suggestions": Row(READER, query={"workspace": "workspace_id", "input": "input_id"}),
    "GET /v1/tags": Row(READER),
    "GET /v1/workspaces": Row(READER),
    "POST /v1/workspaces": Row(ADMIN, _NAMED),
    "GET /v1/workspaces/{workspace_id}": Row(READER),
    "PATCH /v1/workspaces/{workspace_id}": Row(ADMIN, _NAMED),
    "DELETE /v1/workspaces/{workspace_id}": Row(ADMIN),
    f"GET {_INPUTS}": Row(READER),
    f"POST {_INPUTS}": Row(ADMIN, _NAMED),
    f"GET {_INPUTS}/{{input_id}}": Row(READER),
    f"PATCH {_INPUTS}/{{input_id}}": Row(ADMIN, _NAMED),
    f"DELETE {_INPUTS}/{{input_id}}": Row(ADMIN),
    f"POST {_INPUTS}/{{input_id}}/rotate": Row(ADMIN),
    f"POST {_INPUTS}/{{input_id}}/revoke-previous": Row(ADMIN),
}

# As ids are made, but of nothing.
ABSENT: Ids = {
    "workspace_id": "w-0000000000ff",
    "input_id": "i-0000000000ff",
    "audience_id": 999,
    "lifetime_id": 998,
    "part_id": 997,
    "customer_id": "customer nobody",
    "output_id": "o-0000000000ff",
    "connection_id": "c-0000000000ff",
    "mpid": "424242",
    "outcomes_id": "outcomes-ffffffffffff",
    "export_id": "export-ffffffffffff",
    "job_id": "outcomes-ffffffffffff",
    "calculation_id": "lifetime-99",
    "erasure_id": "erasure-ffffffffffffffff",
    "offer_id": "a-ffffffffffffffff",
    "received_id": "a-ffffffffffffffff",
    "shared_id": "a-ffffffffffffffff",
    "upload_id": "u-ffffffffffffffffffffffffffffffff",
    "token": "nonsense",
    "state": "8.nonsense",
}


def client_of(account_id: AccountId, role: Role) -> str:
    return f"client-{account_id}-{role}"


def share(stores: Any, account_id: AccountId) -> dict[str, str]:
    """What the account shares with a third one, and receives or may receive of it: two of each."""
    of, now = SharingStores(stores.accounts, stores.audiences, stores.sharing), edge.now()
    third, party = (Party(each, f"client-{each}") for each in (THIRD_ACCOUNT, account_id))
    number = int(account_id) * 100
    mine = NewOffers(audience_ids=(AudienceId(number), AudienceId(number + 4)), receiver_ids=(f"r-{THIRD_ACCOUNT}",))
    theirs = NewOffers(audience_ids=tuple(map(AudienceId, range(900, 904))), receiver_ids=(f"r-{account_id}",))
    shared, offered = sharing.offer(of, party, mine, now), sharing.offer(of, third, theirs, now)
    for each in offered[2:]:
        sharing.accept(of, party, each.arrangement_id, now)
    found = {"shared_id": shared[0], "offer_id": offered[0], "received_id": offered[2]}
    return {name: each.arrangement_id for name, each in found.items()}


def open_accounts(stores: Any) -> None:
    """Two accounts that may do everything, with a client for each role."""
    for account_id, name in ((ACCOUNT, "Acme"), (OTHER_ACCOUNT, MARK)):
        stores.accounts.create(an_account(account_id=account_id, name=name, has_lifetime_audiences=True))
        for role in Role:
            client_id = client_of(account_id, role)
            stores.accounts.save_client(Client(client_id=client_id, account_id=account_id, role=role, name=name))
    stores.accounts.create(an_account(account_id=THIRD_ACCOUNT, name="Third"))
    for number in range(900, 904):
        active = an_audience(account_id=THIRD_ACCOUNT, audience_id=AudienceId(number), status=AudienceStatus.ACTIVE)
        stores.audiences.save(active)
    for account_id in (ACCOUNT, OTHER_ACCOUNT, THIRD_ACCOUNT):
        # Receivers are found by all, by this name.
        known = {"account_id": account_id, "receiver_id": f"r-{account_id}", "name": f"Receiver {account_id}"}
        stores.sharing.save_receiving(a_receiving(**known, terms_version=TERMS.version), [])


def furnish(stores: Any, door: Door, admin: Mapping[str, str], account_id: AccountId, mark: str) -> dict[str, Any]:
    """One of everything, and two of what is listed by pages; its ids.

    Args:
        admin: headers of the account's admin.
    """
    tail, number = f"{account_id:012d}", int(account_id) * 100
    ids = {kind: f"{kind[0]}-{tail}" for kind in ("workspace_id", "input_id", "output_id", "connection_id")}
    found: dict[str, Any] = {
        **ids,
        "audience_id": number,
        "lifetime_id": number + 1,
        "mpid": str(number),
        "part_id": number + 4,
    }
    found["customer_id"] = f"customer {mark}"
    _store(stores, account_id, found, mark)
    ask = _asker(door, admin)
    ask("POST", f"/v1/audiences/{number}/ab-test", SPLIT)
    found["outcomes_id"] = ask("POST", f"/v1/audiences/{number}/ab-test/outcomes", {"criterion": CRITERION})["id"]
    asked = {"audiences": [{"id": number}], "identity_types": ["email"]}
    found["export_id"] = [ask("POST", "/v1/exports", asked)["id"] for _ in range(2)][1]
    found["job_id"] = found["outcomes_id"]
    # The second account's is not the first account's, though both are counted from one.
    for place in range(1 if account_id == ACCOUNT else 2):
        body = {"audience_ids": [number + 1 + place]}
        found["calculation_id"] = ask("POST", "/v1/lifetime-calculations", body)["id"]
    found["erasure_id"] = [ask("DELETE", f"/v1/profiles/{number + 64}", None)["id"] for _ in range(2)][1]
    return found | share(stores, account_id)


def _asker(door: Door, headers: Mapping[str, str]) -> Ask:
    def ask(method: str, path: str, body: Any) -> Any:
        answer = door(method, path, body, headers)
        assert answer.status < 300, (method, path, answer)
        return answer.body

    return ask


def _store(stores: Any, account_id: AccountId, ids: Ids, mark: str) -> None:
    given, now = {"account_id": account_id}, edge.now()
    stores.workspaces.save(a_workspace(**given, workspace_id=ids["workspace_id"], name=mark))
    digest = sha256(f"{SECRET} {account_id}".encode()).hexdigest()
    stores.workspaces.save_input(
        an_input(
            **given,
            workspace_id=ids["workspace_id"],
            input_id=ids["input_id"],
            name=mark,
            key=f"us1-{account_id}",
            secret_sha256=digest,
        )
    )
    drawn = {**given, "workspaces": (ids["workspace_id"],), "inputs": (ids["input_id"],), "tags": (mark,)}
    number, ended = ids["audience_id"], now - timedelta(days=1)
    stores.audiences.save(an_audience(**drawn, audience_id=AudienceId(number), name=mark, status=AudienceStatus.ACTIVE))
    for place in range(1, 4):
        stores.audiences.save(
            an_audience(
                **drawn, audience_id=AudienceId(number + place), name=f"{mark} {place}", kind=AudienceKind.LIFETIME
            )
        )
    part = an_audience(**drawn, audience_id=AudienceId(number + 4), name=f"{mark} part", status=AudienceStatus.ACTIVE)
    stores.audiences.save(part)
    stores.outputs.save(an_output(**given, output_id=ids["output_id"], name=mark))
    for place, connection_id in enumerate((ids["connection_id"], f"c-{place_of(account_id)}")):
        stores.outputs.save_connection(
            a_connection(
                **given,
                connection_id=connection_id,
                audience_id=AudienceId(number + 3 * place),
                output_id=ids["output_id"],
            )
        )
    first, last = edge.milliseconds(ended - timedelta(days=40)), edge.milliseconds(ended)
    shard = ArchiveShard(number=0, folder=mark, users=1, events=2, first_at=first, last_at=last)
    stores.shards.commit(account_id, Manifest(version=1, shards=(shard,), committed_at=now))
    _members(stores, account_id, ids, mark, edge.milliseconds(ended))


def place_of(account_id: AccountId) -> str:
    return f"{account_id + 100:012d}"


def _members(stores: Any, account_id: AccountId, ids: Ids, mark: str, at: int) -> None:
    """Two users who joined, and whom a partner shall know."""
    audience_id, email = AudienceId(ids["audience_id"]), Identity("email", f"{mark}@example.com")
    for mpid in (Mpid(int(audience_id)), Mpid(int(audience_id) + 64)):
        profile = Profile(account_id, Environment.PRODUCTION, mpid)
        profile.identities = {email: at}
        known = RegisterKey(WorkspaceId(ids["workspace_id"]), RegisterKind.ATTRIBUTE, f"is {mark}")
        profile.registers = {known: Register(mark, at)}
        stores.profiles.save(profile, at)
        entry = HistoryEntry(audience_id, mpid, True, at, Reason.EVENT, profile.version)
        stores.history.record(account_id, [entry], 90)
        stores.history.log(account_id, [(str(abs(mpid)), entry)], 90)
        stores.ledger.desire(account_id, ids["connection_id"], mpid, Target((email,)), profile.version, at)
    customer = IdentityRow(Identity("customer_id", ids["customer_id"]), {Mpid(int(audience_id)): at})
    stores.identities.write(account_id, Environment.PRODUCTION, [customer])
    both = [Membership(audience_id, Mpid(int(audience_id) + step), at) for step in (0, 64)]
    stores.memberships.apply(account_id, both, [])
