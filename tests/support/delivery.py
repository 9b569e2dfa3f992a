"""What the tests of delivery share: stores in memory, a clock to turn, and a connection to a partner."""

from dataclasses import dataclass, field, replace

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import Connection, LedgerRow, SubscriptionState, Target, delivery_bucket_of
from audience_core.persistence.memory.control import (
    MemoryAudienceStore,
    MemoryOutputStore,
    MemorySecretStore,
)
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import MemoryWakeUpQueue
from audience_core.persistence.memory.ledger import MemoryLedgerStore
from audience_core.persistence.memory.log_ins import MemoryLogInStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.memory.sharing import MemorySharingStore
from tests.support.control import ACCOUNT, CONNECTION, a_connection, an_audience, an_output
from tests.support.partners import SECRET

T = 1_795_430_000_000
LATER = T + 3_600_000
# Both in one lane.
ANN, BOB, EVE = Mpid(8), Mpid(16), Mpid(-24)
LANE = WakeUp(ACCOUNT, CONNECTION, 0)


def email(who: str) -> Target:
    return Target((Identity("email", f"{who}@example.com"),))


@dataclass
class World:
    """The stores that delivery uses, by the names of `wiring.Stores`, with one active connection."""

    url: str = "https://partner.example/"
    outputs: MemoryOutputStore = field(default_factory=MemoryOutputStore)
    audiences: MemoryAudienceStore = field(default_factory=MemoryAudienceStore)
    secrets: MemorySecretStore = field(default_factory=MemorySecretStore)
    log_ins: MemoryLogInStore = field(default_factory=MemoryLogInStore)
    identities: MemoryIdentityStore = field(default_factory=MemoryIdentityStore)
    sharing: MemorySharingStore = field(default_factory=MemorySharingStore)
    ledger: MemoryLedgerStore = field(default_factory=MemoryLedgerStore)
    memberships: MemoryMembershipStore = field(default_factory=MemoryMembershipStore)
    profiles: MemoryProfileStore = field(default_factory=MemoryProfileStore)
    wake_ups: MemoryWakeUpQueue = field(default_factory=MemoryWakeUpQueue)
    subscription: SubscriptionState = SubscriptionState.ACTIVE
    connector: str = "webhook"
    versions: int = 0

    def __post_init__(self) -> None:
        reference = self.secrets.put(ACCOUNT, "o-1", {"signing_secret": SECRET})
        self.audiences.save(an_audience(external_name="Fans"))
        secret_ref = reference if self.connector == "webhook" else None
        self.outputs.save(an_output(connector=self.connector, settings={"url": self.url}, secret_ref=secret_ref))
        self.outputs.save_connection(a_connection(subscription=self.subscription))

    @property
    def connection(self) -> Connection:
        return self.outputs.get_connection(ACCOUNT, CONNECTION)

    def change(self, **changes: object) -> Connection:
        return self.outputs.save_connection(self.connection.model_copy(update=changes))

    def desire(self, mpid: Mpid, target: Target | None, at: int = T) -> None:
        self.versions += 1
        self.ledger.desire(AccountId(ACCOUNT), CONNECTION, mpid, target, self.versions, at)

    def hold(self, mpid: Mpid, target: Target) -> None:
        """The identity rows name the member as a holder, as they do before its profile is written."""
        known = self.identities.rows(ACCOUNT, Environment.PRODUCTION, target.identities).values()
        rows = [replace(row, holders={**row.holders, mpid: T}) for row in known]
        self.identities.write(ACCOUNT, Environment.PRODUCTION, rows)

    def row(self, mpid: Mpid) -> LedgerRow | None:
        return self.ledger.find(ACCOUNT, CONNECTION, [mpid]).get(mpid)

    def is_dirty(self, mpid: Mpid) -> bool:
        rows = self.ledger.dirty(ACCOUNT, CONNECTION, delivery_bucket_of(mpid), 1000)
        return mpid in {row.mpid for row in rows}
