"""What every audience store promises."""

from datetime import timedelta

import pytest

from audience_core.domain.audience import (
    AudienceKind,
    AudienceStatus,
    DefinitionVersion,
    FormerSet,
    ProgramMark,
    Staged,
)
from audience_core.domain.control_stores import Answer, AudienceStore, Change
from audience_core.domain.definition import Definition, UserAttributeCriterion
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.lifetime import DateRange, LifetimeResult
from audience_core.domain.value_tests import StringInTest
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.persistence.audiences import CounterItem, DynamoAudienceStore
from audience_core.persistence.memory.control import MemoryAudienceStore
from tests.contract.conftest import CreateTable
from tests.support.ab_tests import an_ab_test
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT, an_audience


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> AudienceStore:
    if request.param == "memory":
        return MemoryAudienceStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    return DynamoAudienceStore(create_table(f"audiences-{request.node.name}"), request.getfixturevalue("aws"))


def test_a_saved_audience_is_found_in_its_account_alone(store: AudienceStore) -> None:
    saved = store.save(an_audience(external_name="Video fans", activated_at=NOW))

    assert store.get(ACCOUNT, AUDIENCE) == saved
    assert saved == an_audience(external_name="Video fans", activated_at=NOW, version=1)
    with pytest.raises(NotFoundError):
        store.get(OTHER_ACCOUNT, AUDIENCE)


def test_a_large_definition_survives(store: AudienceStore) -> None:
    values = tuple(f"person-{number}@example.com" for number in range(1000))
    definition = Definition(root=UserAttributeCriterion(attribute="email", test=StringInTest(values=values)))

    store.save(an_audience(definition=definition))

    assert store.get(ACCOUNT, AUDIENCE).definition == definition


def test_audiences_are_listed_by_id(store: AudienceStore) -> None:
    tenth = store.save(an_audience(audience_id=AudienceId(10)))
    second = store.save(an_audience(audience_id=AudienceId(2)))
    store.save(an_audience(account_id=OTHER_ACCOUNT))
    store.next_id(ACCOUNT)
    store.publish(second)

    assert [a.audience_id for a in store.list(ACCOUNT)] == [2, tenth.audience_id]


def test_an_outline_is_all_but_the_definition(store: AudienceStore) -> None:
    given = an_audience(tags=("Spring", "VIP"), external_name="Fans", activated_at=NOW, ab_test=an_ab_test(30, 20))
    first = store.publish(given)
    second = store.save(an_audience(audience_id=AudienceId(2), kind=AudienceKind.LIFETIME))
    store.save(an_audience(account_id=OTHER_ACCOUNT))

    outlines = store.outlines(ACCOUNT)

    assert [dict(each) for each in outlines] == [
        {name: value for name, value in each if name != "definition"} for each in (first, second)
    ]


def test_tags_are_spelled_as_they_first_were_in_the_account(store: AudienceStore) -> None:
    assert store.spell(ACCOUNT, ["Spring", "STRASSE", "spring"]) == ("Spring", "STRASSE")

    assert store.spell(ACCOUNT, ["New", "stra\u00dfe", "SPRING"]) == ("New", "STRASSE", "Spring")
    assert store.spell(OTHER_ACCOUNT, ["spring"]) == ("spring",)
    assert store.spell(ACCOUNT, []) == ()


def test_no_more_are_activated_than_may_be(store: AudienceStore) -> None:
    active = {"status": AudienceStatus.ACTIVE}
    first = store.publish(an_audience(**active), 2)
    store.publish(an_audience(account_id=OTHER_ACCOUNT, **active), 2)
    second = store.publish(an_audience(audience_id=AudienceId(2), **active), 2)
    draft = store.save(an_audience(audience_id=AudienceId(3)))
    third = draft.model_copy(update=active)

    with pytest.raises(ConflictError, match="2 of 2 audiences are active"):
        store.publish(third, 2)
    assert store.get(ACCOUNT, third.audience_id) == draft
    assert store.program_version(ACCOUNT) == 2

    again = store.publish(first, 2)
    store.publish(second.model_copy(update={"status": AudienceStatus.DRAFT}), 2)
    assert store.publish(third, 2).program_version == 5
    store.delete(again)
    assert store.publish(an_audience(audience_id=AudienceId(4), **active), 2).version == 1
    with pytest.raises(ConflictError):
        store.publish(an_audience(audience_id=AudienceId(5), **active), 2)


