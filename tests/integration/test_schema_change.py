"""A change of the form of definitions, deployed while the release before still runs: all read what either writes.

Today's form plays the new one; the one before it called the root of a definition `tree`.
"""

import json
import zlib
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from audience_core.domain.definition import Definition, EventCriterion, EventKind, EventSelector
from audience_core.domain.ids import AudienceId
from audience_core.persistence import definition_forms
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.definition_forms import Forms
from tests.support.control import ACCOUNT, an_audience
from tests.support.control_stack import REGION, create_table

NAMES = ("Play Video", "Buy", "Share")


def up(document: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "root": document["tree"]}


def down(document: dict[str, Any]) -> dict[str, Any]:
    return {"version": 0, "tree": document["root"]}


class Old(Forms):
    """The release before: whatever it reads must be of its own form."""

    def unpack(self, data: bytes) -> Definition:
        if json.loads(zlib.decompress(data))["version"] > 0:
            raise ValueError("a form that this release does not know")
        return super().unpack(data)


OLD = Old(writes=0, upgrades={0: up}, downgrades={1: down})
READS_BOTH = Forms(writes=0, upgrades={0: up}, downgrades={1: down})
WRITES_NEW = Forms(writes=1, upgrades={0: up})


def a_definition(name: str) -> Definition:
    return Definition(root=EventCriterion(event=EventSelector(kind=EventKind.CUSTOM, name=name)))


@pytest.fixture
def store(aws: str) -> DynamoAudienceStore:
    return DynamoAudienceStore(create_table("audiences"), REGION)


def as_release(patch: pytest.MonkeyPatch, forms: Forms) -> None:
    patch.setattr(definition_forms, "FORMS", forms)


@pytest.mark.parametrize(("before", "after"), [(OLD, READS_BOTH), (READS_BOTH, WRITES_NEW)])
def test_two_releases_side_by_side_read_what_either_writes(
    store: DynamoAudienceStore, monkeypatch: pytest.MonkeyPatch, before: Forms, after: Forms
) -> None:
    as_release(monkeypatch, before)
    store.save(an_audience(definition=a_definition("Play Video")))

    for turn, (writer, reader) in enumerate(product((before, after), repeat=2)):
        wanted = a_definition(NAMES[turn % 3])
        as_release(monkeypatch, writer)
        mine = store.get(ACCOUNT, AudienceId(1))
        store.save(mine.model_copy(update={"definition": wanted}))
        as_release(monkeypatch, reader)

        assert store.get(ACCOUNT, AudienceId(1)).definition == wanted
        assert [each.definition for each in store.list(ACCOUNT)] == [wanted]


def test_what_was_never_written_again_is_read_for_ever(
    store: DynamoAudienceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_release(monkeypatch, OLD)
    published = store.publish(an_audience(definition=a_definition("Buy")))
    as_release(monkeypatch, WRITES_NEW)

    assert store.get(ACCOUNT, published.audience_id).definition == a_definition("Buy")


def test_no_release_may_be_left_out(store: DynamoAudienceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why there are two: functions of the old one would meet what the new one writes."""
    as_release(monkeypatch, WRITES_NEW)
    store.save(an_audience(definition=a_definition("Buy")))
    as_release(monkeypatch, OLD)

    with pytest.raises(ValueError, match="does not know"):
        store.get(ACCOUNT, AudienceId(1))


def test_a_form_that_is_newer_than_the_release_is_an_error_and_not_a_guess() -> None:
    newer = Forms(newest=2, writes=2).pack(a_definition("Buy").model_copy(update={"version": 2}))

    with pytest.raises(ValidationError):
        Forms().unpack(newer)
