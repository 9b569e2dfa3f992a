"""What two accounts can do about an audience, and what each of them is refused."""

from datetime import timedelta

import pytest

from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.ids import AudienceId
from audience_core.domain.sharing import ArrangementState, EndReason, Side, Step
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError
from audience_core.management import ab_tests, audiences, receiving, sharing, tags
from audience_core.management.ab_tests import NewAbTest, NewVariation
from audience_core.management.receiving import ReceivingEdit
from audience_core.management.sharing import MAX_OFFERS, NewOffers
from audience_core.management.sharing_terms import TERMS
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT
from tests.support.sharing import FRIEND, OWNER, STRANGER, UPLOAD, Neighbours

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def town() -> Neighbours:
    return Neighbours()


def test_an_accepted_audience_is_received_under_an_id_of_the_receivers_own(town: Neighbours) -> None:
    town.add_audience(account_id=OTHER_ACCOUNT)
    offered = town.offer()
    assert (offered.state, offered.external_name, offered.receiver_name) == (ArrangementState.PENDING, "Fans", "Travel")

    accepted = sharing.accept(town.stores, FRIEND, offered.arrangement_id, LATER)

    assert (accepted.state, accepted.answered_at) == (ArrangementState.ACCEPTED, LATER)
    found = town.both.get(OTHER_ACCOUNT, AudienceId(accepted.received_id or 0))
    assert (found.name, found.audience_id, found.home) == ("Fans", AudienceId(2), ACCOUNT)
    assert sharing.accept(town.stores, FRIEND, offered.arrangement_id, LATER) == accepted


def test_a_rejected_offer_stays_rejected_and_can_be_made_anew(town: Neighbours) -> None:
    offered = town.offer()

    rejected = sharing.reject(town.stores, FRIEND, offered.arrangement_id, NOW)

    assert rejected.state is ArrangementState.REJECTED
    assert sharing.reject(town.stores, FRIEND, offered.arrangement_id, LATER) == rejected
    with pytest.raises(ConflictError, match="it is rejected"):
        sharing.accept(town.stores, FRIEND, offered.arrangement_id, NOW)
    assert town.share().arrangement_id != offered.arrangement_id


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda town, each: sharing.unshare(town.stores, OWNER, each.arrangement_id, LATER), EndReason.UNSHARED),
        (lambda town, each: sharing.end_all_of(town.stores, OWNER, AUDIENCE, LATER), EndReason.DELETED),
        (lambda town, each: sharing.remove(town.stores, FRIEND, each.arrangement_id, LATER), EndReason.REMOVED),
        (lambda town, each: town.opt_out(FRIEND), EndReason.OPTED_OUT),
    ],
    ids=[*EndReason],
)
def test_each_way_ends_it_for_good(town: Neighbours, end, reason: EndReason) -> None:
    shared = town.share()

    end(town, shared)

    over = town.sharing.arrangement(ACCOUNT, Side.INITIATOR, shared.arrangement_id)
    assert (over.state, over.end) == (ArrangementState.ENDED, reason)
    with pytest.raises(NotFoundError):
        town.both.get(OTHER_ACCOUNT, AudienceId(shared.received_id or 0))
    for act in (sharing.accept, sharing.reject, sharing.remove):
        with pytest.raises(ConflictError):
            act(town.stores, FRIEND, shared.arrangement_id, LATER)
    with pytest.raises(ConflictError):
        sharing.unshare(town.stores, OWNER, shared.arrangement_id, LATER)
    steps = [(each.step, each.by_us, each.end) for each in town.sharing.log(OTHER_ACCOUNT, None, 50).items]
    assert (Step.ENDED, reason in (EndReason.REMOVED, EndReason.OPTED_OUT), reason) in steps
    town.opt_in(FRIEND)
    anew = town.share()
    assert (anew.state, anew.received_id != shared.received_id) == (ArrangementState.ACCEPTED, True)


def test_deleting_an_audience_ends_its_sharing_once_nothing_stands_in_the_way(town: Neighbours) -> None:
    shared, calls = town.share(), list[str]()

    def end_sharing() -> None:
        calls.append(town.sharing.arrangement(ACCOUNT, Side.INITIATOR, shared.arrangement_id).state)
        sharing.end_all_of(town.stores, OWNER, AUDIENCE, NOW)

    audiences.delete(town.audiences, town.outputs, town.workflows, ACCOUNT, AUDIENCE, None, end_sharing)

    assert calls == ["accepted", "ended"]
    with pytest.raises(NotFoundError):
        town.audiences.get(ACCOUNT, AUDIENCE)