def test_an_activation_overtaken_by_another_counts_anew(
    create_table: CreateTable, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both see room for one before either writes."""
    store = DynamoAudienceStore(create_table("audiences-overtaken"), aws)
    first, second = (an_audience(audience_id=AudienceId(number), status=AudienceStatus.ACTIVE) for number in (1, 2))
    read = store._program

    def overtaken(account_id: AccountId) -> CounterItem:
        program = read(account_id)
        monkeypatch.setattr(store, "_program", read)
        store.publish(second, 1)
        return program

    monkeypatch.setattr(store, "_program", overtaken)
    with pytest.raises(ConflictError, match="1 of 1 audiences are active"):
        store.publish(first, 1)

    assert [each.audience_id for each in store.list(ACCOUNT)] == [second.audience_id]


def test_a_list_is_longer_than_a_page(store: AudienceStore) -> None:
    wide = Definition(
        root=UserAttributeCriterion(attribute="x", test=StringInTest(values=tuple(map(str, range(1000)))))
    )
    for number in range(1, 6):
        store.save(an_audience(audience_id=AudienceId(number), definition=wide))

    assert len(store.list(ACCOUNT)) == 5


def test_ids_count_up_in_each_account(store: AudienceStore) -> None:
    assert [store.next_id(ACCOUNT), store.next_id(ACCOUNT), store.next_id(OTHER_ACCOUNT)] == [1, 2, 1]


def test_an_account_without_active_audiences_has_program_version_zero(store: AudienceStore) -> None:
    store.save(an_audience())

    assert store.program_version(ACCOUNT) == 0


def test_publishing_advances_the_program_of_the_account(store: AudienceStore) -> None:
    first = store.publish(an_audience(status=AudienceStatus.ACTIVE))
    second = store.publish(an_audience(audience_id=AudienceId(2)))

    assert (first.version, first.program_version) == (1, 1)
    assert second.program_version == store.program_version(ACCOUNT) == 2
    assert store.program_version(OTHER_ACCOUNT) == 0
    assert store.get(ACCOUNT, AUDIENCE) == first


def test_a_change_is_made_again_when_somebody_published_in_between(store: AudienceStore) -> None:
    made: list[int] = []

    def change(version: int) -> Change:
        if not made:
            store.publish(an_audience(audience_id=AudienceId(2), status=AudienceStatus.ACTIVE))
        made.append(version)
        return [an_audience(program_version=version)], ()

    (saved,) = store.advance(ACCOUNT, change)

    assert (made, saved.program_version, store.program_version(ACCOUNT)) == ([1, 2], 2, 2)


def test_what_forbids_a_deletion_is_looked_for_again(store: AudienceStore) -> None:
    audience = store.publish(an_audience(status=AudienceStatus.ACTIVE))
    looked: list[int] = []

    def check() -> None:
        if looked:
            raise ConflictError("somebody reads it by now")
        looked.append(store.publish(an_audience(audience_id=AudienceId(2))).program_version)

    with pytest.raises(ConflictError, match="reads it"):
        store.delete(audience, check)

    assert store.get(ACCOUNT, AUDIENCE) == audience


def test_a_stale_publication_changes_nothing(store: AudienceStore) -> None:
    stored = store.publish(an_audience())

    with pytest.raises(StaleVersionError):
        store.publish(an_audience(name="Late"))

    assert store.get(ACCOUNT, AUDIENCE) == stored
    assert store.program_version(ACCOUNT) == 1


def test_a_stale_save_changes_nothing(store: AudienceStore) -> None:
    first = store.save(an_audience())
    second = store.save(first.model_copy(update={"name": "Watchers"}))

    with pytest.raises(StaleVersionError):
        store.save(first)

    assert store.get(ACCOUNT, AUDIENCE) == second


def test_deleting_an_active_audience_advances_the_program(store: AudienceStore) -> None:
    active = store.publish(an_audience(status=AudienceStatus.ACTIVE))

    store.delete(active)

    assert store.list(ACCOUNT) == ()
    assert store.program_version(ACCOUNT) == 2


def test_deleting_a_draft_leaves_the_program(store: AudienceStore) -> None:
    store.delete(store.save(an_audience()))

    assert store.list(ACCOUNT) == ()
    assert store.program_version(ACCOUNT) == 0


def test_a_stale_audience_is_not_deleted(store: AudienceStore) -> None:
    first = store.publish(an_audience(status=AudienceStatus.ACTIVE))
    store.publish(first)

    with pytest.raises(StaleVersionError):
        store.delete(first)

    assert store.program_version(ACCOUNT) == 2


def test_a_request_under_way_is_told_to_its_repeat(store: AudienceStore) -> None:
    first = store.claim_answer(ACCOUNT, "key", "print", NOW)
    second = store.claim_answer(ACCOUNT, "key", "other", NOW)

    assert first is None
    assert second == Answer("print")


def test_a_saved_answer_is_kept_for_a_day(store: AudienceStore) -> None:
    store.claim_answer(ACCOUNT, "key", "print", NOW)

    store.save_answer(ACCOUNT, "key", Answer("print", '{"id": 1}'), NOW)

    assert store.claim_answer(ACCOUNT, "key", "print", NOW + timedelta(hours=23)) == Answer("print", '{"id": 1}')
    assert store.claim_answer(OTHER_ACCOUNT, "key", "print", NOW) is None
    assert store.claim_answer(ACCOUNT, "key", "print", NOW + timedelta(hours=24)) is None


def test_a_released_or_forgotten_claim_is_free_again(store: AudienceStore) -> None:
    store.claim_answer(ACCOUNT, "released", "print", NOW)
    store.claim_answer(ACCOUNT, "forgotten", "print", NOW)

    store.release_answer(ACCOUNT, "released")

    assert store.claim_answer(ACCOUNT, "released", "print", NOW) is None
    assert store.claim_answer(ACCOUNT, "forgotten", "print", NOW + timedelta(seconds=60)) is None


def a_version(number: int) -> DefinitionVersion:
    one = an_audience()
    return DefinitionVersion(
        account_id=ACCOUNT,
        audience_id=AUDIENCE,
        number=number,
        workspaces=one.workspaces,
        inputs=one.inputs,
        definition=one.definition,
        created_at=NOW,
    )


def test_what_was_staged_takes_over_without_asking_for_a_backfill(store: AudienceStore) -> None:
    first = store.publish(an_audience(status=AudienceStatus.ACTIVE))
    assert store.program(ACCOUNT) == ProgramMark(version=1, published=1)
    staged = first.model_copy(update={"staged": Staged(number=2, member_set=AudienceId(9), program_version=2)})
    (saved,) = store.advance(ACCOUNT, lambda version: ([staged], [a_version(1), a_version(2)]))
    mark = store.program(ACCOUNT)

    former = FormerSet(member_set=AUDIENCE, live_from=0, live_until=3)
    changes = {"staged": None, "member_set": AudienceId(9), "live_from": 3, "former_sets": (former,)}
    (live,) = store.take_over(mark, [saved.model_copy(update=changes)])

    assert mark == ProgramMark(version=2, published=2)
    assert store.program(ACCOUNT) == ProgramMark(version=3, published=2)
    assert store.get(ACCOUNT, AUDIENCE) == live
    assert (live.live_set, live.former_sets) == (9, (former,))


def test_nothing_takes_over_when_the_program_has_moved_on(store: AudienceStore) -> None:
    saved = store.publish(an_audience(status=AudienceStatus.ACTIVE))
    mark = store.program(ACCOUNT)
    store.publish(an_audience(audience_id=AudienceId(2), status=AudienceStatus.ACTIVE))

    with pytest.raises(StaleVersionError):
        store.take_over(mark, [saved])


def test_several_audiences_advance_together_or_not_at_all(store: AudienceStore) -> None:
    one = store.publish(an_audience(status=AudienceStatus.ACTIVE))
    other = store.publish(an_audience(audience_id=AudienceId(2), status=AudienceStatus.ACTIVE))
    store.save(other)

    with pytest.raises(StaleVersionError):
        store.advance(ACCOUNT, lambda version: ([one, other], [a_version(2)]))

    assert store.get(ACCOUNT, AUDIENCE) == one
    assert store.list_versions(ACCOUNT, AUDIENCE) == ()
    assert store.program_version(ACCOUNT) == 2


def test_versions_are_listed_by_number_and_go_with_their_audience(store: AudienceStore) -> None:
    audience = store.publish(an_audience(status=AudienceStatus.ACTIVE))
    (audience,) = store.advance(ACCOUNT, lambda version: ([audience], [a_version(10), a_version(2)]))

    assert store.get_version(ACCOUNT, AUDIENCE, 10) == a_version(10)
    assert [each.number for each in store.list_versions(ACCOUNT, AUDIENCE)] == [2, 10]
    with pytest.raises(NotFoundError):
        store.get_version(ACCOUNT, AUDIENCE, 3)

    store.delete(audience)

    assert store.list_versions(ACCOUNT, AUDIENCE) == ()
    assert store.program(ACCOUNT) == ProgramMark(version=3, published=3)


def test_several_audiences_are_saved_together_or_not_at_all(store: AudienceStore) -> None:
    first = store.save(an_audience(kind=AudienceKind.LIFETIME, date_range=DateRange(start=NOW.date())))
    second = store.save(an_audience(audience_id=AudienceId(2), kind=AudienceKind.LIFETIME))
    result = LifetimeResult(
        calculation_id="lifetime-1",
        size=5,
        calculated_at=NOW,
        expires_at=NOW + timedelta(days=30),
        archive_version=2,
        shard_count=4,
    )
    ready = first.model_copy(update={"status": AudienceStatus.READY, "result": result})

    with pytest.raises(StaleVersionError):
        store.save_all([ready, second.model_copy(update={"version": 7})])
    assert store.get(ACCOUNT, AUDIENCE) == first
    saved = store.save_all([ready, second])

    assert [store.get(ACCOUNT, each.audience_id) for each in saved] == list(saved)
    assert (saved[0].result, saved[0].version, saved[1].version) == (result, 2, 2)
    assert store.program(ACCOUNT).version == 0


def test_an_erasure_is_noted_beside_the_program_and_disturbs_nobody(store: AudienceStore) -> None:
    store.note_erasure(ACCOUNT, 20)
    store.note_erasure(ACCOUNT, 10)

    store.publish(an_audience(status=AudienceStatus.ACTIVE), active_cap=1)

    assert store.program(ACCOUNT) == ProgramMark(version=1, published=1, erased_at=20)
