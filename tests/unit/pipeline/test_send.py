"""Sending lifetime audiences: partners get the members that were found last, whoever dies or sends on the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus

import pytest

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import ConnectionId, Mpid, OutputId
from audience_core.domain.job import JobState, JobStep
from audience_core.domain.output import DELIVERY_BUCKETS, ConnectionStatus, FaultKind, SubscriptionState
from audience_core.domain.profile import Register, RegisterKey, RegisterKind
from audience_core.errors import ConflictError, NotFoundError, NotOursError, StaleVersionError
from audience_core.management import connections, jobs
from audience_core.management.connections import ConnectionEdit
from audience_core.outputs.http import HttpSend, TimeLimits
from audience_core.outputs.lanes import wake_ups_of
from audience_core.outputs.registry import kind_named
from audience_core.pipeline import send
from audience_core.pipeline.convergence import compare
from audience_core.pipeline.deliver import deliver
from audience_core.pipeline.fill_connection import withdraw_bucket
from audience_core.pipeline.partner_link import record_fault
from audience_core.pipeline.send_parts import PAGE
from audience_core.pipeline.update_subscription import Work, finish_deletion, update_subscription
from tests.support.control import ACCOUNT, AUDIENCE, CONNECTION, WORKSPACE, a_connection, an_output
from tests.support.partners import FaultyPartner, a_partner, refusing
from tests.support.sends import PostOffice, live_addresses

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))
FIRST, SECOND = {-9, 1, 2, 3, 4, 12, 64}, {2, 3, 5, 12, 70}


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as partner:
        yield partner


def an_office(url: str = "https://partner.example/", members: set[int] = FIRST) -> PostOffice:
    office = PostOffice(url)
    office.live(*(FIRST | SECOND))
    office.found("lifetime-1", members)
    return office


def delivered(office: PostOffice) -> None:
    """Drain whatever was woken, as the queue does."""
    now = time.time_ns() // 1_000_000
    while awake := office.wake_ups.take():
        for each in awake:
            deliver(office, SEND, each, 1, lambda: now, now + 60_000)


def emails(partner: FaultyPartner) -> dict[int, str]:
    told = partner.members(AUDIENCE).items()
    return {int(mpid): value for mpid, identities in told for _, value in identities}


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


@pytest.mark.parametrize("shard_count", [1, 2, 8, 64])
def test_members_of_any_number_of_shards_are_sent_page_by_page(shard_count: int) -> None:
    office, many = PostOffice(), set(range(-40, 3 * PAGE))
    office.live(*many)
    office.found("lifetime-1", many, shard_count)
    office.sent()
    assert office.desired() == live_addresses(many)
    few = {each for each in many if each % 3}
    office.found("lifetime-2", few, 4)
    office.now += 1000

    office.sent()

    assert office.desired() == live_addresses(few)


@pytest.mark.parametrize("at", range(0, 13, 2))
def test_after_a_crash_another_run_goes_on(at: int) -> None:
    office = an_office()
    office.sent()
    office.now += 1000
    office.found("lifetime-2", SECOND)
    job = office.start()
    crashed = office.run(job.job_id)
    for _ in range(at + 1):
        next(crashed)
    office.now += send.LEASE_MS + 1

    jobs.restart(office.watchers(), ACCOUNT, job.job_id, office.clock())
    list(office.run(job.job_id, "again", token=2))

    assert office.desired() == live_addresses(SECOND)
    assert f"{ACCOUNT}-{job.job_id}-again-2" in office.workflows.started


def test_a_restart_has_partners_told_of_the_audience_if_nobody_did() -> None:
    office = an_office()
    office.change(subscription=SubscriptionState.NONE)
    job = office.start()
    told = [each for each in office.workflows.started if each.startswith("fill-")]
    office.now += send.LEASE_MS + 1
    office.change()  # as when the workflow of the first attempt was never started: this version has none
    jobs.restart(office.watchers(), ACCOUNT, job.job_id, office.clock())

    list(office.run(job.job_id, "again", token=2))

    again = [each for each in office.workflows.started if each.startswith("fill-")]
    assert len(told) == 1
    assert again == [*told, f"fill-{ACCOUNT}-{CONNECTION}-{office.connection.version}"]


@pytest.mark.parametrize("is_in_a_page", [True, False])
@pytest.mark.parametrize("meanwhile", [0, 3, 8, 12])
@pytest.mark.parametrize("stop", [0, 1, 3, 6, 8, 12])
def test_a_worker_of_a_send_that_was_given_up_does_the_work_of_the_later_one(
    stop: int, meanwhile: int, is_in_a_page: bool
) -> None:
    office = an_office()
    job = office.start()
    sleeper = office.run(job.job_id)
    for _ in range(stop + 1):
        next(sleeper)
    begun, later = list[bool](), list[Iterator[str]]()

    def overtake() -> None:
        """Somebody gives the send up, another result is sent, and some of that is done already."""
        if begun:
            return
        begun.append(True)
        jobs.cancel(office.watchers(), ACCOUNT, job.job_id, office.clock())
        office.now += 1000
        office.found("lifetime-2", SECOND)
        later.append(office.run(office.start().job_id, "later"))
        for _, _ in zip(range(meanwhile + 1), later[0], strict=False):
            pass

    if is_in_a_page:
        asleep_in_a_page(office, overtake)
    else:
        overtake()
    with suppress(NotOursError, StaleVersionError):  # it may have had nothing to write
        list(sleeper)
    overtake()
    list(later[0])

    assert office.desired() == live_addresses(SECOND)


def asleep_in_a_page(office: PostOffice, overtake: Callable[[], None]) -> None:
    """What happens meanwhile happens between the look at the connection and the first row."""
    write, slept = office.ledger.desire, list[bool]()

    def desire(*arguments):
        if not slept:
            slept.append(True)
            overtake()
        return write(*arguments)

    office.ledger.desire = desire  # type: ignore[method-assign]  # the change happens between two calls


def test_of_two_at_once_the_second_is_refused_until_the_first_is_over_or_dead() -> None:
    office = an_office()
    job = office.start()

    with pytest.raises(ConflictError, match=f"{job.job_id} sends to {CONNECTION}"):
        office.start()
    office.now += 3 * 60_000 + 1
    second = office.start()

    list(office.run(job.job_id))
    assert office.report(job.job_id).results[0]["code"] == "superseded"
    list(office.run(second.job_id))
    assert office.desired() == live_addresses(FIRST)


def test_a_last_look_whose_answer_was_lost_says_it_again() -> None:
    office = an_office()
    job = office.sent()
    assert office.report(job.job_id).job.state is JobState.SUCCEEDED

    assert office.watch(job.job_id)


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
