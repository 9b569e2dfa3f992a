"""The stores of the control path in memory, keeping the promises of those in AWS."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from audience_core.domain.account import Account, Client, Input, Record, Workspace
from audience_core.domain.audience import (
    Audience,
    AudienceOutline,
    AudienceStatus,
    DefinitionVersion,
    ProgramMark,
    require_room,
)
from audience_core.domain.control_stores import Answer, Change
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, InputId, OutputId, WorkspaceId
from audience_core.domain.output import Connection, Output, Route
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.evaluation.text import fold

type _Key = tuple[AccountId, str | int]


class _Versioned[R: Record]:
    """Resources of one kind; `key` names one, `version` guards its writes."""

    def __init__(self, what: str, key: Callable[[R], _Key], version: Callable[[R], int]) -> None:
        self._what, self._key, self._version = what, key, version
        self._stored: dict[_Key, R] = {}

    def get(self, key: _Key) -> R:
        if key not in self._stored:
            raise NotFoundError(f"there is no {self._what} {key[1]}")
        return self._stored[key]

    def of(self, account_id: AccountId) -> list[R]:
        return [resource for key, resource in self._stored.items() if key[0] == account_id]

    def all(self) -> list[R]:
        return list(self._stored.values())

    def save(self, resource: R) -> R:
        self._require_unchanged(resource)
        saved = resource.model_copy(update={"version": self._version(resource) + 1})
        self._stored[self._key(resource)] = saved
        return saved

    def save_all(self, resources: Sequence[R]) -> tuple[R, ...]:
        """All or none."""
        for resource in resources:
            self._require_unchanged(resource)
        return tuple(self.save(resource) for resource in resources)

    def delete(self, resource: R) -> None:
        self._require_unchanged(resource)
        del self._stored[self._key(resource)]

    def _require_unchanged(self, resource: R) -> None:
        stored = self._stored.get(self._key(resource))
        if (self._version(stored) if stored else 0) != self._version(resource):
            raise StaleVersionError("somebody else changed it in between: load it again")


class MemoryAccountStore:
    def __init__(self) -> None:
        self._accounts: dict[AccountId, Account] = {}
        self._clients: dict[str, Client] = {}

    def get(self, account_id: AccountId) -> Account:
        if account_id not in self._accounts:
            raise NotFoundError(f"there is no account {account_id}")
        return self._accounts[account_id]

    def create(self, account: Account) -> Account:
        if account.account_id in self._accounts:
            raise ConflictError(f"account id {account.account_id} is taken")
        self._accounts[account.account_id] = account
        return account

    def all(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def save_client(self, client: Client) -> None:
        self._clients[client.client_id] = client

    def clients(self, account_id: AccountId) -> tuple[Client, ...]:
        found = (each for each in self._clients.values() if each.account_id == account_id)
        return tuple(sorted(found, key=lambda each: each.client_id))

    def delete_client(self, client: Client) -> None:
        self._clients.pop(client.client_id, None)

    def client(self, client_id: str) -> Client:
        if client_id not in self._clients:
            raise NotFoundError("there is no such client")
        return self._clients[client_id]


class MemoryWorkspaceStore:
    def __init__(self) -> None:
        self._workspaces = _Versioned[Workspace](
            "workspace", lambda w: (w.account_id, w.workspace_id), lambda w: w.version
        )
        self._inputs = _Versioned[Input](
            "input", lambda i: (i.account_id, f"{i.workspace_id}#{i.input_id}"), lambda i: i.version
        )
        self._keys: dict[str, tuple[AccountId, WorkspaceId, InputId]] = {}

    def get(self, account_id: AccountId, workspace_id: WorkspaceId) -> Workspace:
        return self._workspaces.get((account_id, workspace_id))

    def list(self, account_id: AccountId) -> tuple[Workspace, ...]:
        return tuple(sorted(self._workspaces.of(account_id), key=lambda w: (w.created_at, w.workspace_id)))

    def save(self, workspace: Workspace) -> Workspace:
        return self._workspaces.save(workspace)

    def delete(self, workspace: Workspace) -> None:
        self._workspaces.delete(workspace)

    def get_input(self, account_id: AccountId, workspace_id: WorkspaceId, input_id: InputId) -> Input:
        return self._inputs.get((account_id, f"{workspace_id}#{input_id}"))

    def list_inputs(self, account_id: AccountId, workspace_id: WorkspaceId | None = None) -> tuple[Input, ...]:
        found = [i for i in self._inputs.of(account_id) if workspace_id in (None, i.workspace_id)]
        return tuple(sorted(found, key=lambda i: (i.created_at, i.input_id)))

    def save_input(self, an_input: Input) -> Input:
        owner = (an_input.account_id, an_input.workspace_id, an_input.input_id)
        if any(self._keys.get(key, owner) != owner for key in an_input.keys):
            raise StaleVersionError("the key belongs to another input")
        saved = self._inputs.save(an_input)
        self._keys = {key: who for key, who in self._keys.items() if who != owner}
        self._keys |= dict.fromkeys(an_input.keys, owner)
        return saved

    def delete_input(self, an_input: Input) -> None:
        self._inputs.delete(an_input)
        for key in an_input.keys:
            self._keys.pop(key, None)

    def input_by_key(self, key: str) -> Input:
        if key not in self._keys:
            raise NotFoundError("there is no such ingest key")
        return self.get_input(*self._keys[key])


class MemoryAudienceStore:
    def __init__(self) -> None:
        self._audiences = _Versioned[Audience]("audience", lambda a: (a.account_id, a.audience_id), lambda a: a.version)
        self._programs: dict[AccountId, ProgramMark] = {}
        self._versions: dict[tuple[AccountId, AudienceId, int], DefinitionVersion] = {}
        self._last_ids: dict[AccountId, int] = {}
        self._spellings: dict[tuple[AccountId, str], str] = {}
        self._answers: dict[tuple[AccountId, str], tuple[Answer, datetime]] = {}

    def get(self, account_id: AccountId, audience_id: AudienceId) -> Audience:
        return self._audiences.get((account_id, audience_id))

    def list(self, account_id: AccountId) -> tuple[Audience, ...]:
        return tuple(sorted(self._audiences.of(account_id), key=lambda a: a.audience_id))

    def next_id(self, account_id: AccountId) -> AudienceId:
        self._last_ids[account_id] = self._last_ids.get(account_id, 0) + 1
        return AudienceId(self._last_ids[account_id])

    def save(self, audience: Audience) -> Audience:
        return self._audiences.save(audience)

    def outlines(self, account_id: AccountId) -> tuple[AudienceOutline, ...]:
        fields = set(AudienceOutline.model_fields)
        return tuple(AudienceOutline(**each.model_dump(include=fields)) for each in self.list(account_id))

    def spell(self, account_id: AccountId, tags: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._spellings.setdefault((account_id, fold(tag)), tag) for tag in tags))

    def publish(self, audience: Audience, active_cap: int | None = None) -> Audience:
        def change(version: int) -> Change:
            return [audience.model_copy(update={"program_version": version})], ()

        return self.advance(audience.account_id, change, active_cap=active_cap)[0]

    def advance(
        self, account_id: AccountId, change: Callable[[int], Change], active_cap: int | None = None
    ) -> tuple[Audience, ...]:
        version = self.program_version(account_id) + 1
        changed, versions = change(version)
        if self.program_version(account_id) + 1 != version:
            return self.advance(account_id, change, active_cap)
        before = {each.audience_id for each in self.list(account_id) if each.status is AudienceStatus.ACTIVE}
        if {each.audience_id for each in changed if each.status is AudienceStatus.ACTIVE} - before:
            require_room(len(before), active_cap)
        saved = self._audiences.save_all(changed)
        self._versions |= {(each.account_id, each.audience_id, each.number): each for each in versions}
        self._programs[account_id] = self.program(account_id).model_copy(
            update={"version": version, "published": version}
        )
        return saved

    def save_all(self, audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        return self._audiences.save_all(audiences)

    def take_over(self, mark: ProgramMark, audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        account_id = audiences[0].account_id
        if self.program(account_id) != mark:
            raise StaleVersionError("the program has changed in between")
        saved = self._audiences.save_all(audiences)
        self._programs[account_id] = mark.model_copy(update={"version": mark.version + 1})
        return saved

    def delete(self, audience: Audience, check: Callable[[], None] = lambda: None) -> None:
        version = self.program_version(audience.account_id)
        check()
        if self.program_version(audience.account_id) != version:
            check()
        self._audiences.delete(audience)
        if audience.status is AudienceStatus.ACTIVE:
            version = self.program_version(audience.account_id) + 1
            after = {"version": version, "published": version}
            self._programs[audience.account_id] = self.program(audience.account_id).model_copy(update=after)
        owner = audience.account_id, audience.audience_id
        self._versions = {key: each for key, each in self._versions.items() if key[:2] != owner}

    def get_version(self, account_id: AccountId, audience_id: AudienceId, number: int) -> DefinitionVersion:
        found = self._versions.get((account_id, audience_id, number))
        if found is None:
            raise NotFoundError(f"audience {audience_id} has no version {number}")
        return found

    def list_versions(self, account_id: AccountId, audience_id: AudienceId) -> tuple[DefinitionVersion, ...]:
        owner = account_id, audience_id
        return tuple(each for key, each in sorted(self._versions.items()) if key[:2] == owner)

    def program(self, account_id: AccountId) -> ProgramMark:
        return self._programs.get(account_id, ProgramMark())

    def note_erasure(self, account_id: AccountId, at: int) -> None:
        mark = self.program(account_id)
        self._programs[account_id] = mark.model_copy(update={"erased_at": max(at, mark.erased_at)})

    def program_version(self, account_id: AccountId) -> int:
        return self.program(account_id).version

    def claim_answer(self, account_id: AccountId, key: str, fingerprint: str, now: datetime) -> Answer | None:
        known, expires_at = self._answers.get((account_id, key), (None, now))
        if known is not None and expires_at > now:
            return known
        self._answers[account_id, key] = (Answer(fingerprint), now + timedelta(seconds=60))
        return None

    def save_answer(self, account_id: AccountId, key: str, answer: Answer, now: datetime) -> None:
        self._answers[account_id, key] = (answer, now + timedelta(days=1))

    def release_answer(self, account_id: AccountId, key: str) -> None:
        self._answers.pop((account_id, key), None)


class MemoryOutputStore:
    def __init__(self) -> None:
        self._outputs = _Versioned[Output]("output", lambda o: (o.account_id, o.output_id), lambda o: o.version)
        self._connections = _Versioned[Connection](
            "connection", lambda c: (c.account_id, c.connection_id), lambda c: c.version
        )

    def get(self, account_id: AccountId, output_id: OutputId) -> Output:
        return self._outputs.get((account_id, output_id))

    def list(self, account_id: AccountId) -> tuple[Output, ...]:
        return tuple(sorted(self._outputs.of(account_id), key=lambda o: (o.created_at, o.output_id)))

    def save(self, output: Output) -> Output:
        return self._outputs.save(output)

    def delete(self, output: Output) -> None:
        self._outputs.delete(output)

    def get_connection(self, account_id: AccountId, connection_id: ConnectionId) -> Connection:
        return self._connections.get((account_id, connection_id))

    def list_connections(self, account_id: AccountId, audience_id: AudienceId | None = None) -> tuple[Connection, ...]:
        found = [c for c in self._connections.of(account_id) if audience_id in (None, c.audience_id)]
        return tuple(sorted(found, key=lambda c: (c.created_at, c.connection_id)))

    def connections_of(self, account_id: AccountId, audience_ids: Collection[AudienceId]) -> tuple[Connection, ...]:
        return tuple(each for each in self.list_connections(account_id) if each.audience_id in audience_ids)

    def forwarding(self, account_id: AccountId) -> tuple[tuple[Connection, ...], tuple[Route, ...]]:
        sources = [(each, each.source) for each in self._connections.all() if each.source]
        routes = [
            Route(source.audience_id, each.account_id, each.connection_id)
            for each, source in sources
            if source.account_id == account_id
        ]
        return self.list_connections(account_id), tuple(routes)

    def routed(
        self, routes: Collection[Route]
    ) -> tuple[tuple[Connection, ...], dict[tuple[AccountId, OutputId], Output]]:
        keys = {(route.receiver, route.connection_id) for route in routes}
        found = tuple(each for each in self._connections.all() if (each.account_id, each.connection_id) in keys)
        outputs = {(each.account_id, each.output_id): each for each in self._outputs.all()}
        used = {(each.account_id, each.output_id) for each in found}
        return found, {key: outputs[key] for key in used if key in outputs}

    def save_connection(self, connection: Connection) -> Connection:
        return self._connections.save(connection)

    def delete_connection(self, connection: Connection) -> None:
        self._connections.delete(connection)


class MemorySecretStore:
    def __init__(self) -> None:
        self._secrets: dict[str, dict[str, str]] = {}
        self.registrations: dict[str, dict[str, str]] = {}

    def put(self, account_id: AccountId, name: str, values: Mapping[str, str]) -> str:
        reference = f"{account_id}/{name}"
        self._secrets[reference] = dict(values)
        return reference

    def get(self, reference: str) -> dict[str, str]:
        if reference not in self._secrets:
            raise NotFoundError("the confidential settings of the output are gone: enter them again")
        return dict(self._secrets[reference])

    def replace(self, reference: str, values: Mapping[str, str]) -> None:
        if reference not in self._secrets:
            raise NotFoundError("the secret to replace is gone")
        self._secrets[reference] = dict(values)

    def delete(self, reference: str) -> None:
        self._secrets.pop(reference, None)

    def registration(self, kind: str) -> dict[str, str]:
        if kind not in self.registrations:
            raise NotFoundError(f"this installation is not registered at {kind}")
        return dict(self.registrations[kind])


class MemoryWorkflows:
    """Starts nothing; `started` holds the names of the runs, each once."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start_backfill(self, account_id: AccountId, program_version: int, token: int = 1) -> str:
        return self._start(f"backfill-{account_id}-{program_version}" + (f"-again-{token}" if token > 1 else ""))

    def is_backfill_under_way(self, account_id: AccountId, program_version: int) -> bool:
        return f"backfill-{account_id}-{program_version}" in self.started

    def start_connection_fill(
        self, account_id: AccountId, connection_id: ConnectionId, version: int, token: int = 1
    ) -> str:
        return self._start(f"fill-{account_id}-{connection_id}-{version}" + (f"-again-{token}" if token > 1 else ""))

    def start_connecting(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self._start(f"{account_id}-{job_id}-{token}")

    def start_measurement(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self._start(f"{account_id}-{job_id}-{token}")

    def start_export(self, account_id: AccountId, export_id: str, token: int = 1) -> str:
        return self._start(f"export-{account_id}-{export_id}" + (f"-again-{token}" if token > 1 else ""))

    def start_compaction(self, account_id: AccountId, purpose: str, token: int = 0) -> str:
        return self._start(f"compact-{account_id}-{purpose}" + (f"-again-{token}" if token else ""))

    def start_erasure(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self._start(f"{account_id}-{job_id}-{token}")

    def start_lifetime_calculation(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self._start(f"{account_id}-{job_id}" + (f"-again-{token}" if token > 1 else ""))

    def start_sending(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self._start(f"{account_id}-{job_id}" + (f"-again-{token}" if token > 1 else ""))

    def _start(self, name: str) -> str:
        if name not in self.started:
            self.started.append(name)
        return name
