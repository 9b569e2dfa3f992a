"""What is there already when a story of faults begins."""

import time
from datetime import timedelta
from http import HTTPStatus

from audience_core.api import edge
from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.definition import (
    Definition,
    EventCriterion,
    EventKind,
    EventSelector,
    UserAttributeCriterion,
)
from audience_core.domain.ids import DAY_MS, AudienceId, ConnectionId, Mpid
from audience_core.domain.lifetime import Recalculation
from audience_core.domain.membership import Membership
from audience_core.domain.stores import CountStep
from audience_core.domain.value_tests import StringOperator, StringTest
from audience_core.management import (
    ab_tests,
    calculations,
    connections,
    sharing,
)
from audience_core.management.ab_tests import NewAbTest
from audience_core.management.calculations import CalculationStores, NewCalculation
from audience_core.management.connections import NewConnection
from audience_core.management.received import OwnAndReceived
from audience_core.management.sharing import NewOffers, SharingStores
from audience_core.management.sharing_terms import TERMS
from tests.support.control import ACCOUNT, AUDIENCE, OTHER_ACCOUNT, OUTPUT, PLAYED, an_account, an_audience, an_output
from tests.support.faults import Scene
from tests.support.partners import SECRET, refusing
from tests.support.sharing import FRIEND, OWNER, a_receiving

SHARED = Definition(root=EventCriterion(event=EventSelector(kind=EventKind.CUSTOM, name="Share")))
GOLD = Definition(
    root=UserAttributeCriterion(attribute="tier", test=StringTest(operator=StringOperator.EQUALS, value="gold"))
)
# Numbers of a receiver's own audiences are below: the partner of all stories knows audiences by their numbers alone.
_OWN_AUDIENCES = 40


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
    calculate(here)
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


def outdated(here: Scene) -> None:
    """A lifetime audience whose days are over, and who has come since."""
    archived(here)
    calculate(here)
    of = here.stack.stores.audiences
    found = of.get(ACCOUNT, AudienceId(2))
    assert found.result is not None
    result = found.result.model_copy(update={"calculated_at": edge.now() - timedelta(days=8)})
    of.save(found.model_copy(update={"result": result, "recalculation": Recalculation(every_days=7)}))
    here.tell(4, "dan")
    here.settle()
    here.play("compact_archive", token=1)


def unwanted(here: Scene) -> None:
    """People, forwarded to a partner at whom somebody had logged in, and who takes nothing from now on."""
    of = here.stack.stores
    people(here)
    of.outputs.save(of.outputs.get(ACCOUNT, OUTPUT).model_copy(update={"log_in_ref": "log-in"}))
    here.partner.default = refusing(HTTPStatus.UNAUTHORIZED)


def receiving(here: Scene) -> None:
    """Another account that receives audiences."""
    people(here)
    of = here.stack.stores
    of.accounts.create(an_account(account_id=OTHER_ACCOUNT, name="Travel", contact_email="friend@example.com"))
    of.sharing.save_receiving(a_receiving(terms_version=TERMS.version), [])


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


def calculate(here: Scene) -> None:
    """calculate_run and calculate_shard: a lifetime audience of those who played."""
    of = here.stack.stores
    number = of.audiences.next_id(ACCOUNT)
    of.audiences.save(an_audience(audience_id=number, name="Once", kind=AudienceKind.LIFETIME, definition=PLAYED))
    stores = CalculationStores(of.accounts, of.audiences, of.shards, of.jobs, of.workflows)
    calculations.start(stores, ACCOUNT, NewCalculation(audience_ids=(number,)), "client-1", edge.now())
    here.finish_runs()


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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