def test_what_cannot_be_offered_is_named(town: Neighbours) -> None:
    draft = town.add_audience(AudienceStatus.DRAFT)
    lifetime = town.add_audience(AudienceStatus.READY, kind=AudienceKind.LIFETIME)
    town.opt_in(OWNER)
    wanted = NewOffers(
        audience_ids=(AUDIENCE, draft, 99, lifetime, AUDIENCE),
        receiver_ids=(town.receiver_id(), town.receiver_id(OWNER), "r-none", town.receiver_id()),
    )

    with pytest.raises(InvalidInputError) as audiences_refused:
        sharing.offer(town.stores, OWNER, wanted, NOW)
    with pytest.raises(InvalidInputError) as receivers_refused:
        sharing.offer(town.stores, OWNER, wanted.model_copy(update={"audience_ids": (AUDIENCE,)}), NOW)

    assert audiences_refused.value.problems == (
        ("/audience_ids/1", "is a draft: activate it first"),
        ("/audience_ids/2", "there is no such audience"),
        ("/audience_ids/3", "is a lifetime audience: only real-time ones can be shared"),
        ("/audience_ids/4", "is chosen twice"),
    )
    assert receivers_refused.value.problems == (
        ("/receiver_ids/1", "is this account itself"),
        ("/receiver_ids/2", "there is no such receiver"),
        ("/receiver_ids/3", "is chosen twice"),
    )


def test_who_is_off_looks_like_nobody(town: Neighbours) -> None:
    receiver_id = town.receiver_id()
    town.opt_out(FRIEND)

    with pytest.raises(InvalidInputError) as refused:
        town.offer(receiver_ids=(receiver_id,))

    assert refused.value.problems == (("/receiver_ids/0", "there is no such receiver"),)


def test_of_offers_of_which_one_is_made_already_none_is_made(town: Neighbours) -> None:
    second = town.add_audience()
    town.offer()

    with pytest.raises(ConflictError, match=r"VIP 2026 \(1\) with Travel"):
        sharing.offer(
            town.stores, OWNER, NewOffers(audience_ids=(second, AUDIENCE), receiver_ids=(town.receiver_id(),)), NOW
        )

    assert [each.audience_id for each in town.sharing.live(ACCOUNT, Side.INITIATOR)] == [AUDIENCE]


