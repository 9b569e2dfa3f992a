"""How a worker goes about one shard: what it does at the same time, and in what state it leaves the interpreter."""

import gc
import threading
from typing import Any

import pytest

from audience_core.domain.audience import Audience
from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.lifetime import DateRange
from audience_core.domain.profile import Profile, Seen
from audience_core.errors import DamagedShardError, NotFoundError
from tests.support.calculations import Office
from tests.support.control import PLAYED, an_audience
from tests.support.worlds import NOW

ACCOUNT = AccountId(7)
PLAYERS = AudienceId(1)
PATIENCE_S = 10


@pytest.fixture
def office() -> Office:
    office = Office(ACCOUNT, NOW)
    user = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(5))
    user.seen[WorkspaceId("w-000000000001")] = Seen(0, NOW)
    where = WorkspaceId("w-000000000001"), InputId("i-000000000001")
    event = Event(EventKind.CUSTOM, "Play Video", NOW - 1000, b"12345678", *where)
    user.timeline[EventKind.CUSTOM, "Play Video"] = [event]
    office.archive([user])
    office.draft(players())
    return office


def players() -> Audience:
    return an_audience(audience_id=PLAYERS, definition=PLAYED, date_range=DateRange())


def test_what_is_asked_is_worked_out_while_the_files_come(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    is_coming, is_read = threading.Event(), threading.Event()
    fetch, texts = office.shards.fetch, office.files.texts

    def fetch_slowly(*given: Any) -> memoryview:
        is_coming.set()
        assert is_read.wait(PATIENCE_S), "nothing else is done meanwhile"
        return fetch(*given)

    def read(name: str) -> list[str]:
        if name.endswith("/audiences.jsonl"):
            assert is_coming.wait(PATIENCE_S), "the files are not asked for first"
            is_read.set()
        return texts(name)

    monkeypatch.setattr(office.shards, "fetch", fetch_slowly)
    monkeypatch.setattr(office.files, "texts", read)

    office.calculate(PLAYERS)

    assert office.members(PLAYERS) == [5]


def test_a_file_that_is_not_there_is_told_and_cycles_are_looked_for_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> memoryview:
        raise DamagedShardError("it is not there")

    monkeypatch.setattr(office.shards, "fetch", fail)

    with pytest.raises(DamagedShardError, match="it is not there"):
        office.calculate(PLAYERS)

    assert gc.isenabled()


def test_so_is_a_run_that_says_nothing_of_what_it_was_asked(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = office.files.texts

    def read(name: str) -> list[str]:
        if name.endswith("/audiences.jsonl"):
            raise NotFoundError("it is not there")
        return texts(name)

    run = office.run(office.start([PLAYERS]).job_id)
    next(run)
    monkeypatch.setattr(office.files, "texts", read)

    with pytest.raises(NotFoundError, match="it is not there"):
        next(run)

    assert gc.isenabled()
