"""Stories that take every function of the data path, and every step of the jobs, through what it does."""

from collections.abc import Mapping
from datetime import timedelta

from audience_core.api import edge
from audience_core.domain.definition import (
    Definition,
    EventCriterion,
    EventKind,
    EventSelector,
)
from audience_core.domain.event import Identity
from audience_core.domain.ids import AudienceId, ConnectionId
from audience_core.domain.sharing import Side
from audience_core.management import (
    bulk_connect,
    connections,
    erasures,
    exports,
    measurements,
    sends,
    sharing,
)
from audience_core.management.bulk_connect import BulkConnection
from audience_core.management.calculations import CalculationStores
from audience_core.management.exports import NewExport, Requester
from audience_core.management.measurements import NewMeasurement
from audience_core.management.recalculations import recalculate_due
from audience_core.management.sends import NewSend, SendStores
from audience_core.management.sharing import NewOffers, SharingStores
from functions.ingest_api import handler as ingest_api
from functions.reconcile import handler as reconcile
from functions.reevaluate_due import handler as reevaluate_due
from functions.retire_profiles import handler as retire_profiles
from functions.start_calculations import handler as start_calculations
from functions.start_compactions import handler as start_compactions
from tests.support.control import ACCOUNT, AUDIENCE, OUTPUT
from tests.support.fault_scenes import (
    SHARED,
    archived,
    audiences,
    calculate,
    calculated,
    connect,
    connected,
    drifted,
    lapsed,
    long_unheard,
    outdated,
    people,
    published,
    receiving,
    shared,
    somebody,
    split,
    unwanted,
)
from tests.support.faults import Scene, Story
from tests.support.sharing import FRIEND, OWNER

BOUGHT = Definition(root=EventCriterion(event=EventSelector(kind=EventKind.CUSTOM, name="Buy")))
# A night whose samples come upon what has drifted.
_FINDING = {"stretches": 8, "audiences": 9, "seed": 287}


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


def ingest(here: Scene) -> None:
    """ingest_api, and what comes of it: a client sends batches, each until it hears that it is accepted."""
    ingest_api.account_of.cache_clear()
    here.send("ann", "one")
    here.send("bob", "two")
    here.settle()
    here.send("ann", "three")
    here.settle()


def recalculation(here: Scene) -> None:
    """start_calculations, and the night after it."""
    here.call(start_calculations.lambda_handler)
    here.finish_runs()
    of = here.stack.stores
    stores = CalculationStores(of.accounts, of.audiences, of.shards, of.jobs, of.workflows)
    recalculate_due(stores, of.accounts.all(), edge.now() + timedelta(days=1))
    here.finish_runs()


def nightly(here: Scene) -> None:
    """start_compactions, and what it starts."""
    here.call(start_compactions.lambda_handler)
    here.finish_runs()


def fault(here: Scene) -> None:
    """notify_faults: the partner refuses a user, and the owner hears of it."""
    here.tell(4, "dan")
    here.settle()


def offers(here: Scene) -> None:
    """notify_sharing: an audience is offered and rejected, offered again, accepted and taken back."""
    of = here.stack.stores
    stores = SharingStores(of.accounts, of.audiences, of.sharing)
    new = NewOffers(audience_ids=(AUDIENCE,), receiver_ids=("r-8",))
    (first,) = sharing.offer(stores, OWNER, new, edge.now())
    here.settle()
    sharing.reject(stores, FRIEND, first.arrangement_id, edge.now())
    here.settle()
    (second,) = sharing.offer(stores, OWNER, new, edge.now())
    sharing.accept(stores, FRIEND, second.arrangement_id, edge.now())
    here.settle()
    sharing.unshare(stores, OWNER, second.arrangement_id, edge.now())
    here.settle()


STORIES: Mapping[str, Story] = {
    "ingest": Story(ingest, somebody, "functions.ingest_api"),
    "events": Story(events, somebody),
    "due": Story(due, lapsed),
    "retirement": Story(retirement, long_unheard),
    "backfill": Story(backfill, people),
    "filling": Story(filling, audiences),
    "withdrawal": Story(withdrawal, connected),
    "bulk": Story(bulk, audiences, "functions.connect_audiences"),
    "compaction": Story(compaction, people),
    "nightly": Story(nightly, people, "functions.start_compactions"),
    "calculation": Story(calculate, archived),
    "recalculation": Story(recalculation, outdated, "functions.start_calculations"),
    "sending": Story(sending, calculated),
    "export": Story(export, people),
    "erasure": Story(erasure, archived),
    "outcomes": Story(outcomes, split),
    "reconciliation": Story(reconciliation, drifted, "functions.reconcile"),
    "received": Story(received, shared),
    "unsharing": Story(unsharing, shared),
    "offers": Story(offers, receiving, "functions.notify_sharing"),
    "fault": Story(fault, unwanted, "functions.notify_faults"),
}
