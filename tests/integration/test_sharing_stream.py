"""What the stream of the sharing table sets off: notices to both parties, and the end of connections."""

import uuid
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.dynamodb.models import dynamodb_backends

from audience_core import wiring
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.ids import AudienceId, ConnectionId
from audience_core.domain.output import ConnectionStatus
from audience_core.domain.sharing import Arrangement, Side
from audience_core.errors import UnavailableError
from audience_core.management import connections, receiving, sharing
from audience_core.management.connections import NewConnection
from audience_core.management.received import OwnAndReceived
from audience_core.management.receiving import ReceivingEdit
from audience_core.management.sharing import NewOffers, SharingStores
from audience_core.management.sharing_terms import TERMS
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.marks import DynamoMarkStore
from audience_core.persistence.memory.control import MemoryWorkflows
from audience_core.persistence.notices import EventBridgeBus, SesMail
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.sharing import DynamoSharingStore
from audience_core.pipeline.notify_sharing import SharingNotices
from functions.end_sharing import handler as end_sharing
from functions.notify_sharing import handler as notify_sharing
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT, an_account, an_audience, an_output
from tests.support.control_stack import create_table
from tests.support.http_api import a_context, a_sample
from tests.support.owners import SENDER, Owners
from tests.support.sharing import FRIEND, OWNER, a_receiving


