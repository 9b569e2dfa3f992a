"""Runs of a send that die, are given up or overtaken: another one ends what they began."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from audience_core.domain.job import JobState
from audience_core.domain.output import SubscriptionState
from audience_core.errors import ConflictError, NotOursError, StaleVersionError
from audience_core.management import jobs
from audience_core.pipeline import send
from audience_core.pipeline.send_parts import PAGE
from tests.support.control import ACCOUNT, CONNECTION
from tests.support.sends import PostOffice, live_addresses
from tests.support.sent import FIRST, SECOND, an_office


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
