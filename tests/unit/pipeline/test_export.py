"""Exports: what is in the archive, whatever happens meanwhile; and what is left when it does not come about."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.ids import NEVER, AudienceId, Mpid
from audience_core.domain.job import JobState
from audience_core.domain.membership import Membership
from audience_core.errors import InvalidInputError
from audience_core.management import exports
from audience_core.pipeline import export, export_parts
from audience_core.pipeline.export_parts import Order, work
from tests.support.control import ACCOUNT, AUDIENCE
from tests.support.export_town import HOSTILE, MPIDS, a_town, members
from tests.support.exports import Town
from tests.support.long_run import examples


def test_an_archive_has_a_row_for_each_identity_and_a_manifest_that_agrees() -> None:
    town = a_town(*MPIDS)
    town.join(5, ("google", "not chosen"))
    export_id = town.ask(identity_types=["email", "other"], email="ann@example.com")

    town.run(export_id)

    opened = town.archive(export_id)
    rows = opened.rows()
    assert {(row["mpid"], row["identity_type"]) for row in rows} == {
        (str(mpid), kind) for mpid in MPIDS for kind in ("email", "other")
    }
    assert {row["identity_value"] for row in rows if row["identity_type"] == "other"} == set(HOSTILE)
    assert {row["scanned_timestamp_ms"] for row in rows} == {str(town.export(export_id).at)}
    (file,) = opened.manifest["files"]
    assert file["rows_by_identity"] == opened.manifest["rows_by_identity"] == {"email": 8, "other": 8}
    assert (file["total_rows"], file["total_users"], opened.manifest["total_rows"]) == (16, 8, 16)
    assert (opened.manifest["id"], opened.manifest["included_identities"]) == (export_id, ["email", "other"])
    assert (town.job(export_id).state, town.is_clean(export_id)) == (JobState.SUCCEEDED, True)


def test_every_audience_has_a_file_of_its_own() -> None:
    town, other = a_town(*MPIDS), AudienceId(2)
    town.add_audience(other, name="Payers")
    town.join(5, ("email", "5@example.com"), audience_id=other)
    export_id = town.ask(audiences=[{"id": 2}, {"id": 1}])

    town.run(export_id)

    opened = town.archive(export_id)
    assert opened.manifest["audience_ids"] == [2, 1]
    assert [each["file_name"].split("_")[:2] for each in opened.manifest["files"]] == [
        ["2", "Payers"],
        ["1", "Players"],
    ]
    assert (members(opened, 0), members(opened, 1)) == ({5}, set(MPIDS))
    assert opened.manifest["rows_by_identity"] == {"email": 9}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_empty_audience_gives_a_file_without_rows(form: str) -> None:
    town = Town()
    export_id = town.ask(format=form)

    town.run(export_id)

    opened = town.archive(export_id)
    (file,) = opened.manifest["files"]
    assert (file["total_rows"], file["total_users"], file["rows_by_identity"]) == (0, 0, {})
    assert (opened.manifest["total_rows"], opened.manifest["min_timestamp_ms"]) == (0, town.export(export_id).at)
    if form == "csv":
        assert opened.zip.read(file["file_name"]) == b"mpid,scanned_timestamp_ms,identity_value,identity_type\r\n"


def test_options_reach_the_files() -> None:
    town = a_town(64, 640)
    export_id = town.ask(identity_types=["other"], legacy_header_spaces=True, spreadsheet_safe=True)

    town.run(export_id)

    opened = town.archive(export_id)
    text = opened.zip.read(opened.manifest["files"][0]["file_name"]).decode()
    assert text.startswith("mpid, scanned_timestamp_ms, identity_value, identity_type\r\n")
    assert ", '=1+1, other\r\n" in text


def test_two_runs_over_one_instant_give_the_same_rows() -> None:
    town = a_town(*MPIDS)
    first, second = town.ask(), town.ask()
    town.run(first)
    town.now += 5000

    town.run(second)

    assert town.archive(first).rows() == town.archive(second).rows()


# The instant ----------------------------------------------------------------------------------------------------


def test_members_are_those_of_the_instant_while_people_come_and_go() -> None:
    town = a_town(*MPIDS)
    export_id = town.ask()
    moves = iter([lambda: town.leave(64), lambda: town.join(2, ("email", "2@example.com")), lambda: town.leave(63)])

    def between() -> None:
        town.now += 1000
        next(moves, lambda: None)()

    town.run(export_id, between=between)

    assert members(town.archive(export_id)) == set(MPIDS)


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(MPIDS)), max_size=25))
@settings(deadline=None, max_examples=examples(40))
def test_no_change_after_the_instant_is_seen_whenever_it_comes(changes: list[tuple[int, int]]) -> None:
    town = a_town(*MPIDS[:4])
    export_id = town.ask()
    inside = set(MPIDS[:4])
    waiting, invocations = sorted(changes), 0

    def between() -> None:
        nonlocal invocations
        town.now += 100
        while waiting and waiting[0][0] <= invocations:
            _, mpid = waiting.pop(0)
            if mpid in inside:
                town.leave(mpid)
            else:
                town.join(mpid, ("email", f"{mpid}@example.com"))
            inside.symmetric_difference_update({mpid})
        invocations += 1

    town.run(export_id, between=between)

    assert members(town.archive(export_id)) == set(MPIDS[:4])


def test_it_waits_until_changes_before_the_instant_are_known() -> None:
    town = a_town(64)
    export_id = town.ask()

    plan = export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(seconds=90), town.clock())

    assert plan["settled_at"] == "2026-11-24T12:01:32Z"


def test_identities_are_those_at_the_time_of_reading() -> None:
    town = a_town(64, 640)
    export_id = town.ask()
    town.forget(640)
    town.tell(64, ("email", "later@example.com"))

    town.run(export_id)

    opened = town.archive(export_id)
    assert [row["identity_value"] for row in opened.rows()] == ["64@example.com", "later@example.com"]
    assert opened.manifest["files"][0]["total_users"] == 1


def test_a_definition_that_takes_over_is_waited_for() -> None:
    town = a_town(64, 640)
    export_id = town.ask()
    plan = export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())
    order = Order(ACCOUNT, export_id, plan["token"], 0, 0, 15)
    fresh = AudienceId(99)
    audience = town.audiences.get(ACCOUNT, AUDIENCE)
    town.memberships.apply(ACCOUNT, [Membership(fresh, Mpid(each), town.now) for each in (64, 128)], [])
    town.audiences.save(audience.model_copy(update={"member_set": fresh, "program_version": 1}))

    part = work(town.exporter(), order, lambda: town.now, NEVER)
    assert (part.is_done, part.looked_at) == (False, 0)

    # The backfill has told: 640 left by the edit, 128 joined.
    town.now += 1000
    town.tell(128, ("email", "128@example.com"))
    for mpid, is_member in ((640, False), (128, True)):
        town._record(mpid, AUDIENCE, is_member=is_member)
    town.jobs.set_backfilled(ACCOUNT, 1)
    town.run(export_id)
    assert members(town.archive(export_id)) == {64, 640}


def test_a_list_that_is_replaced_while_it_is_read_does_not_count() -> None:
    town = a_town(64)
    export_id = town.ask()
    export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())
    stores = town.exporter()
    real = stores.memberships.bucket_members

    def replaced(*arguments: object) -> object:
        audience = town.audiences.get(ACCOUNT, AUDIENCE)
        town.audiences.save(audience.model_copy(update={"member_set": AudienceId(99)}))
        town.memberships.apply(ACCOUNT, [], [(AUDIENCE, Mpid(64))])
        return real(*arguments)  # type: ignore[arg-type]  # whatever it takes

    stores.memberships.bucket_members = replaced  # type: ignore[assignment,method-assign]  # for this one reading
    part = work(stores, Order(ACCOUNT, export_id, 1, 0, 0, 15), lambda: town.now, NEVER)

    assert (part.looked_at, part.is_done) == (0, False)


# Interruptions --------------------------------------------------------------------------------------------------


def test_large_parts_are_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_parts, "PIECE_BYTES", 100)
    monkeypatch.setattr(export_parts, "PAGE", 1)
    town = a_town(*MPIDS, *range(64 * 20, 64 * 30, 64))
    export_id = town.ask(format="parquet")
    export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())

    part = work(town.exporter(), Order(ACCOUNT, export_id, 1, 0, 0, 15), lambda: town.now, NEVER)

    assert part.pieces is not None
    assert len(part.pieces.keys) > 3
    assert part.pieces.bytes == sum(map(len, town.files.files.values()))
    town.run(export_id)
    assert town.export(export_id).archive.rows_by_identity == {"email": 18}  # type: ignore[union-attr]


# The mail -------------------------------------------------------------------------------------------------------


def test_whoever_wants_the_link_gets_it_and_it_opens_the_archive() -> None:
    town = a_town(64)
    export_id = town.ask(email="ann@example.com")

    town.run(export_id)

    ((to, subject, text),) = town.mail.sent
    assert (to, subject) == ("ann@example.com", "Your export is ready: Players (1)")
    (link,) = [line for line in text.splitlines() if line.startswith("https://api.example.com/v1/downloads/")]
    address = exports.open_link(town.stores(), link.rpartition("/")[2], town.clock())
    assert town.export(export_id).archive.name in address  # type: ignore[union-attr]


def test_an_export_that_nobody_is_mailed_is_complete_all_the_same() -> None:
    town = a_town(64)
    export_id = town.ask()

    town.run(export_id)

    assert (town.mail.sent, town.job(export_id).state) == ([], JobState.SUCCEEDED)


def test_mail_that_is_refused_is_noted_beside_the_archive() -> None:
    town = a_town(64)
    export_id = town.ask(email="ann@example.com")

    def refuse(recipient: str, subject: str, text: str) -> None:
        raise InvalidInputError("the mail is refused: is the sender's address verified?")

    town.mail.send = refuse  # type: ignore[method-assign]  # as SES would
    town.run(export_id)

    assert town.job(export_id).state is JobState.SUCCEEDED
    assert town.export(export_id).email_error == "the mail is refused: is the sender's address verified?"
    assert town.archive(export_id).rows()
