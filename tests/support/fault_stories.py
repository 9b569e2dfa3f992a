"""Stories that take every function of the data path, and every step of the jobs, through what it does."""

import time
from collections.abc import Mapping
from datetime import timedelta

from audience_core.api import edge
from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.definition import (
    Definition,
    EventCriterion,
    EventKind,
    EventSelector,
    UserAttributeCriterion,
)
from audience_core.domain.event import Identity
from audience_core.domain.ids import DAY_MS, AudienceId, ConnectionId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.sharing import Side
from audience_core.domain.stores import CountStep
from audience_core.domain.value_tests import StringOperator, StringTest
from audience_core.management import (
    ab_tests,
    bulk_connect,
    calculations,
    connections,
    erasures,
    exports,
    measurements,
    sends,
    sharing,
)
from audience_core.management.ab_tests import NewAbTest
from audience_core.management.bulk_connect import BulkConnection
from audience_core.management.calculations import CalculationStores, NewCalculation
from audience_core.management.connections import NewConnection
from audience_core.management.exports import NewExport, Requester
from audience_core.management.measurements import NewMeasurement
from audience_core.management.received import OwnAndReceived
from audience_core.management.sends import NewSend, SendStores
from audience_core.management.sharing import NewOffers, SharingStores
from audience_core.management.sharing_terms import TERMS
from functions.reconcile import handler as reconcile
from functions.reevaluate_due import handler as reevaluate_due
from functions.retire_profiles import handler as retire_profiles
from tests.support.control import ACCOUNT, AUDIENCE, OTHER_ACCOUNT, OUTPUT, PLAYED, an_account, an_audience, an_output
from tests.support.faults import Scene, Story
from tests.support.partners import SECRET
from tests.support.sharing import FRIEND, OWNER, a_receiving

SHARED = Definition(root=EventCriterion(event=EventSelector(kind=EventKind.CUSTOM, name="Share")))
BOUGHT = Definition(root=EventCriterion(event=EventSelector(kind=EventKind.CUSTOM, name="Buy")))
# Numbers of a receiver's own audiences are below: the partner of all stories knows audiences by their numbers alone.
_OWN_AUDIENCES = 40
# A night whose samples come upon what has drifted.
_FINDING = {"stretches": 8, "audiences": 9, "seed": 287}
GOLD = Definition(
    root=UserAttributeCriterion(attribute="tier", test=StringTest(operator=StringOperator.EQUALS, value="gold"))
)


# What is there already ----------------------------------------------------------------------------------------------


def somebody(here: Scene) -> None:
    """One user."""
    here.tell(100, "zoe")
    here.settle()


def people(here: Scene) -> None:
    """Three users, of whom two have played and one has shared."""
    here.tell(1, "ann")
    here.tell(2, "bob", event="Share", user_attributes={"tier": "gold"})
    here.tell(3, "cy")
    here.settle()


def audiences(here: Scene) -> None:
    """People, and two more audiences, with a member each."""
    published(here, SHARED)
    published(here, GOLD)
    people(here)


def connected(here: Scene) -> None:
    """People, of whom one is forwarded as a member of another audience."""
    audiences(here)
    connect(here, AudienceId(2), ConnectionId("c-000000000002"))
    here.finish_runs()
    here.settle()


def lapsed(here: Scene) -> None:
    """One of two members is none any more, since a moment ago; nobody has looked yet, and nothing is queued."""
    here.tell(1, "ann", ago_ms=30 * DAY_MS - (_now_ms() - here.now_ms) - 20_000)
    here.tell(2, "bob")
    here.settle()
    here.stack.sqs.purge_queue(QueueUrl=here.stack.queues["REEVALUATIONS_QUEUE_URL"])
    time.sleep(21)


def long_unheard(here: Scene) -> None:
    """One of two members has not been heard of for longer than anybody is kept."""
    published(here, GOLD)
    here.tell(1, "ann", event="", ago_ms=40 * DAY_MS, user_attributes={"tier": "gold"})
    here.tell(2, "bob", user_attributes={"tier": "gold"})
    here.settle()
    connect(here, AudienceId(2), ConnectionId("c-000000000002"))
    here.finish_runs()
    here.settle()


def archived(here: Scene) -> None:
    people(here)
    here.play("compact_archive", token=0)


def calculated(here: Scene) -> None:
    """A lifetime audience with its members, and a connection over which nothing was sent."""
    archived(here)
    calculation(here)
    connect(here, AudienceId(2), ConnectionId("c-000000000002"))
    here.finish_runs()
    here.settle()


