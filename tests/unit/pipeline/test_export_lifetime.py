"""Exports of lifetime audiences and of variants: who is in which file, and whose identities."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from audience_core.domain.archive import ArchiveShard, Erasure, Manifest
from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.job import JobState
from audience_core.domain.profile import Profile, Seen
from audience_core.evaluation.columnar.kept import EMPTY, merged, write_kept
from audience_core.management import exports
from tests.support.ab_tests import an_ab_test
from tests.support.control import ACCOUNT, WORKSPACE, an_audience
from tests.support.exports import Fuse, Killed, Opened, Town, a_result
from tests.support.results import keep_members

LOYAL = AudienceId(5)
# In each of four shards, one has nobody.
FOUND = {0: (-8, 4, 12), 1: (-3, 5), 2: (), 3: (7,)}
EVERYBODY = {mpid for mpids in FOUND.values() for mpid in mpids}


def members(opened: Opened, file: int = 0) -> set[int]:
    return {int(row["mpid"]) for row in opened.rows(file)}


def archive(town: Town, *mpids: int, version: int = 1) -> None:
    """The archive knows these users, by an e-mail address each."""
    shards = []
    for number in range(4):
        users = [an_archived_user(mpid) for mpid in mpids if mpid & 3 == number]
        with TemporaryDirectory() as folder:
            write_kept(Path(folder), merged(EMPTY, users))
            files = town.shards.upload(ACCOUNT, f"{version}/{number}", Path(folder))
        shards.append(
            ArchiveShard(number=number, folder=f"{version}/{number}", users=len(users), events=0, files=files)
        )
    town.shards.commit(ACCOUNT, Manifest(version=version, count=4, shards=tuple(shards)))


def an_archived_user(mpid: int) -> Profile:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(mpid))
    profile.identities = {Identity("email", f"old-{mpid}@example.com"): 1}
    profile.seen[WORKSPACE] = Seen(1, 2)
    return profile


def a_town() -> Town:
    """With a lifetime audience whose members have profiles."""
    town = Town()
    keep_members(town.results, ACCOUNT, LOYAL, "lifetime-1", FOUND)
    for mpid in EVERYBODY:
        town.tell(mpid, ("email", f"{mpid}@example.com"))
    ready = {"kind": AudienceKind.LIFETIME, "status": AudienceStatus.READY, "result": a_result(size=len(EVERYBODY))}
    town.audiences.save(an_audience(audience_id=LOYAL, name="Loyal", **ready))
    town.now += 1000
    return town


def exported(town: Town, **given: object) -> Opened:
    export_id = town.ask(**{"audiences": [{"id": LOYAL}]} | given)
    town.run(export_id)
    return town.archive(export_id)


def test_a_ready_lifetime_audience_is_exported_whole_shard_by_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audience_core.pipeline.export_parts.PAGE", 2)
    monkeypatch.setattr("audience_core.pipeline.export._SMALL_AUDIENCE", 0)

    opened = exported(a_town())

    assert members(opened) == EVERYBODY
    assert len(opened.rows()) == len(EVERYBODY)
    (file,) = opened.manifest["files"]
    assert (file["total_users"], file["total_rows"]) == (len(EVERYBODY), len(EVERYBODY))


def test_members_without_a_profile_have_the_identities_that_the_archive_knows() -> None:
    town = a_town()
    archive(town, *EVERYBODY)
    for gone in (5, 7):
        town.forget(gone)

    rows = {int(row["mpid"]): row["identity_value"] for row in exported(town).rows()}

    assert rows == {each: f"{each}@example.com" for each in EVERYBODY} | {
        each: f"old-{each}@example.com" for each in (5, 7)
    }


def test_who_is_to_be_erased_is_in_no_file_though_the_archive_still_has_him() -> None:
    town = a_town()
    archive(town, *EVERYBODY)
    for gone in (5, 7):
        town.forget(gone)
    town.archived.put([Erasure(ACCOUNT, Environment.PRODUCTION, Mpid(5), town.now)], town.now)

    assert members(exported(town)) == EVERYBODY - {5}


def test_an_export_holds_what_was_found_when_it_was_asked_for() -> None:
    town = a_town()
    export_id = town.ask(audiences=[{"id": LOYAL}])
    keep_members(town.results, ACCOUNT, LOYAL, "lifetime-2", {0: [4]})
    audience = town.audiences.get(ACCOUNT, LOYAL)
    town.audiences.save(audience.model_copy(update={"result": a_result(calculation_id="lifetime-2", size=1)}))

    town.run(export_id)

    assert members(town.archive(export_id)) == EVERYBODY
    assert members(exported(town)) == {4}


def test_a_result_that_is_not_kept_any_more_fails_the_export() -> None:
    town = a_town()
    audience = town.audiences.get(ACCOUNT, LOYAL)
    town.audiences.save(audience.model_copy(update={"result": a_result(calculation_id="lifetime-9")}))
    export_id = town.ask(audiences=[{"id": LOYAL}])

    town.run(export_id)

    assert town.job(export_id).state is JobState.FAILED
    assert "not kept any more" in town.job(export_id).error


def test_a_worker_that_is_killed_anywhere_loses_and_doubles_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audience_core.pipeline.export_parts.PAGE", 2)
    monkeypatch.setattr("audience_core.pipeline.export_parts.PIECE_BYTES", 1)
    counting, town = Fuse(10_000, Killed()), a_town()
    town.run(town.ask(audiences=[{"id": LOYAL}]), counting.guard(town.exporter()))

    for at in range(1, counting.calls, 3):
        town = a_town()
        export_id = town.ask(audiences=[{"id": LOYAL}])
        town.run(export_id, Fuse(at, Killed(), is_after=bool(at % 2)).guard(town.exporter()))
        assert sorted(int(row["mpid"]) for row in town.archive(export_id).rows()) == sorted(EVERYBODY)


def test_progress_of_a_lifetime_export_grows_to_its_end() -> None:
    town = a_town()
    export_id, seen = town.ask(audiences=[{"id": LOYAL}]), list[float]()

    town.run(
        export_id, between=lambda: seen.append(exports.get(town.stores(), ACCOUNT, export_id, town.clock()).progress)
    )

    assert seen == sorted(seen)
    assert 0.5 < seen[-3] < 1.0
    assert exports.get(town.stores(), ACCOUNT, export_id, town.clock()).progress == 1.0


def test_variants_are_files_of_their_own_and_the_manifest_adds_them_up() -> None:
    town, test, tested = Town(), an_ab_test(30, 20), AudienceId(2)
    town.add_audience(tested, name="Tested", ab_test=test)
    everybody = range(1, 200)
    for mpid in everybody:
        town.join(mpid, ("email", f"{mpid}@example.com"), audience_id=tested)
    town.now += 1000
    names = ["variation b", "Control", "Variation A"]

    export_id = town.ask(audiences=[{"id": tested, "variants": names}, {"id": 1}])
    town.run(export_id)

    opened = town.archive(export_id)
    b, control, a, _ = opened.manifest["files"]
    assert [each["file_name"].rsplit("_", 1)[1] for each in (b, control, a)] == [
        "VariationB.csv",
        "Control.csv",
        "VariationA.csv",
    ]
    chosen = (test.variants[1], test.variants[2], test.variants[0])
    for place, variant in enumerate(chosen):
        assert members(opened, place) == {mpid for mpid in everybody if variant.has(Mpid(mpid))} != set()
        assert opened.manifest["files"][place]["total_users"] == len(members(opened, place))
    assert opened.manifest["audience_ids"] == [tested, 1]
    assert opened.manifest["total_rows"] == sum(each["total_rows"] for each in (b, control, a)) == len(everybody)
    assert opened.manifest["rows_by_identity"] == {"email": len(everybody)}


def test_a_split_that_is_deleted_meanwhile_is_exported_as_it_was() -> None:
    town, test, tested = Town(), an_ab_test(50), AudienceId(2)
    audience = town.add_audience(tested, ab_test=test)
    for mpid in range(1, 50):
        town.join(mpid, ("email", f"{mpid}@example.com"), audience_id=tested)
    town.now += 1000
    export_id = town.ask(audiences=[{"id": tested, "variants": ["Control"]}])
    town.audiences.save(audience.model_copy(update={"ab_test": None}))

    town.run(export_id)

    assert members(town.archive(export_id)) == {mpid for mpid in range(1, 50) if test.control.has(Mpid(mpid))}
