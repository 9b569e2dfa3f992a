"""What the control path needs from the outside world: accounts, definitions, outputs, jobs."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from audience_core.domain.account import Account, Client, ClientCredentials, Input, Workspace
from audience_core.domain.audience import Audience, AudienceOutline, DefinitionVersion, ProgramMark
from audience_core.domain.ids import (
    AccountId,
    AudienceId,
    ConnectionId,
    InputId,
    OutputId,
    WorkspaceId,
)
from audience_core.domain.job import Job, Part
from audience_core.domain.lifetime import CreditBook
from audience_core.domain.output import Connection, Output, PendingLogIn, Route


class AccountStore(Protocol):
    def get(self, account_id: AccountId) -> Account:
        """Raise `NotFoundError` when absent."""

    def create(self, account: Account) -> Account:
        """Raise `ConflictError` when the id is taken."""

    def all(self) -> Iterator[Account]:
        """Every account, in no particular order; for scheduled work only."""

    def save_client(self, client: Client) -> None: ...

    def clients(self, account_id: AccountId) -> tuple[Client, ...]:
        """Who may act for an account, by id."""

    def delete_client(self, client: Client) -> None:
        """Its tokens are of nobody from now on; deleting it again does nothing."""

    def client(self, client_id: str) -> Client:
        """The one look-up that is not keyed by account: it is what tells the account. Raise `NotFoundError`."""


class IdentityProvider(Protocol):
    """Issues the OAuth2 clients, and keeps the people, whose tokens the API accepts."""

    def create_client(self, name: str) -> ClientCredentials: ...

    def delete_client(self, client_id: str) -> None:
        """No more tokens for it; deleting it again does nothing."""

    def create_user(self, email: str) -> None:
        """Invite somebody by e-mail. Raise `ConflictError` when the address is known already."""

    def delete_user(self, email: str) -> None:
        """As `delete_client`, of a person."""


class WorkspaceStore(Protocol):
    def get(self, account_id: AccountId, workspace_id: WorkspaceId) -> Workspace: ...

    def list(self, account_id: AccountId) -> tuple[Workspace, ...]:
        """All workspaces of the account, by creation; at most 50 exist."""

    def save(self, workspace: Workspace) -> Workspace:
        """Store and return the next version; raise `StaleVersionError` when `version` is stale."""

    def delete(self, workspace: Workspace) -> None: ...

    def get_input(self, account_id: AccountId, workspace_id: WorkspaceId, input_id: InputId) -> Input: ...

    def list_inputs(self, account_id: AccountId, workspace_id: WorkspaceId | None = None) -> tuple[Input, ...]: ...

    def save_input(self, an_input: Input) -> Input:
        """As `save`; also makes `input_by_key` find it by its `keys`, and no longer by others it had before."""

    def delete_input(self, an_input: Input) -> None: ...

    def input_by_key(self, key: str) -> Input:
        """The input that owns an ingest key. Raise `NotFoundError`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a create answered, kept for 24 hours for repeats of it under the same Idempotency-Key.

    Args:
        fingerprint: of the request; a repeat must be the same request.
        body: JSON of the created resource; empty while the request is still under way.
    """

    fingerprint: str
    body: str = ""


class AnswerStore(Protocol):
    def claim_answer(self, account_id: AccountId, key: str, fingerprint: str, now: datetime) -> Answer | None:
        """None when the key is now the caller's; else the first request's answer, without a body while it runs.

        A claim that was neither saved nor released within a minute may be claimed again.
        """

    def save_answer(self, account_id: AccountId, key: str, answer: Answer, now: datetime) -> None: ...

    def release_answer(self, account_id: AccountId, key: str) -> None: ...


# Audiences to save, and versions of definitions.
type Change = tuple[Sequence[Audience], Sequence[DefinitionVersion]]


class FoundAudiences(Protocol):
    """Audiences by their ids, whether the account's own or received ones."""

    def get(self, account_id: AccountId, audience_id: AudienceId) -> Audience: ...


class SplitAudiences(FoundAudiences, Protocol):
    """Audiences that can be split for A/B tests."""

    def next_id(self, account_id: AccountId) -> AudienceId: ...

    def save(self, audience: Audience) -> Audience: ...


class TaggedAudiences(FoundAudiences, Protocol):
    """Audiences that can be tagged."""

    def spell(self, account_id: AccountId, tags: Iterable[str]) -> tuple[str, ...]: ...

    def save(self, audience: Audience) -> Audience: ...


