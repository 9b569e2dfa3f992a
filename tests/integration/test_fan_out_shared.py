"""The function that takes shared changes off their queue."""

import json
from typing import Any

import pytest

from audience_core import wiring_outputs
from audience_core.domain.event import Environment
from audience_core.domain.ids import ConnectionId, Mpid
from audience_core.domain.output import Target
from audience_core.domain.profile import Profile
from audience_core.pipeline.fan_out_shared import FanOutShared
from audience_core.pipeline.member_sets import MemberSets
from functions.fan_out_shared import handler
from tests.support.control import ACCOUNT, AUDIENCE
from tests.support.http_api import a_context, a_sample
from tests.support.shared_town import T, Town, email

# The profiles of the sample event.
ANN, BOB = Mpid(-4201), Mpid(66)


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Town:
    made = Town()
    stores = FanOutShared(made.outputs, made.profiles, made.ledger, made.wake_ups, MemberSets(made.audiences))
    monkeypatch.setattr(wiring_outputs, "fan_out_shared", lambda: stores)
    return made


def connected(town: Town) -> ConnectionId:
    connection_id = town.connect(town.received())
    for mpid in (ANN, BOB):
        profile = Profile(ACCOUNT, Environment.PRODUCTION, mpid)
        profile.identities, profile.memberships = {email(str(mpid)): 1}, {AUDIENCE}
        town.profiles.save(profile, T)
    return connection_id


def taken(event: dict[str, Any]) -> list[str]:
    answer = handler.lambda_handler(event, a_context())
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_the_sample_event_reaches_the_receivers_ledger(town: Town) -> None:
    connection_id = connected(town)
    sample = a_sample("fan_out_shared")

    assert taken(sample) == []
    assert taken(sample) == []

    assert town.desired(connection_id) == {mpid: Target((email(str(mpid)),)) for mpid in (ANN, BOB)}
    assert town.wake_ups.take()


def test_a_message_that_fails_comes_again_and_others_do_not(town: Town) -> None:
    connection_id = connected(town)
    (good,) = a_sample("fan_out_shared")["Records"]
    bad = {**good, "messageId": "bad", "body": json.dumps({"account_id": ACCOUNT, "changes": [["?"]]})}

    assert taken({"Records": [bad, good]}) == ["bad"]

    assert town.desired(connection_id).keys() == {ANN, BOB}
