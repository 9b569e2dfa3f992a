"""Sending lifetime audiences: partners get the members that were found last, whoever dies or sends on the way."""

from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus

import pytest

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import ConnectionId, Mpid, OutputId
from audience_core.domain.job import JobState, JobStep
from audience_core.domain.output import DELIVERY_BUCKETS, ConnectionStatus, FaultKind, SubscriptionState
from audience_core.domain.profile import Register, RegisterKey, RegisterKind
from audience_core.errors import ConflictError, NotFoundError
from audience_core.management import connections
from audience_core.management.connections import ConnectionEdit
from audience_core.outputs.lanes import wake_ups_of
from audience_core.outputs.registry import kind_named
from audience_core.pipeline.convergence import compare
from audience_core.pipeline.fill_connection import withdraw_bucket
from audience_core.pipeline.partner_link import record_fault
from audience_core.pipeline.update_subscription import Work, finish_deletion, update_subscription
from tests.support.control import ACCOUNT, AUDIENCE, CONNECTION, WORKSPACE, a_connection, an_output
from tests.support.partners import FaultyPartner, a_partner, refusing
from tests.support.sends import live_addresses
from tests.support.sent import FIRST, SECOND, SEND, an_office, delivered, emails


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as partner:
        yield partner


def test_all_members_reach_the_partner_and_the_job_says_so(partner: FaultyPartner) -> None:
    office = an_office(partner.url)
    job = office.start()
    progress = [office.report(job.job_id).progress for _ in office.run(job.job_id)]
    waiting = office.report(job.job_id)

    delivered(office)
    is_over = office.watch(job.job_id)

    assert is_over
    assert emails(partner) == live_addresses(FIRST)
    assert progress == sorted(progress)
    assert (waiting.state, waiting.results[0]["code"], 0.5 <= waiting.progress < 1) == (
        JobState.RUNNING,
        "sending",
        True,
    )
    report = office.report(job.job_id)
    assert (report.state, report.progress) == (JobState.SUCCEEDED, 1.0)
    assert report.results == ({"audience_id": AUDIENCE, "connection_id": CONNECTION, "code": "sent", "message": ""},)
    assert {each.step: (each.looked_at, each.written) for each in report.steps}[JobStep.PUBLISH] == (7, 7)
    assert office.connection.status is ConnectionStatus.ACTIVE


def test_what_was_calculated_anew_is_sent_as_a_difference(partner: FaultyPartner) -> None:
    office = an_office(partner.url)
    office.sent(delivered)
    before = len(partner.entries())
    office.now += 1000
    office.found("lifetime-2", SECOND)

    office.sent(delivered)

    assert emails(partner) == live_addresses(SECOND)
    told = set(partner.entries()[before:])
    assert told == {(str(each), "add") for each in SECOND - FIRST} | {(str(each), "delete") for each in FIRST - SECOND}


def test_sending_the_same_again_says_nothing(partner: FaultyPartner) -> None:
    office = an_office(partner.url)
    office.sent(delivered)
    before = len(partner.heard)

    job = office.start()
    list(office.run(job.job_id))
    delivered(office)

    assert len(partner.heard) == before
    assert office.report(job.job_id).state is JobState.SUCCEEDED


def test_members_without_a_profile_are_sent_as_the_archive_knows_them() -> None:
    office = an_office()
    office.archived(*FIRST)
    office.gone(1, 64)

    office.sent()

    assert office.desired() == {**live_addresses(FIRST), 1: "old-1@example.com", 64: "old-64@example.com"}


def test_who_is_erased_while_it_is_sent_is_not_sent() -> None:
    office = an_office()
    office.archived(*FIRST)
    job = office.start()
    for step in office.run(job.job_id):
        if step == "publish 1":  # 4, 12 and 64 were written down in the shard before; 1 is in this one
            office.erase(1)

    assert office.desired() == live_addresses(FIRST - {1})


