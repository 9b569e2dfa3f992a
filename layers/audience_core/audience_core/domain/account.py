"""Who owns what: accounts, their workspaces, inputs and credentials."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from audience_core.domain.ids import AccountId, InputId, WorkspaceId

MAX_NAME_LENGTH = 100
ResourceName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
# Whether somebody reads it there only a mail can tell.
EmailAddress = Annotated[str, Field(max_length=254, pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+$")]


class Record(BaseModel):
    """What stored resources share: frozen, changed by copying, and with validators built on first use."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Role(StrEnum):
    """What a bearer of a token may do; each includes the ones before it, read-only first."""

    READ_ONLY = "read_only"
    AUDIENCES_ONLY = "audiences_only"
    USER = "user"
    ADMIN = "admin"


class LoginStrategy(Record):
    """Which identities decide who is who (profile conversion; docs/identity.md).

    Args:
        login: a profile holding one of these is returned only for a request holding the same one.
        unique: only one profile holds a value of these.
        immutable: never replaced on a profile; another value means another user.
    """

    login: frozenset[str] = frozenset({"customer_id"})
    unique: frozenset[str] = frozenset({"customer_id"})
    immutable: frozenset[str] = frozenset({"customer_id"})


class Account(Record):
    """A customer: the owner of profiles, audiences and outputs, and the party to sharing.

    Args:
        look_back_days: how much of its users' events real-time audiences see (30, 60 or 90).
        active_audience_cap: how many audiences may be active at once.
        batches_per_second: what ingest accepts before it answers 429.
        profile_retention_days: after so long without a sign of its user a profile is removed; see `retention_days`.
        history_retention_days: for how long joins and leaves are kept.
        has_lifetime_audiences: whether the account may have those.
        lifetime_credits: how many years of data their calculations may read in `lifetime_period_days`.
        contact_email: who is told of faults at outputs that name nobody.
    """

    account_id: AccountId
    name: ResourceName
    look_back_days: Annotated[int, Field(ge=1, le=90)] = 30
    active_audience_cap: int = 5000
    batches_per_second: int = 270
    profile_retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    history_retention_days: Annotated[int, Field(ge=1, le=3650)] = 90
    has_lifetime_audiences: bool = False
    lifetime_credits: Annotated[int, Field(ge=0)] = 12
    lifetime_period_days: Annotated[int, Field(ge=1, le=3650)] = 365
    strategy: LoginStrategy = Field(default_factory=LoginStrategy)
    contact_email: EmailAddress | None = None

    @property
    def retention_days(self) -> int:
        """For how long profiles are kept: no audience may lose somebody whose events it still sees."""
        return max(self.profile_retention_days, self.look_back_days)


class Workspace(Record):
    """An app or brand of an account."""

    account_id: AccountId
    workspace_id: WorkspaceId
    name: ResourceName
    created_at: datetime
    version: int = 0


class InputKind(StrEnum):
    PLATFORM = "platform"
    FEED = "feed"


class PreviousCredential(Record):
    """What an input's key and secret were before they were replaced; good until `valid_until`."""

    key: str
    secret_sha256: str
    valid_until: datetime


class Input(Record):
    """A platform or feed of a workspace; the owner of one ingest key and secret.

    Args:
        key: public half of the credential; `secret_sha256` is all that is kept of the other.
        previous: works beside it for a while, so that clients can change over one by one.
    """

    account_id: AccountId
    workspace_id: WorkspaceId
    input_id: InputId
    name: ResourceName
    kind: InputKind = InputKind.PLATFORM
    key: str
    secret_sha256: str
    previous: PreviousCredential | None = None
    created_at: datetime
    version: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """All that lead to it, the current one first."""
        return (self.key,) if self.previous is None else (self.key, self.previous.key)


class Client(Record):
    """Who may act for an account: an OAuth2 client, or a person.

    Args:
        client_id: what a token's `client_id` says of a machine, and its `username` of a person: the e-mail address.
    """

    client_id: str
    account_id: AccountId
    role: Role
    name: ResourceName

    @property
    def is_person(self) -> bool:
        return "@" in self.client_id


class ClientCredentials(Record):
    """What a client exchanges for a token; the secret is told once."""

    client_id: str
    client_secret: str
