"""Stories that take every function of the data path, and every step of the jobs, through what it does."""

from collections.abc import Mapping
from typing import Any

from audience_core.api import edge
from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.definition import Definition, EventCriterion, EventKind, EventSelector
from audience_core.domain.event import Identity
from audience_core.management import calculations, erasures, exports
from audience_core.management.calculations import CalculationStores, NewCalculation
from audience_core.management.exports import NewExport, Requester
from tests.support.control import ACCOUNT, AUDIENCE, PLAYED, an_audience
from tests.support.faults import Scene, Story

SHARED = Definition(root=EventCriterion(event=EventSelector(kind=EventKind.CUSTOM, name="Share")))


def events(here: Scene) -> None:
    """process_events, fan_out_changes, deliver_changes, summarise_counts: users come, change hands, opt out."""
    here.tell(1, "ann")
    here.tell(2, "bob", user_attributes={"tier": "gold"})
    here.tell(3, "cy", event="")
    here.settle()
    here.tell(4, "cy", user_identities={"email": "ann@example.com"})
    here.tell(5, "bob", event="", consent_state={"gdpr": {"ads": {"consented": True}}})
    opt_out = {"event_type": "opt_out", "data": {"is_opted_out": True}}
    here.tell(6, "ann", event="", events=[opt_out])
    here.settle()


def people(here: Scene) -> None:
    """Three users, of whom two have played and one has shared, with nothing going wrong."""
    fault, here.functions.fault = here.functions.fault, type(here.functions.fault)()
    here.tell(1, "ann")
    here.tell(2, "bob", event="Share")
    here.tell(3, "cy")
    here.settle()
    here.functions.log.clear()
    here.functions.fault = fault


def backfill(here: Scene) -> None:
    people(here)
    of = here.stack.stores.audiences
    audience = of.publish(an_audience(audience_id=of.next_id(ACCOUNT), status=AudienceStatus.ACTIVE, definition=SHARED))
    given = {"account_id": ACCOUNT, "program_version": audience.program_version, "token": 1}
    here.play("backfill_audience", given)
    here.settle()


def compaction(here: Scene) -> None:
    people(here)
    here.play("compact_archive", {"account_id": ACCOUNT, "token": 0})


def export(here: Scene) -> None:
    people(here)
    of = here.stack.stores
    stores = exports.ExportStores(of.audiences, of.jobs, of.workflows, of.export_files, of.signing_keys, of.sharing)
    wanted = NewExport.model_validate({"audiences": [{"id": AUDIENCE}], "identity_types": ["email"]})
    job = exports.create(stores, Requester(ACCOUNT, "client-1", "https://example.com"), wanted, edge.now()).job
    assert job.export is not None
    here.play("export_audience", {"account_id": ACCOUNT, "export_id": job.export.export_id, "token": 1})


def calculation(here: Scene) -> None:
    compaction_done(here)
    of = here.stack.stores
    number = of.audiences.next_id(ACCOUNT)
    of.audiences.save(an_audience(audience_id=number, name="Once", kind=AudienceKind.LIFETIME, definition=PLAYED))
    stores = CalculationStores(of.accounts, of.audiences, of.shards, of.jobs, of.workflows)
    job = calculations.start(stores, ACCOUNT, NewCalculation(audience_ids=(number,)), "client-1", edge.now())
    here.play("calculate_lifetime", {"account_id": ACCOUNT, "job_id": job.job_id, "token": 1})


def compaction_done(here: Scene) -> None:
    people(here)
    fault, here.functions.fault = here.functions.fault, type(here.functions.fault)()
    here.play("compact_archive", {"account_id": ACCOUNT, "token": 0})
    here.functions.log.clear()
    here.functions.fault = fault


def erasure(here: Scene) -> None:
    compaction_done(here)
    of = here.stack.stores
    stores = erasures.ProfileStores(of.profiles, of.identities, of.jobs, of.workflows)
    identity = Identity("customer_id", "ann")
    job = erasures.erase_holders(stores, ACCOUNT, identity, edge.now()).job
    here.stack.workflows.asked.clear()

    def meanwhile(handler: Any, event: Any) -> Any:
        here.settle()
        here.stack.finish_runs()
        return here.functions.run(handler, event)

    here.stack.play("erase_profile", {"account_id": ACCOUNT, "job_id": job.job_id, "token": 1}, meanwhile)


STORIES: Mapping[str, Story] = {
    each.__name__: each for each in (events, backfill, compaction, calculation, export, erasure)
}