class AudienceStore(AnswerStore, Protocol):
    def get(self, account_id: AccountId, audience_id: AudienceId) -> Audience: ...

    def list(self, account_id: AccountId) -> tuple[Audience, ...]:
        """All audiences of the account, by id."""

    def outlines(self, account_id: AccountId) -> tuple[AudienceOutline, ...]:
        """As `list`, without reading definitions."""

    def spell(self, account_id: AccountId, tags: Iterable[str]) -> tuple[str, ...]:
        """The account's spelling of each different tag: the first that was ever asked for, ignoring case."""

    def next_id(self, account_id: AccountId) -> AudienceId: ...

    def save(self, audience: Audience) -> Audience:
        """Store and return the next version; raise `StaleVersionError` when `version` is stale."""

    def publish(self, audience: Audience, active_cap: int | None = None) -> Audience:
        """`save`, and in the same transaction advance the account's program version, which the audience gets.

        Raise `ConflictError` when this would activate one more than `active_cap`, whoever else activates meanwhile.
        """

    def advance(
        self, account_id: AccountId, change: Callable[[int], Change], active_cap: int | None = None
    ) -> tuple[Audience, ...]:
        """Save audiences and definition versions, and advance the program, all in one transaction.

        Args:
            change: is given the program version that the transaction makes. It is called again whenever somebody else
                published in between, so what it finds of active audiences, or refuses for, holds when it is written.

        Raises:
            StaleVersionError: one of the audiences was changed in between.
            ConflictError: this would activate more than `active_cap`, whoever else activates meanwhile.
        """

    def take_over(self, mark: ProgramMark, audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        """Save audiences of one account and advance the program version, but not `published`, in one transaction.

        Raises:
            StaleVersionError: the program no longer stands at `mark`, or an audience was changed in between.
        """

    def save_all(self, audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        """`save` all of them or none, 90 at most; none of them may be or become active."""

    def delete(self, audience: Audience, check: Callable[[], None] = lambda: None) -> None:
        """Delete it with its definition versions, and advance the program version when it was active.

        Args:
            check: raises when it must not go; called again as `change` of `advance` is.
        """

    def get_version(self, account_id: AccountId, audience_id: AudienceId, number: int) -> DefinitionVersion: ...

    def list_versions(self, account_id: AccountId, audience_id: AudienceId) -> tuple[DefinitionVersion, ...]:
        """By number; the definitions that were live or staged at one time."""

    def program(self, account_id: AccountId) -> ProgramMark:
        """Strongly consistent; zeros for an account that never activated an audience."""

    def note_erasure(self, account_id: AccountId, at: int) -> None:
        """That a user was erased at an instant (UTC ms); `program` has the latest."""

    def program_version(self, account_id: AccountId) -> int:
        """`program` without when a backfill was asked for last."""


class OutputStore(Protocol):
    def get(self, account_id: AccountId, output_id: OutputId) -> Output: ...

    def list(self, account_id: AccountId) -> tuple[Output, ...]: ...

    def save(self, output: Output) -> Output: ...

    def delete(self, output: Output) -> None: ...

    def get_connection(self, account_id: AccountId, connection_id: ConnectionId) -> Connection: ...

    def list_connections(self, account_id: AccountId, audience_id: AudienceId | None = None) -> tuple[Connection, ...]:
        """Connections of the account, or of one audience of it; strongly consistent."""

    def connections_of(self, account_id: AccountId, audience_ids: Collection[AudienceId]) -> tuple[Connection, ...]:
        """Connections of some audiences of the account, without bringing all others; strongly consistent."""

    def forwarding(self, account_id: AccountId) -> tuple[tuple[Connection, ...], tuple[Route, ...]]:
        """Connections of the account, and routes to those of others that forward its members; strongly consistent."""

    def routed(
        self, routes: Collection[Route]
    ) -> tuple[tuple[Connection, ...], dict[tuple[AccountId, OutputId], Output]]:
        """Where routes lead, as far as they still do, and the outputs of those connections; strongly consistent."""

    def save_connection(self, connection: Connection) -> Connection:
        """As `save`; that of a received audience gets a route in the initiator's account when it is new."""

    def delete_connection(self, connection: Connection) -> None:
        """With its route."""


class SecretStore(Protocol):
    def put(self, account_id: AccountId, name: str, values: Mapping[str, str]) -> str:
        """Store confidential settings; return the reference under which `get` finds them."""

    def get(self, reference: str) -> dict[str, str]: ...

    def replace(self, reference: str, values: Mapping[str, str]) -> None:
        """Store other values in a secret that exists. Raise `NotFoundError`."""

    def delete(self, reference: str) -> None: ...

    def registration(self, kind: str) -> dict[str, str]:
        """This installation's registration at a kind of partner: client_id, client_secret, url. `NotFoundError`."""


class LogInStore(Protocol):
    """Log-ins at partners that are under way."""

    def begin(self, log_in: PendingLogIn) -> None: ...

    def take(self, account_id: AccountId, state: str) -> PendingLogIn:
        """Give it to one caller, and to no other ever after. Raise `NotFoundError`; may give one that has expired."""

    def claim_renewal(self, account_id: AccountId, output_id: OutputId, now_ms: int, for_ms: int) -> bool:
        """Whether the caller alone may renew the tokens of an output for so long."""


class Mail(Protocol):
    def send(self, recipient: str, subject: str, text: str) -> None:
        """Raise `UnavailableError` to try later, `InvalidInputError` when it will never be taken."""


class EventBus(Protocol):
    """Where the customer's own machines listen."""

    def put(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Raise `UnavailableError` when it was not taken."""


class Workflows(Protocol):
    """The state machines that the control path starts."""

    def start_backfill(self, account_id: AccountId, program_version: int, token: int = 1) -> str:
        """Evaluate all profiles of the account against the program; the run's name. Starting twice starts one.

        Args:
            token: of the job's attempt; another one has a run of its own.
        """

    def is_backfill_under_way(self, account_id: AccountId, program_version: int) -> bool:
        """Whether the run of its first attempt was started and has not ended."""

    def start_connection_fill(
        self, account_id: AccountId, connection_id: ConnectionId, version: int, token: int = 1
    ) -> str:
        """Bring a connection's subscription and ledger in line with its status; the run's name."""

    def start_connecting(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        """Connect the audiences that a job names; the run's name."""

    def start_measurement(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        """Count the outcomes of an A/B test that a job asks for; the run's name."""

    def start_export(self, account_id: AccountId, export_id: str, token: int = 1) -> str:
        """Write the files of an export; the run's name."""

    def start_compaction(self, account_id: AccountId, purpose: str, token: int = 0) -> str:
        """Bring what was put into the account's archive into its shards; the run's name.

        Args:
            purpose: starting twice for the same one starts one.
            token: of the job's attempt; 0 for a new run, which goes on with whatever stopped before.
        """

    def start_erasure(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        """Erase the users that a job names; the run's name. Starting twice starts one."""

    def start_lifetime_calculation(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        """Find the members of the audiences of a calculation; the run's name. Starting twice starts one."""

    def start_sending(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        """Send the members of a lifetime audience that a job names; the run's name. Starting twice starts one."""


class JobStore(Protocol):
    def get(self, account_id: AccountId, job_id: str) -> Job: ...

    def list(self, account_id: AccountId) -> tuple[Job, ...]:
        """Jobs of the account, the latest first."""

    def save(self, job: Job) -> Job:
        """Store and return the next version; raise `StaleVersionError` when `version` is stale."""

    def prolong(self, job: Job, lease_until: int) -> bool:
        """Prolong the lease of a running job (UTC ms), unless it has ended or another attempt has begun: then False."""

    def claim(self, part: Part) -> Part:
        """The stored part, or this one when there is none, with a token by which all earlier claims are fenced off."""

    def save_part(self, part: Part) -> None:
        """Raise `StaleVersionError` when somebody has claimed the part since."""

    def parts(self, account_id: AccountId, job_id: str) -> tuple[Part, ...]:
        """By step and name."""

    def credit_book(self, account_id: AccountId) -> CreditBook:
        """The account's, empty if nothing was ever calculated."""

    def save_credit_book(self, book: CreditBook) -> CreditBook:
        """Store and return the next version; raise `StaleVersionError` when `version` is stale."""

    def save_paid(self, job: Job, book: CreditBook) -> Job:
        """Store a job and the book that says what it takes, or neither.

        Raises:
            StaleVersionError: one of their versions is stale.
        """

    def backfilled(self, account_id: AccountId) -> int:
        """The latest program version with which every profile was evaluated; 0 if none."""

    def set_backfilled(self, account_id: AccountId, program_version: int) -> None:
        """Never goes back."""


class RunFiles(Protocol):
    """Files by which the steps of a run hand work to each other."""

    def put_lines(self, name: str, lines: Sequence[Mapping[str, Any]]) -> str:
        """Write a JSON object a line; the name of the bucket that holds the file."""

    def lines(self, name: str) -> list[dict[str, Any]]:
        """What was written; raise `NotFoundError` when nothing was."""

    def texts(self, name: str) -> list[str]:
        """As `lines`, but the JSON of each, for whoever parses it."""

    def names(self, prefix: str) -> Sequence[str]:
        """Those of the files whose names begin so, in the order of the alphabet."""
