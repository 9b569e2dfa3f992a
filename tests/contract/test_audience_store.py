"""What every audience store promises."""

from datetime import timedelta

import pytest

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.definition import Definition, UserAttributeCriterion
from audience_core.domain.ids import AudienceId
from audience_core.domain.stores import Answer, AudienceStore
from audience_core.domain.value_tests import StringInTest
from audience_core.errors import NotFoundError, StaleVersionError
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.memory.control import MemoryAudienceStore
from tests.contract.conftest import CreateTable
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