def test_what_changes_of_a_member_while_its_page_is_written_is_sent() -> None:
    office = an_office()
    write, spoken = office.ledger.desire, list[bool]()

    def desire(*arguments):
        if not spoken:
            spoken.append(True)
            (ann, bob) = office.profiles.load(ACCOUNT, Environment.PRODUCTION, [Mpid(4), Mpid(12)]).values()
            ann.identities = {Identity("email", "ann@example.com"): 2}
            opt_out = RegisterKey(WORKSPACE, RegisterKind.OPT_OUT, "")
            bob.registers[opt_out] = Register(True, office.now, False)
            for each in (ann, bob):
                office.profiles.save(each, office.now)
        return write(*arguments)

    office.ledger.desire = desire  # type: ignore[method-assign]  # the change happens between two calls

    office.sent()

    assert office.desired() == {**live_addresses(FIRST - {12}), 4: "ann@example.com"}


def test_an_erasure_between_two_pages_of_a_shard_is_seen_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audience_core.pipeline.send_parts.PAGE", 1)
    office = an_office()
    office.archived(*FIRST)
    job = office.start()
    for number, _ in enumerate(office.run(job.job_id)):
        if number == 1:  # 4 is written down, 12 and 64 of the same shard are to come
            assert office.desired() == live_addresses({4})
            office.erase(4)

    assert office.desired() == live_addresses(FIRST - {4})


def test_an_erasure_while_a_page_is_written_is_seen_though_the_archive_was_read_before() -> None:
    office = an_office()
    office.archived(*FIRST)
    office.gone(4)
    write, spoken = office.ledger.desire, list[bool]()

    def desire(*arguments):
        if not spoken:
            spoken.append(True)
            office.erase(12)
        return write(*arguments)

    office.ledger.desire = desire  # type: ignore[method-assign]  # the change happens between two calls

    office.sent()

    assert office.desired() == {**live_addresses(FIRST - {12}), 4: "old-4@example.com"}


def test_a_clock_that_goes_back_does_not_make_a_later_send_old_news() -> None:
    office = an_office()
    office.sent()
    office.found("lifetime-2", SECOND)
    office.now -= 60_000

    office.sent()

    assert office.desired() == live_addresses(SECOND)


def test_a_partner_is_compared_with_what_the_last_send_asked_for() -> None:
    office = an_office()

    def compared() -> tuple[int, int, int, bool]:
        total = compare(office, ACCOUNT, CONNECTION, None, 100, lambda: office.now, office.now + 1000).total
        return total.members, total.delivered, total.removals, total.is_converged

    before = compared()
    list(office.run(office.start().job_id))
    under_way = compared()
    office.acknowledge()

    assert (before, under_way, compared()) == ((0, 0, 0, True), (7, 0, 0, False), (7, 7, 0, True))


def test_a_faulted_connection_is_told_of_and_resumed_with_the_rest(partner: FaultyPartner) -> None:
    office = an_office(partner.url)
    partner.default = refusing(HTTPStatus.FORBIDDEN)
    job = office.start()
    list(office.run(job.job_id))
    delivered(office)

    assert office.watch(job.job_id)
    (result,) = office.report(job.job_id).results
    assert (result["code"], "permissions" in result["message"]) == ("faulted", True)

    partner.default = None
    connections.resume(office.outputs, office.wake_ups, office.workflows, ACCOUNT, CONNECTION, office.now + 5000)
    delivered(office)
    assert emails(partner) == live_addresses(FIRST)


