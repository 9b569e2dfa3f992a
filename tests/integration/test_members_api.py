"""Members of a past instant and the history of an audience, through the real handler and tables."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from audience_core import wiring
from audience_core.domain.ids import Mpid
from audience_core.domain.membership import HistoryEntry, Membership, Reason
from functions.audiences_api import handler
from tests.support.control import ACCOUNT, AUDIENCE, OTHER_ACCOUNT, an_audience
from tests.support.control_stack import control_stack, emptied
from tests.support.http_api import Caller

PATH = f"/v1/audiences/{AUDIENCE}"
ANN, BO = Mpid(-(2**63)), Mpid(5)
JOINED = datetime.now(UTC).replace(microsecond=250_000) - timedelta(days=3)
LEFT = JOINED + timedelta(days=1)


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def call(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Ann and Bo joined together; Ann left a day later, because time passed."""
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    stores.audiences.save(an_audience())
    joined, left = (int(at.timestamp() * 1000) for at in (JOINED, LEFT))
    entries = [HistoryEntry(AUDIENCE, mpid, True, joined, Reason.EVENT, 1) for mpid in (ANN, BO)]
    entries.append(HistoryEntry(AUDIENCE, ANN, False, left, Reason.TIME, 2))
    stores.history.record(ACCOUNT, entries, 90)
    stores.history.log(ACCOUNT, [(str(number), each) for number, each in enumerate(entries)], 90)
    stores.memberships.rows[ACCOUNT, AUDIENCE] = [Membership(AUDIENCE, BO, joined)]
    return Caller(handler.lambda_handler, ACCOUNT)


def text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_members_of_an_instant_are_those_of_that_instant(call: Caller) -> None:
    before = call("GET", f"{PATH}/members", at=text(JOINED - timedelta(milliseconds=1)))
    during = call("GET", f"{PATH}/members", at=text(LEFT - timedelta(milliseconds=1)))
    after = call("GET", f"{PATH}/members", at=text(LEFT))

    assert [answer.status for answer in (before, during, after)] == [200, 200, 200]
    assert [[each["mpid"] for each in answer.body["items"]] for answer in (before, during, after)] == [
        [],
        [str(ANN), str(BO)],
        [str(BO)],
    ]
    assert {datetime.fromisoformat(each["since"]) for each in during.body["items"]} == {JOINED}


def test_members_of_an_instant_come_in_pages(call: Caller) -> None:
    first = call("GET", f"{PATH}/members", at=text(JOINED), limit=1)
    second = call("GET", f"{PATH}/members", at=text(JOINED), limit=1, next=first.body["next"])
    elsewhen = call("GET", f"{PATH}/members", at=text(LEFT), limit=1, next=first.body["next"])

    assert [[each["mpid"] for each in page.body["items"]] for page in (first, second)] == [[str(ANN)], [str(BO)]]
    assert (elsewhen.status, elsewhen.pointers) == (422, ["/query/next"])


def test_an_instant_that_cannot_be_known_names_the_parameter(call: Caller) -> None:
    for at in (text(datetime.now(UTC) + timedelta(minutes=5)), text(datetime.now(UTC) - timedelta(days=91)), "noon"):
        answer = call("GET", f"{PATH}/members", at=at)

        assert (answer.status, answer.pointers) == (422, ["/query/at"])


def test_history_tells_who_when_and_why_newest_first(call: Caller) -> None:
    answer = call("GET", f"{PATH}/history")

    assert answer.status == 200
    rows = [(each["mpid"], each["change"], each["reason"]) for each in answer.body["items"]]
    assert rows[0] == (str(ANN), "left", "time")
    assert set(rows[1:]) == {(str(ANN), "joined", "event"), (str(BO), "joined", "event")}
    assert datetime.fromisoformat(answer.body["items"][0]["at"]) == LEFT


def test_history_of_one_user_comes_in_pages(call: Caller) -> None:
    first = call("GET", f"{PATH}/history", mpid=ANN, limit=1)
    second = call("GET", f"{PATH}/history", mpid=ANN, limit=1, next=first.body["next"])

    assert [[each["change"] for each in page.body["items"]] for page in (first, second)] == [["left"], ["joined"]]
    assert second.body["next"] is None
    assert call("GET", f"{PATH}/history", mpid="Ann").pointers == ["/query/mpid"]


def test_other_accounts_learn_nothing(call: Caller) -> None:
    stranger = Caller(handler.lambda_handler, OTHER_ACCOUNT)

    assert stranger("GET", f"{PATH}/history").status == 404
    assert stranger("GET", f"{PATH}/members", at=text(JOINED)).status == 404