def test_offers_at_once_are_limited(town: Neighbours) -> None:
    audience_ids = tuple(town.add_audience() for _ in range(MAX_OFFERS // 2 + 1))
    town.opt_in(STRANGER)
    receivers = town.receiver_id(), town.receiver_id(STRANGER)

    with pytest.raises(InvalidInputError, match="too many"):
        sharing.offer(town.stores, OWNER, NewOffers(audience_ids=audience_ids, receiver_ids=receivers), NOW)


def test_nobody_but_its_parties_can_do_anything_with_it(town: Neighbours) -> None:
    arrangement_id = town.share().arrangement_id
    attempts = [
        *((act, party) for act in (sharing.accept, sharing.reject, sharing.remove) for party in (OWNER, STRANGER)),
        *((sharing.unshare, party) for party in (FRIEND, STRANGER)),
    ]

    for act, party in attempts:
        told = []
        for wanted in (arrangement_id, "a-none"):
            with pytest.raises(NotFoundError) as refused:
                act(town.stores, party, wanted, NOW)
            told.append(str(refused.value).replace(wanted, "ID"))
        assert told[0] == told[1], act


def test_the_log_tells_each_party_what_it_may_know(town: Neighbours) -> None:
    shared = town.share()
    sharing.unshare(town.stores, OWNER, shared.arrangement_id, LATER)

    mine, theirs = (town.sharing.log(each, None, 50).items for each in (ACCOUNT, OTHER_ACCOUNT))

    about = {(each.step, each.by_us, each.client_id, each.other_party) for each in mine}
    assert about == {
        (Step.ENDED, True, "client-7", "Travel"),
        (Step.ACCEPTED, False, "", "Travel"),
        (Step.OFFERED, True, "client-7", "Travel"),
    }
    assert (mine[0].step, mine[0].end, mine[0].audience) == (Step.ENDED, EndReason.UNSHARED, "Fans")
    about_them = {(each.step, each.by_us, each.client_id, each.other_party) for each in theirs}
    assert about_them == {
        (Step.LOGO_CHANGED, True, "client-8", ""),
        (Step.TERMS_ACCEPTED, True, "client-8", ""),
        (Step.OPTED_IN, True, "client-8", ""),
        (Step.OFFERED, False, "", "Acme"),
        (Step.ACCEPTED, True, "client-8", "Acme"),
        (Step.ENDED, False, "", "Acme"),
    }
    assert town.sharing.log(STRANGER.account_id, None, 50).items == ()


def test_receiving_asks_for_terms_and_a_logo_first(town: Neighbours) -> None:
    on = ReceivingEdit(is_on=True)
    with pytest.raises(ConflictError, match="terms"):
        receiving.edit(town.stores, STRANGER, None, on, NOW)
    with pytest.raises(InvalidInputError) as refused:
        receiving.edit(town.stores, STRANGER, None, ReceivingEdit(terms_version="1999"), NOW)
    assert refused.value.problems[0][0] == "/terms_version"
    accepted = receiving.edit(town.stores, STRANGER, 0, ReceivingEdit(terms_version=TERMS.version), NOW)
    assert (accepted.terms_accepted_by, accepted.terms_accepted_at, accepted.is_on) == ("client-9", NOW, False)
    with pytest.raises(ConflictError, match="logo"):
        receiving.edit(town.stores, STRANGER, None, on, NOW)

    town.opt_in(STRANGER)

    assert receiving.get(town.stores, STRANGER).is_on
    assert town.sharing.receivers("movies", None, 10).items[0].receiver_id == town.receiver_id(STRANGER)


def test_new_terms_are_accepted_before_the_next_audience(town: Neighbours) -> None:
    shared, offered = town.share(), town.offer(town.add_audience())
    before = receiving.get(town.stores, FRIEND)
    town.sharing.save_receiving(before.model_copy(update={"terms_version": "2019"}), [])

    with pytest.raises(ConflictError, match="terms"):
        sharing.accept(town.stores, FRIEND, offered.arrangement_id, NOW)

    assert town.sharing.is_accepted(OTHER_ACCOUNT, shared.arrangement_id)
    receiving.edit(town.stores, FRIEND, None, ReceivingEdit(terms_version=TERMS.version), NOW)
    assert sharing.accept(town.stores, FRIEND, offered.arrangement_id, NOW).state is ArrangementState.ACCEPTED


def test_an_upload_that_cannot_be_taken_is_removed(town: Neighbours) -> None:
    def refuse(content: bytes) -> bytes:
        raise InvalidInputError("the logo is no PNG file")

    town.logos.files[f"{STRANGER.account_id}/{UPLOAD}"] = b"no logo"
    with pytest.raises(InvalidInputError):
        receiving.use_logo(town.stores, town.logos, refuse, STRANGER, UPLOAD, NOW)
    town.logos.files[f"{FRIEND.account_id}/{UPLOAD}"] = b"another's"

    for upload_id in (UPLOAD, "u-../../8/x"):
        with pytest.raises(NotFoundError):
            receiving.use_logo(town.stores, town.logos, lambda content: content, STRANGER, upload_id, NOW)

    assert receiving.get(town.stores, STRANGER).logo == ""


def test_a_receivers_test_and_tags_are_its_own(town: Neighbours) -> None:
    shared = town.share()
    received = OTHER_ACCOUNT, AudienceId(shared.received_id or 0)
    split = NewAbTest(variations=(NewVariation(percentage=30),))

    ab_tests.create(town.both, *received, split, NOW)
    tags.put(town.both, *received, None, ("Summer",), NOW)

    found = town.both.get(*received)
    assert found.ab_test is not None
    assert (found.tags, [each.percentage for each in found.ab_test.variants]) == (("Summer",), [30, 70])
    original = town.audiences.get(ACCOUNT, AUDIENCE)
    assert (original.tags, original.ab_test, original.version) == ((), None, 1)


def test_the_initiators_test_does_not_show(town: Neighbours) -> None:
    shared = town.share()

    ab_tests.create(town.both, ACCOUNT, AUDIENCE, NewAbTest(variations=(NewVariation(percentage=30),)), NOW)

    assert town.both.get(OTHER_ACCOUNT, AudienceId(shared.received_id or 0)).ab_test is None


def test_a_received_audience_is_none_of_the_receivers_audiences(town: Neighbours) -> None:
    shared = town.share()

    assert town.audiences.list(OTHER_ACCOUNT) == ()
    with pytest.raises(NotFoundError):
        town.audiences.get(OTHER_ACCOUNT, AudienceId(shared.received_id or 0))