def split(here: Scene) -> None:
    """People, of whom two come into an audience that is split, and one of them buys something then."""
    of = here.stack.stores
    halves = NewAbTest.model_validate({"variations": [{"name": "Variation A", "percentage": 50}]})
    an_hour_ago = edge.now() - timedelta(hours=1)
    ab_tests.create(OwnAndReceived(of.audiences, of.sharing), ACCOUNT, AUDIENCE, halves, an_hour_ago)
    people(here)
    here.tell(4, "cy", event="Buy", ago_ms=here.now_ms - _now_ms())
    here.settle()


def drifted(here: Scene) -> None:
    """Somebody is missing in a member list, somebody else is in one without being a member, and a size is wrong."""
    people(here)
    of, table = here.stack.stores, here.stack.tables["MEMBERSHIPS_TABLE"]
    (lost, *_), row = here.stack.items("MEMBERSHIPS"), Membership(AUDIENCE, Mpid(77), here.now_ms)
    here.stack.dynamodb.delete_item(TableName=table, Key={name: lost[name] for name in ("pk", "sk")})
    of.memberships.apply(ACCOUNT, [row], [])
    of.memberships.count(ACCOUNT, {AUDIENCE: [CountStep(0, "9" * 28, here.now_ms, 5, 0)]})


def shared(here: Scene) -> None:
    """An audience that another account receives, under another number, and forwards to its own partner."""
    people(here)
    of = here.stack.stores
    of.accounts.create(an_account(account_id=OTHER_ACCOUNT, name="Travel"))
    of.sharing.save_receiving(a_receiving(terms_version=TERMS.version), [])
    secret = of.secrets.put(OTHER_ACCOUNT, "o-1", {"signing_secret": SECRET})
    of.outputs.save(an_output(account_id=OTHER_ACCOUNT, settings={"url": here.partner.url}, secret_ref=secret))
    while of.audiences.next_id(OTHER_ACCOUNT) < _OWN_AUDIENCES:
        pass
    stores = SharingStores(of.accounts, of.audiences, of.sharing)
    (offered,) = sharing.offer(stores, OWNER, NewOffers(audience_ids=(AUDIENCE,), receiver_ids=("r-8",)), edge.now())
    received = sharing.accept(stores, FRIEND, offered.arrangement_id, edge.now()).received_id
    assert received is not None
    both = OwnAndReceived(of.audiences, of.sharing)
    new = NewConnection(output_id=OUTPUT)
    connections.create(of.outputs, both, of.workflows, OTHER_ACCOUNT, received, new, edge.now())
    here.finish_runs()
    here.settle()


def published(here: Scene, definition: Definition) -> int:
    of = here.stack.stores.audiences
    number = of.next_id(ACCOUNT)
    given = {"audience_id": number, "name": f"Audience {number}", "definition": definition}
    version = of.publish(an_audience(status=AudienceStatus.ACTIVE, **given)).program_version
    here.stack.stores.jobs.set_backfilled(ACCOUNT, of.program(ACCOUNT).published)
    return version


def connect(here: Scene, audience_id: AudienceId, connection_id: ConnectionId) -> None:
    of = here.stack.stores
    new = NewConnection(output_id=OUTPUT)
    connections.create(of.outputs, of.audiences, of.workflows, ACCOUNT, audience_id, new, edge.now(), connection_id)


# What functions die in ----------------------------------------------------------------------------------------------


def events(here: Scene) -> None:
    """All readers of queues and streams between ingest and partners: users come, change hands, opt out."""
    here.tell(1, "ann")
    here.tell(2, "bob", user_attributes={"tier": "gold"})
    here.tell(3, "cy", event="")
    here.settle()
    here.tell(4, "cy", user_identities={"email": "ann@example.com"})
    here.tell(5, "bob", event="", consent_state={"gdpr": {"ads": {"consented": True}}})
    opt_out = {"event_type": "opt_out", "data": {"is_opted_out": True}}
    here.tell(6, "ann", event="", events=[opt_out])
    here.settle()


def due(here: Scene) -> None:
    """reevaluate_due, and what it queues."""
    here.call(reevaluate_due.lambda_handler)
    here.settle()


def retirement(here: Scene) -> None:
    here.call(retire_profiles.lambda_handler)
    here.settle()


def backfill(here: Scene) -> None:
    version = published(here, SHARED)
    here.stack.stores.jobs.set_backfilled(ACCOUNT, version - 1)
    here.play("backfill_audience", program_version=version, token=1)
    here.settle()


def filling(here: Scene) -> None:
    """update_subscription and fill_connection_page: an audience is connected."""
    connect(here, AudienceId(2), ConnectionId("c-000000000002"))
    here.finish_runs()
    here.settle()


