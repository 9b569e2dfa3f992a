"""Members who leave: archived at Mailchimp one by one or in batches, or without their tag."""

import json
from collections.abc import Iterator

import pytest

from audience_core.domain.ids import Mpid
from audience_core.domain.output import Forward
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Subscription
from tests.support.fake_servers import Answer
from tests.support.mailchimp import LIST, Audience, FakeMailchimp, member_hash, packed
from tests.support.mailchimp_calls import ANN, BOB, FANS, NOW, added, connector, forward, known, many, removed, target


@pytest.fixture
def partner() -> Iterator[FakeMailchimp]:
    with FakeMailchimp().serving() as partner:
        yield partner


@pytest.fixture
def audience(partner: FakeMailchimp) -> Audience:
    return partner.audience


def test_whoever_leaves_is_archived(partner: FakeMailchimp, audience: Audience) -> None:
    known(audience, "ann@example.com")
    known(audience, "bob@example.com")

    forward(partner, removed("Ann@Example.com"))

    assert audience.in_status("archived") == {"ann@example.com"}
    assert partner.calls == [f"DELETE /3.0/lists/{LIST}/members/{member_hash('ann@example.com')}"]


@pytest.mark.parametrize("status", ["archived", "pending", "cleaned"])
def test_what_cannot_be_archived_is_no_failure(partner: FakeMailchimp, audience: Audience, status: str) -> None:
    known(audience, "ann@example.com", status)

    forward(partner, removed("ann@example.com"), removed("stranger@example.com", BOB))

    assert audience.contact("ann@example.com").status == status


def test_without_deletion_only_the_tag_of_the_audience_goes(partner: FakeMailchimp, audience: Audience) -> None:
    ann, bob = known(audience, "ann@example.com"), known(audience, "bob@example.com")
    ann.tags.add("Fans of tea")
    audience.tag("Fans of tea")

    forward(partner, removed("ann@example.com"), removed("stranger@example.com", BOB), delete_on_subscription_end=False)

    assert (ann.status, ann.tags, bob.tags) == ("subscribed", {"Fans of tea"}, {"Fans"})


def test_a_tag_that_nobody_ever_had_needs_no_removal(partner: FakeMailchimp) -> None:
    forward(partner, removed("ann@example.com"), delete_on_subscription_end=False)

    assert partner.calls == [f"GET /3.0/lists/{LIST}/tag-search"]


def test_an_address_that_another_member_has_stays(partner: FakeMailchimp, audience: Audience) -> None:
    known(audience, "ann@example.com")

    forward(partner, removed("ann@example.com"), Forward(BOB, target("bob@example.com"), target("ANN@example.com")))

    assert audience.contact("ann@example.com").status == "subscribed"


def test_a_changed_address_takes_the_place_of_the_old_one(partner: FakeMailchimp, audience: Audience) -> None:
    known(audience, "old@example.com")

    forward(partner, Forward(ANN, target("old@example.com"), target("new@example.com")))

    assert (audience.in_status("archived"), audience.in_status("pending")) == ({"old@example.com"}, {"new@example.com"})


def test_a_change_of_case_removes_nobody(partner: FakeMailchimp, audience: Audience) -> None:
    known(audience, "ann@example.com")

    forward(partner, Forward(ANN, target("ann@example.com"), target("Ann@Example.com")))

    assert audience.in_status("subscribed") == {"ann@example.com"}


def test_more_than_a_request_holds_are_sent_in_chunks(partner: FakeMailchimp, audience: Audience) -> None:
    changes = [Forward(Mpid(n), target(f"old-{n}@example.com"), target(f"new-{n}@example.com")) for n in range(501)]
    for n in range(501):
        known(audience, f"old-{n}@example.com")

    forward(partner, *changes, delete_on_subscription_end=False)

    assert len(audience.in_status("pending")) == 501
    assert not [each for each in audience.contacts.values() if each.email.startswith("old") and each.tags]
    assert len(partner.calls) == 2 + 2 * 2


def test_hundreds_who_leave_are_archived_as_one_batch(partner: FakeMailchimp, audience: Audience) -> None:
    pauses: list[float] = []
    for email in many(300):
        known(audience, email)
    known(audience, "user-7@example.com", "archived")

    connector(partner, pauses).forward(FANS, [removed(email, Mpid(n)) for n, email in enumerate(many(301))], NOW)

    assert len(audience.in_status("archived")) == 300
    assert partner.calls == [
        "POST /3.0/batches",
        "GET /3.0/batches/b0",
        "GET /3.0/batches/b0",
        "GET /results/b0.tar.gz",
    ]
    assert pauses == [2.0, 2.0]


def test_a_batch_that_waits_too_long_is_called_off(partner: FakeMailchimp, audience: Audience) -> None:
    partner.polls = 100
    for email in many(300):
        known(audience, email)

    with pytest.raises(RetryableDeliveryError, match="busy") as error:
        forward(partner, *(removed(email, Mpid(n)) for n, email in enumerate(many(300))))

    assert (error.value.retry_after_s, partner.batches) == (60, {})
    assert partner.calls[-1] == "DELETE /3.0/batches/b0"


@pytest.mark.parametrize(
    ("results", "raised"),
    [
        ('[{"status_code": 429, "response": ""}]', RetryableDeliveryError),
        ('[{"status_code": 401, "response": "{}"}]', TerminalDeliveryError),
        ('[{"status_code": 200}, {"status_code": 405, "response": "{}"}]', None),
        ('{"not": "a list"}', RetryableDeliveryError),
    ],
)
def test_failures_in_a_batch_are_understood(
    partner: FakeMailchimp, monkeypatch: pytest.MonkeyPatch, results: str, raised: type[Exception] | None
) -> None:
    monkeypatch.setattr(partner, "_results", lambda heard: Answer(200, packed(json.loads(results))))
    changes = [removed(email, Mpid(n)) for n, email in enumerate(many(11))]

    if raised is None:
        forward(partner, *changes)
    else:
        with pytest.raises(raised):
            forward(partner, *changes)


def test_a_renamed_audience_keeps_its_tag(partner: FakeMailchimp, audience: Audience) -> None:
    renamed = Subscription(FANS.account_id, FANS.audience_id, "Friends", {"list_id": LIST}, "2.1")
    told = connector(partner, delete_on_subscription_end=False)
    told.forward(FANS, [added("ann@example.com")], NOW)

    echoed = told.update(renamed, FANS.settings, NOW)
    in_force = Subscription(FANS.account_id, FANS.audience_id, "Friends", {"list_id": LIST, **echoed}, "2.1")
    told.forward(in_force, [removed("ann@example.com")], NOW)

    assert audience.contact("ann@example.com").tags == set()


def test_the_end_of_a_connection_asks_for_nothing_but_an_answer(partner: FakeMailchimp) -> None:
    connector(partner).unsubscribe(FANS, NOW)

    assert partner.calls == ["GET /3.0/ping"]
