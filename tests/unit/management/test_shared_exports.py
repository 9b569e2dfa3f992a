"""Exports of received audiences: where the arrangement allows them, of the initiator's members, as long as it holds."""

from datetime import timedelta

import pytest

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.ids import AudienceId
from audience_core.domain.job import JobState
from audience_core.domain.sharing import Side, Step
from audience_core.errors import ConflictError, GoneError, InvalidInputError
from audience_core.management import exports, receiving, sharing
from audience_core.management.receiving import ReceivingEdit
from audience_core.management.sharing import NewOffers, SharingStores
from audience_core.management.sharing_terms import TERMS
from audience_core.persistence.memory.sharing import MemoryLogoFiles
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT, an_account, an_audience
from tests.support.exports import Town
from tests.support.sharing import FRIEND, OWNER, UPLOAD


class Sharing(Town):
    """`ACCOUNT`, whose members the town knows, shares its audience with `OTHER_ACCOUNT`, which exports it."""

    exporting = OTHER_ACCOUNT

    def __init__(self, *, may_export: bool) -> None:
        super().__init__()
        self.accounts.create(an_account(account_id=OTHER_ACCOUNT, name="Travel"))
        self.control = SharingStores(self.accounts, self.audiences, self.sharing)
        logos = MemoryLogoFiles()
        logos.files[f"{OTHER_ACCOUNT}/{UPLOAD}"] = b"a logo"
        receiving.use_logo(self.control, logos, lambda content: content, FRIEND, UPLOAD, NOW)
        on = ReceivingEdit(terms_version=TERMS.version, is_on=True)
        receiver = receiving.edit(self.control, FRIEND, None, on, NOW).receiver_id
        new = NewOffers(audience_ids=(AUDIENCE,), receiver_ids=(receiver,), may_export=may_export)
        (made,) = sharing.offer(self.control, OWNER, new, NOW)
        self.received = sharing.accept(self.control, FRIEND, made.arrangement_id, NOW).received_id or AudienceId(0)
        # It has an audience of its own besides.
        own = self.audiences.next_id(OTHER_ACCOUNT)
        given = {"account_id": OTHER_ACCOUNT, "audience_id": own, "status": AudienceStatus.ACTIVE}
        self.own = self.audiences.save(an_audience(**given)).audience_id

    def end(self) -> None:
        (made,) = self.sharing.live(ACCOUNT, Side.INITIATOR)
        sharing.unshare(self.control, OWNER, made.arrangement_id, NOW)

    def asked(self, *audience_ids: int) -> str:
        return self.ask(audiences=[{"id": each} for each in audience_ids])


def test_what_may_not_be_exported_is_not() -> None:
    town = Sharing(may_export=False)

    with pytest.raises(InvalidInputError) as refused:
        town.asked(town.own, town.received)

    assert refused.value.problems == (("/audiences/1/id", "is shared without the right to export it"),)
    with pytest.raises(InvalidInputError) as unknown:
        town.asked(town.received + 100)
    assert unknown.value.problems == (("/audiences/0/id", "there is no such audience"),)


def test_the_initiators_members_are_exported_under_the_receivers_id() -> None:
    town = Sharing(may_export=True)
    town.join(5, ("email", "ann@example.com"), ("customer_id", "a"))
    town.join(6, ("email", "bob@example.com"))

    export_id = town.asked(town.received)
    town.run(export_id)

    (file,) = town.export(export_id).files
    assert (file.audience_id, file.audience_name) == (town.received, "Players")
    rows = town.archive(export_id).rows()
    assert {each["identity_value"] for each in rows} == {"ann@example.com", "bob@example.com"}
    assert exports.download(town.stores(), OTHER_ACCOUNT, export_id, town.clock())
    assert exports.list_all(town.stores(), ACCOUNT, None, 0, 10, town.clock()) == ((), None)
    mine, theirs = (town.sharing.log(each, None, 9).items for each in (ACCOUNT, OTHER_ACCOUNT))
    assert [(each.by_us, each.client_id, each.other_party) for each in mine if each.step is Step.EXPORTED] == [
        (False, "", "Travel")
    ]
    assert [(each.by_us, each.client_id) for each in theirs if each.step is Step.EXPORTED] == [(True, "client-1")]


def test_an_export_under_way_stops_when_the_sharing_is_over() -> None:
    town = Sharing(may_export=True)
    town.join(5, ("email", "ann@example.com"))
    export_id = town.asked(town.received)
    calls = iter(range(100))

    def between() -> None:
        if next(calls) == 3:
            town.end()

    town.run(export_id, between=between)

    found = town.job(export_id)
    assert (found.state, "not shared with this account any more" in found.error) == (JobState.FAILED, True)
    assert town.is_clean(export_id)


def test_an_archive_is_out_of_reach_when_the_sharing_is_over() -> None:
    town = Sharing(may_export=True)
    town.join(5, ("email", "ann@example.com"))
    export_id = town.asked(town.received)
    town.run(export_id)

    town.end()

    with pytest.raises(GoneError):
        exports.download(town.stores(), OTHER_ACCOUNT, export_id, town.clock())


def test_members_that_are_not_known_yet_are_waited_for_without_a_word_of_the_initiators_jobs() -> None:
    town = Sharing(may_export=True)
    audience = town.audiences.get(ACCOUNT, AUDIENCE)
    town.audiences.save(audience.model_copy(update={"program_version": 9}))

    with pytest.raises(ConflictError, match=f"not all members are known yet of {town.received}: try again later"):
        town.asked(town.received)


def test_the_initiators_history_decides_how_old_an_export_may_be() -> None:
    town = Sharing(may_export=True)
    town.accounts._accounts[ACCOUNT] = an_account(history_retention_days=1)
    export_id = town.asked(town.received)
    town.now += int(timedelta(days=2).total_seconds() * 1000)

    town.run(export_id)

    assert town.job(export_id).state is JobState.FAILED