def withdrawal(here: Scene) -> None:
    """The same functions: a connection is deleted."""
    of = here.stack.stores
    connections.delete(of.outputs, of.workflows, ACCOUNT, ConnectionId("c-000000000002"))
    here.finish_runs()
    here.settle()


def bulk(here: Scene) -> None:
    """connect_audiences: three audiences, of which one is connected already."""
    of = here.stack.stores
    wanted = BulkConnection(audience_ids=(AUDIENCE, AudienceId(2), AudienceId(3)))
    bulk_connect.start(of.jobs, of.outputs, of.workflows, ACCOUNT, OUTPUT, wanted, edge.now())
    here.finish_runs()
    here.settle()


def compaction(here: Scene) -> None:
    here.play("compact_archive", token=0)


def calculation(here: Scene) -> None:
    of = here.stack.stores
    number = of.audiences.next_id(ACCOUNT)
    of.audiences.save(an_audience(audience_id=number, name="Once", kind=AudienceKind.LIFETIME, definition=PLAYED))
    stores = CalculationStores(of.accounts, of.audiences, of.shards, of.jobs, of.workflows)
    job = calculations.start(stores, ACCOUNT, NewCalculation(audience_ids=(number,)), "client-1", edge.now())
    here.play("calculate_lifetime", job_id=job.job_id, token=1)


def sending(here: Scene) -> None:
    """send_audience, and the announcement to the partner."""
    of = here.stack.stores
    stores = SendStores(of.audiences, of.outputs, of.jobs, of.workflows)
    sends.start(stores, ACCOUNT, AudienceId(2), NewSend(), edge.now())
    here.finish_runs()
    here.settle()


def export(here: Scene) -> None:
    of = here.stack.stores
    stores = exports.ExportStores(of.audiences, of.jobs, of.workflows, of.export_files, of.signing_keys, of.sharing)
    wanted = NewExport.model_validate({"audiences": [{"id": AUDIENCE}], "identity_types": ["email"]})
    job = exports.create(stores, Requester(ACCOUNT, "client-1", "https://example.com"), wanted, edge.now()).job
    assert job.export is not None
    here.play("export_audience", export_id=job.export.export_id, token=1)


def erasure(here: Scene) -> None:
    of = here.stack.stores
    stores = erasures.ProfileStores(of.profiles, of.identities, of.jobs, of.workflows)
    erasures.erase_holders(stores, ACCOUNT, Identity("customer_id", "ann"), edge.now())
    here.finish_runs()
    here.settle()


def outcomes(here: Scene) -> None:
    """measure_ab_test"""
    of = here.stack.stores
    asked = NewMeasurement.model_validate({"criterion": BOUGHT.model_dump(mode="json")})
    measurements.start(
        of.accounts, of.audiences, of.workspaces, of.jobs, of.workflows, ACCOUNT, AUDIENCE, asked, edge.now()
    )
    here.finish_runs()


def reconciliation(here: Scene) -> None:
    here.call(reconcile.lambda_handler, _FINDING)
    here.settle()


def received(here: Scene) -> None:
    """fan_out_changes for a receiver, and fan_out_shared: members of a shared audience come and change."""
    here.tell(4, "bob")
    here.tell(5, "ann", event="", user_identities={"email": "other@example.com"})
    here.settle()


def unsharing(here: Scene) -> None:
    """end_sharing, and what it sets off: the receiver's connection withdraws its members and goes."""
    of = here.stack.stores
    (each,) = of.sharing.live(ACCOUNT, Side.INITIATOR)
    sharing.unshare(SharingStores(of.accounts, of.audiences, of.sharing), OWNER, each.arrangement_id, edge.now())
    here.settle()
    here.finish_runs()
    here.settle()


STORIES: Mapping[str, Story] = {
    "events": Story(events, somebody),
    "due": Story(due, lapsed),
    "retirement": Story(retirement, long_unheard),
    "backfill": Story(backfill, people),
    "filling": Story(filling, audiences),
    "withdrawal": Story(withdrawal, connected),
    "bulk": Story(bulk, audiences, "functions.connect_audiences"),
    "compaction": Story(compaction, people),
    "calculation": Story(calculation, archived),
    "sending": Story(sending, calculated),
    "export": Story(export, people),
    "erasure": Story(erasure, archived),
    "outcomes": Story(outcomes, split),
    "reconciliation": Story(reconciliation, drifted, "functions.reconcile"),
    "received": Story(received, shared),
    "unsharing": Story(unsharing, shared),
}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