def test_each_connection_has_a_result_of_its_own() -> None:
    office = an_office()
    names = [ConnectionId(f"c-{each}") for each in ("faulted", "inactive", "deleted", "unheard")]
    for place, name in enumerate(names):
        office.outputs.save(an_output(output_id=OutputId(f"o-{place}"), settings={"url": "https://partner.example/"}))
        office.outputs.save_connection(a_connection(connection_id=name, output_id=OutputId(f"o-{place}")))
    job = office.start()
    record_fault(office.outputs, ACCOUNT, names[0], FaultKind.AUTHENTICATION, "expired", office.now)
    for name, status in ((names[1], ConnectionStatus.INACTIVE), (names[2], ConnectionStatus.DELETING)):
        connection = office.outputs.get_connection(ACCOUNT, name)
        office.outputs.save_connection(connection.model_copy(update={"status": status}))

    list(office.run(job.job_id))

    codes = {each["connection_id"]: each["code"] for each in office.report(job.job_id).results}
    assert codes == {
        CONNECTION: "sending",
        **dict(zip(names, ("faulted", "inactive", "deleted", "sending"), strict=True)),
    }
    assert office.desired(names[0]) == office.desired(names[1]) == live_addresses(FIRST)
    assert office.desired(names[2]) == {}


def test_deleting_the_connection_has_the_partner_forget_everybody(partner: FaultyPartner) -> None:
    office = an_office(partner.url)
    office.sent(delivered)
    deleted = connections.delete(office.outputs, office.workflows, ACCOUNT, CONNECTION)
    for lane in range(DELIVERY_BUCKETS):
        withdraw_bucket(office, ACCOUNT, CONNECTION, lane, None, lambda: office.now, office.now)
    office.wake_ups.send(wake_ups_of(office.connection, kind_named("webhook")), office.now + 5000)
    delivered(office)

    assert deleted.status is ConnectionStatus.DELETING
    assert emails(partner) == {}
    assert finish_deletion(office, SEND, ACCOUNT, CONNECTION, 1, datetime.now(UTC))


def test_a_result_that_is_not_kept_removes_nobody() -> None:
    office = an_office()
    office.sent()
    office.found("lifetime-2", SECOND)
    office.now += 1000
    job = office.start()
    run = office.run(job.job_id)
    while not next(run).startswith("withdraw"):
        pass
    office.results.expire(ACCOUNT, AUDIENCE, "lifetime-2")

    with pytest.raises(NotFoundError):
        list(run)

    assert office.desired().keys() == FIRST | SECOND


def test_a_result_that_is_gone_is_not_sent() -> None:
    office = an_office()
    job = office.start()
    office.results.expire(ACCOUNT, AUDIENCE, "lifetime-1")

    with pytest.raises(ConflictError, match="calculate the audience again"):
        next(office.run(job.job_id))


def test_a_connection_of_a_lifetime_audience_is_announced_and_woken_not_filled() -> None:
    office = an_office()
    office.change(subscription=SubscriptionState.NONE)

    office.start()
    with a_partner() as partner:
        output = office.outputs.list(ACCOUNT)[0]
        office.outputs.save(output.model_copy(update={"settings": {"url": partner.url}}))
        work = update_subscription(office, SEND, ACCOUNT, CONNECTION, 1, datetime.now(UTC))

    assert work is Work.WAKE
    assert office.connection.subscription is SubscriptionState.ACTIVE


def test_it_is_made_active_by_sending_alone_and_again_by_hand_after_that() -> None:
    office = an_office()

    def edited(status: ConnectionStatus) -> None:
        change = ConnectionEdit(status=status)
        of = office.outputs, office.audiences, office.workflows
        connections.edit(*of, ACCOUNT, CONNECTION, None, change, office.clock())

    with pytest.raises(ConflictError, match="/v1/audiences/1/send"):
        edited(ConnectionStatus.ACTIVE)
    office.sent()
    edited(ConnectionStatus.INACTIVE)
    edited(ConnectionStatus.ACTIVE)

    assert office.connection.status is ConnectionStatus.ACTIVE


def test_who_has_no_identity_that_the_output_takes_is_no_row() -> None:
    office = an_office()
    office.found("lifetime-1", {*FIRST, 999})

    office.sent()

    assert office.desired() == live_addresses(FIRST)
    assert office.row(Mpid(999)) is None
