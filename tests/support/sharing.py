"""Two accounts and what they share: builders, and a town of stores in memory."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.sharing import Arrangement, LogEntry, Receiving, Step
from audience_core.management import receiving, sharing
from audience_core.management.received import OwnAndReceived
from audience_core.management.receiving import ReceivingEdit
from audience_core.management.sharing import NewOffers, Party, SharingStores
from audience_core.management.sharing_terms import TERMS
from audience_core.persistence.memory.control import (
    MemoryAccountStore,
    MemoryAudienceStore,
    MemoryOutputStore,
    MemoryWorkflows,
)
from audience_core.persistence.memory.sharing import MemoryLogoFiles, MemorySharingStore
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT, an_account, an_audience

THIRD_ACCOUNT = AccountId(9)
# Who shares, who receives, and who has nothing to do with it.
OWNER, FRIEND, STRANGER = (Party(each, f"client-{each}") for each in (ACCOUNT, OTHER_ACCOUNT, THIRD_ACCOUNT))
UPLOAD = "u-" + "0" * 32


def a_receiving(**given: Any) -> Receiving:
    defaults = {"account_id": OTHER_ACCOUNT, "receiver_id": "r-8", "name": "Travel", "is_on": True, "logo": "logos/8"}
    return Receiving(**defaults | given)


def an_arrangement(**given: Any) -> Arrangement:
    defaults = {
        "arrangement_id": "a-1",
        "initiator": ACCOUNT,
        "initiator_name": "Acme",
        "audience_id": AUDIENCE,
        "receiver": OTHER_ACCOUNT,
        "receiver_id": "r-8",
        "receiver_name": "Travel",
        "external_name": "Players",
        "offered_at": NOW,
        "offered_by": "client-7",
    }
    return Arrangement(**defaults | given)


def an_entry(**given: Any) -> LogEntry:
    return LogEntry(**{"account_id": ACCOUNT, "at": NOW, "step": Step.OFFERED, "by_us": True} | given)


@dataclass
class Neighbours:
    """Three accounts; the first has an active audience, the second receives."""

    accounts: MemoryAccountStore = field(default_factory=MemoryAccountStore)
    audiences: MemoryAudienceStore = field(default_factory=MemoryAudienceStore)
    outputs: MemoryOutputStore = field(default_factory=MemoryOutputStore)
    workflows: MemoryWorkflows = field(default_factory=MemoryWorkflows)
    sharing: MemorySharingStore = field(default_factory=MemorySharingStore)
    logos: MemoryLogoFiles = field(default_factory=MemoryLogoFiles)

    def __post_init__(self) -> None:
        for account_id, name in ((ACCOUNT, "Acme"), (OTHER_ACCOUNT, "Travel"), (THIRD_ACCOUNT, "Movies")):
            self.accounts.create(an_account(account_id=account_id, name=name))
        self.add_audience()
        self.opt_in(FRIEND)

    @property
    def stores(self) -> SharingStores:
        return SharingStores(self.accounts, self.audiences, self.sharing)

    @property
    def both(self) -> OwnAndReceived:
        return OwnAndReceived(self.audiences, self.sharing)

    def add_audience(self, status: AudienceStatus = AudienceStatus.ACTIVE, **given: Any) -> AudienceId:
        audience_id = self.audiences.next_id(given.get("account_id", ACCOUNT))
        defaults = {"audience_id": audience_id, "status": status, "name": "VIP 2026", "external_name": "Fans"}
        return self.audiences.save(an_audience(**defaults | given)).audience_id

    def opt_in(self, party: Party) -> str:
        """The receiver id."""
        self.logos.files[f"{party.account_id}/{UPLOAD}"] = b"a logo"
        receiving.use_logo(self.stores, self.logos, lambda content: content, party, UPLOAD, NOW)
        on = ReceivingEdit(terms_version=TERMS.version, is_on=True)
        return receiving.edit(self.stores, party, None, on, NOW).receiver_id

    def opt_out(self, party: Party) -> None:
        receiving.edit(self.stores, party, None, ReceivingEdit(is_on=False), NOW)

    def receiver_id(self, party: Party = FRIEND) -> str:
        return receiving.get(self.stores, party).receiver_id

    def offer(self, audience_id: AudienceId = AUDIENCE, now: datetime = NOW, **given: Any) -> Arrangement:
        new = NewOffers(**{"audience_ids": (audience_id,), "receiver_ids": (self.receiver_id(),)} | given)
        (made,) = sharing.offer(self.stores, OWNER, new, now)
        return made

    def share(self, audience_id: AudienceId = AUDIENCE, **given: Any) -> Arrangement:
        """An accepted arrangement."""
        return sharing.accept(self.stores, FRIEND, self.offer(audience_id, **given).arrangement_id, NOW)