class Stack:
    """Two accounts and their tables, one of them with a stream; a bus with somebody listening, and a mailbox."""

    def __init__(self, region: str) -> None:
        self.region, self._table = region, f"sharing-{uuid.uuid4()}"
        boto3.client("dynamodb", region_name=region).create_table(
            TableName=self._table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        self.stores = SimpleNamespace(
            accounts=DynamoAccountStore(create_table("accounts"), region),
            audiences=DynamoAudienceStore(create_table("audiences"), region),
            outputs=DynamoOutputStore(create_table("outputs"), region),
            sharing=DynamoSharingStore(self._table, region),
            workflows=MemoryWorkflows(),
        )
        of = self.stores
        self.control = SharingStores(of.accounts, of.audiences, of.sharing)
        self._owners = Owners(region)
        marks = DynamoMarkStore(create_table("marks"), region)
        bus = EventBridgeBus(self._owners.bus, region)
        self.notices = SharingNotices(of.accounts, marks, bus, SesMail(SENDER, region))
        of.accounts.create(an_account(contact_email="owner@example.com"))
        of.accounts.create(an_account(account_id=OTHER_ACCOUNT, name="Travel", contact_email="friend@example.com"))
        of.audiences.save(an_audience(status=AudienceStatus.ACTIVE, external_name="Weekend\nHikers"))
        of.outputs.save(an_output(account_id=OTHER_ACCOUNT))
        of.sharing.save_receiving(a_receiving(terms_version=TERMS.version), [])
        self._mails = 0

    def records(self) -> list[dict[str, Any]]:
        """All records of the stream so far, even those that the template's filter keeps away."""
        shard = dynamodb_backends["123456789012"][self.region].tables[self._table].stream_shard
        assert shard is not None
        return list(shard.get(shard.starting_sequence_number, 1000))

    def told(self) -> tuple[list[tuple[str, int, str, str | None]], list[tuple[str, str]]]:
        """Tell of all records; (kind, account, state, end) of the events, and (recipient, subject) of the mails."""
        answer = notify_sharing.lambda_handler({"Records": self.records()}, a_context())
        assert answer == {"batchItemFailures": []}
        events = [
            (each["detail-type"], each["detail"]["account_id"], each["detail"]["state"], each["detail"]["end"])
            for each in self.events()
        ]
        sent = [(each.destinations["ToAddresses"][0], each.subject) for each in self._owners.mails()[self._mails :]]
        self._mails += len(sent)
        return sorted(events), sent

    def events(self) -> list[dict[str, Any]]:
        return self._owners.events()

    def end(self) -> dict[str, Any]:
        return dict(end_sharing.lambda_handler({"Records": self.records()}, a_context()))

    def offer(self) -> Arrangement:
        new = NewOffers(audience_ids=(AUDIENCE,), receiver_ids=("r-8",))
        (made,) = sharing.offer(self.control, OWNER, new, NOW)
        return made

    def share(self) -> tuple[Arrangement, ConnectionId]:
        """Accepted, and connected."""
        taken = sharing.accept(self.control, FRIEND, self.offer().arrangement_id, NOW)
        of = self.stores
        both, new = OwnAndReceived(of.audiences, of.sharing), NewConnection(output_id=an_output().output_id)
        audience = OTHER_ACCOUNT, AudienceId(taken.received_id or 0)
        return taken, connections.create(of.outputs, both, of.workflows, *audience, new, NOW).connection_id


@pytest.fixture
def stack(aws: str, monkeypatch: pytest.MonkeyPatch) -> Stack:
    made = Stack(aws)
    monkeypatch.setattr(wiring, "stores", lambda: made.stores)
    monkeypatch.setattr(wiring, "sharing_notices", lambda: made.notices)
    return made


def test_each_step_is_told_to_both_machines_and_mailed_to_who_did_not_take_it(stack: Stack) -> None:
    made = stack.offer()
    assert stack.told() == (
        [("Audience Offered", ACCOUNT, "pending", None), ("Audience Offered", OTHER_ACCOUNT, "pending", None)],
        [("friend@example.com", "Acme offers you the audience Weekend Hikers")],
    )
    sharing.accept(stack.control, FRIEND, made.arrangement_id, NOW)
    assert stack.told() == (
        [("Audience Accepted", ACCOUNT, "accepted", None), ("Audience Accepted", OTHER_ACCOUNT, "accepted", None)],
        [("owner@example.com", "Travel has accepted the audience Weekend Hikers")],
    )
    sharing.unshare(stack.control, OWNER, made.arrangement_id, NOW)
    kind = "Audience Sharing Ended"
    assert stack.told() == (
        [(kind, ACCOUNT, "ended", "unshared"), (kind, OTHER_ACCOUNT, "ended", "unshared")],
        [("friend@example.com", "The sharing of Weekend Hikers with Acme is over: they took it back")],
    )
    assert stack.told() == ([], [])


def test_a_rejection_and_an_end_by_the_receiver_are_mailed_to_the_initiator(stack: Stack) -> None:
    sharing.reject(stack.control, FRIEND, stack.offer().arrangement_id, NOW)
    taken, _ = stack.share()
    sharing.remove(stack.control, FRIEND, taken.arrangement_id, NOW)

    _, mails = stack.told()

    assert ("owner@example.com", "Travel has rejected the audience Weekend Hikers") in mails
    assert ("owner@example.com", "The sharing of Weekend Hikers with Travel is over: they gave it up") in mails


def test_an_event_says_nothing_of_the_other_account_but_its_name(stack: Stack) -> None:
    taken, _ = stack.share()
    notify_sharing.lambda_handler({"Records": stack.records()}, a_context())

    details = [each["detail"] for each in stack.events() if each["detail-type"] == "Audience Accepted"]
    (mine,) = [each for each in details if each["side"] == "initiator"]
    (theirs,) = [each for each in details if each["side"] == "receiver"]

    assert (mine["account_id"], mine["audience_id"], mine["other_party"]) == (ACCOUNT, AUDIENCE, "Travel")
    assert (theirs["account_id"], theirs["audience_id"], theirs["other_party"]) == (
        OTHER_ACCOUNT,
        taken.received_id,
        "Acme",
    )


def test_what_was_not_told_is_told_later_and_the_rest_not_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.offer()
    mail = stack.notices.mail
    assert mail is not None

    def fail(*arguments: object) -> None:
        raise UnavailableError("no mail can be sent now")

    with monkeypatch.context() as patch:
        patch.setattr(mail, "send", fail)
        answer = notify_sharing.lambda_handler({"Records": stack.records()}, a_context())
    assert len(answer["batchItemFailures"]) == 1
    assert len(stack.events()) == 2

    assert stack.told() == ([], [("friend@example.com", "Acme offers you the audience Weekend Hikers")])


@pytest.mark.parametrize("how", ["unshare", "remove", "opt out"])
def test_at_the_end_the_receivers_connections_are_deleted(stack: Stack, how: str) -> None:
    taken, connection_id = stack.share()
    assert stack.end() == {"batchItemFailures": []}
    before = stack.stores.outputs.get_connection(OTHER_ACCOUNT, connection_id)
    if how == "unshare":
        sharing.unshare(stack.control, OWNER, taken.arrangement_id, NOW)
    elif how == "remove":
        sharing.remove(stack.control, FRIEND, taken.arrangement_id, NOW)
    else:
        receiving.edit(stack.control, FRIEND, None, ReceivingEdit(is_on=False), NOW)

    assert stack.end() == {"batchItemFailures": []}
    assert stack.end() == {"batchItemFailures": []}

    after = stack.stores.outputs.get_connection(OTHER_ACCOUNT, connection_id)
    assert (before.status, after.status) == (ConnectionStatus.ACTIVE, ConnectionStatus.DELETING)
    assert stack.stores.workflows.started[-1] == f"fill-{OTHER_ACCOUNT}-{connection_id}-{after.version}"
    assert after.version == before.version + 1


def test_a_removal_that_was_not_started_is_started_by_the_next_attempt(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, connection_id = stack.share()
    sharing.unshare(stack.control, OWNER, taken.arrangement_id, NOW)

    def refuse(*arguments: object) -> None:
        raise UnavailableError("no run can be started now")

    with monkeypatch.context() as patch:
        patch.setattr(stack.stores.workflows, "start_connection_fill", refuse)
        assert len(stack.end()["batchItemFailures"]) == 1
    assert stack.end() == {"batchItemFailures": []}

    left = stack.stores.outputs.get_connection(OTHER_ACCOUNT, connection_id)
    assert stack.stores.workflows.started[-1] == f"fill-{OTHER_ACCOUNT}-{connection_id}-{left.version}"


def test_an_opt_out_that_broke_off_is_brought_to_its_end(stack: Stack) -> None:
    taken, connection_id = stack.share()
    on = stack.stores.sharing.receiving(OTHER_ACCOUNT)
    stack.stores.sharing.save_receiving(on.model_copy(update={"is_on": False}), [])

    stack.end()
    stack.end()

    over = stack.stores.sharing.arrangement(ACCOUNT, Side.INITIATOR, taken.arrangement_id)
    assert (over.state, over.end) == ("ended", "opted_out")
    assert stack.stores.outputs.get_connection(OTHER_ACCOUNT, connection_id).status is ConnectionStatus.DELETING


def test_sample_events_are_understood(stack: Stack) -> None:
    assert notify_sharing.lambda_handler(a_sample("notify_sharing"), a_context()) == {"batchItemFailures": []}
    assert end_sharing.lambda_handler(a_sample("end_sharing"), a_context()) == {"batchItemFailures": []}
