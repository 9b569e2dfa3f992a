"""Erasing a user: the archive is told, and partners of lifetime audiences forget it at once."""

from pathlib import Path

from audience_core.domain.event import Environment
from audience_core.domain.ids import ConnectionId, Mpid
from audience_core.domain.output import delivery_bucket_of
from audience_core.pipeline.erase import erase
from local.templates import read_template
from tests.support.control import ACCOUNT, OTHER_ACCOUNT, a_connection
from tests.support.delivery import ANN, email
from tests.support.sends import PostOffice, live_addresses

MEMBERS = {8, 9, 10}


def an_office() -> PostOffice:
    """A lifetime audience that was sent, and one that is real-time, at another output."""
    office = PostOffice()
    office.live(*MEMBERS)
    office.found("lifetime-1", MEMBERS)
    office.sent()
    office.wake_ups.take()
    return office


def test_partners_of_lifetime_audiences_forget_the_user_and_no_one_else() -> None:
    office = an_office()
    office.gone(9)
    office.now += 1000

    erase(office, ACCOUNT, Mpid(9), office.now)

    assert office.desired() == live_addresses({8, 10})
    assert office.is_dirty(Mpid(9))
    assert [each.bucket for each in office.wake_ups.take()] == [delivery_bucket_of(9)]
    assert office.archive.erased(ACCOUNT) == {Mpid(9): office.now}


def test_sending_and_exporting_what_was_calculated_before_leaves_the_user_out() -> None:
    office = an_office()
    office.archived(*MEMBERS)
    office.gone(9)
    erase(office, ACCOUNT, Mpid(9), office.now)
    office.acknowledge()
    office.now += 1000

    office.sent()

    assert office.desired() == live_addresses({8, 10})


def test_a_user_who_was_sent_to_nobody_gets_no_row_and_a_repeat_changes_nothing() -> None:
    office = an_office()
    for _ in range(2):
        erase(office, ACCOUNT, Mpid(77), office.now)

    assert (office.row(Mpid(77)), office.wake_ups.take()) == (None, [])
    assert office.desired() == live_addresses(MEMBERS)


def test_rows_of_real_time_audiences_are_left_to_the_profiles_own_stream() -> None:
    world = PostOffice()
    other = ConnectionId("c-real-time")
    world.outputs.save_connection(a_connection(connection_id=other))
    world.ledger.desire(ACCOUNT, other, ANN, email("ann"), 1, world.now)

    erase(world, ACCOUNT, ANN, world.now)

    assert world.desired(other) == {ANN: "ann@example.com"}


def test_other_environments_and_accounts_are_not_touched() -> None:
    office = an_office()

    erase(office, ACCOUNT, Mpid(9), office.now, Environment.DEVELOPMENT)
    erase(office, OTHER_ACCOUNT, Mpid(9), office.now)

    assert office.desired() == live_addresses(MEMBERS)
    assert office.archive.erased(ACCOUNT) == {}


def test_raw_files_and_what_is_staged_of_them_expire_within_a_month() -> None:
    template = read_template(Path("template.yaml"))
    rules = template["Resources"]["ArchiveBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = {each["Prefix"]: each["ExpirationInDays"] for each in rules if "Prefix" in each}

    assert {each["Status"] for each in rules} == {"Enabled"}

    assert days["raw/"] == {"Ref": "RawArchiveDays"}
    assert template["Parameters"]["RawArchiveDays"]["Default"] == 30
    assert days["staged/"] <= 30
    # Those whose erasure is pending are known until no raw file speaks of them, and no archived one.
    assert days["erasures/"] > 30 + 7
