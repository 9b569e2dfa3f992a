"""Outputs: configured accounts at partners, their secrets kept apart."""

import secrets as random
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import ConfigDict, Field

from audience_core.domain.account import EmailAddress, Record, ResourceName
from audience_core.domain.control_stores import LogInStore, OutputStore, SecretStore, Workflows
from audience_core.domain.ids import AccountId, AudienceId, OutputId
from audience_core.domain.output import Fault, FaultKind, Output
from audience_core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RetryableDeliveryError,
    TerminalDeliveryError,
)
from audience_core.management.versions import require_version
from audience_core.outputs.connector import Subscription
from audience_core.outputs.http import Send
from audience_core.outputs.opening import open_output
from audience_core.outputs.registry import ConnectorKind, kind_named, split_settings


class NewOutput(Record):
    """Args:
    connector: a `kind` of the directory.
    settings: as the connector's schema in the directory says, confidential ones included.
    contact_email: who is told of faults; the account's contact when absent.
    """

    model_config = ConfigDict(extra="forbid")

    connector: str
    name: ResourceName
    settings: dict[str, Any] = Field(default_factory=dict)
    contact_email: EmailAddress | None = None


class OutputEdit(Record):
    """What to change; a field that is missing or null stays as it is.

    Args:
        settings: those to change; null removes one, or makes a new one where the connector makes it up.
        contact_email: who is told of faults; "" for the account's contact.
    """

    model_config = ConfigDict(extra="forbid")

    name: ResourceName | None = None
    settings: dict[str, Any] | None = None
    contact_email: EmailAddress | Literal[""] | None = None


def create(
    store: OutputStore, secrets: SecretStore, account_id: AccountId, new: NewOutput, now: datetime
) -> tuple[Output, dict[str, str]]:
    """The output, and those of its secrets that were made up: they are told here and never again."""
    kind = kind_named(new.connector)
    settings, secret = split_settings(kind, new.settings)
    output_id = OutputId(f"o-{random.token_hex(6)}")
    output = Output(
        account_id=account_id,
        output_id=output_id,
        connector=kind.kind,
        name=new.name,
        settings=settings,
        secret_ref=secrets.put(account_id, output_id, secret) if secret else None,
        contact_email=new.contact_email,
        created_at=now,
    )
    return store.save(output), _made_up(kind, new.settings, secret)


def edit(
    store: OutputStore,
    secrets: SecretStore,
    workflows: Workflows,
    account_id: AccountId,
    output_id: OutputId,
    version: int | None,
    change: OutputEdit,
) -> tuple[Output, dict[str, str]]:
    """As `create`; changed settings reach every connection of the output."""
    output = store.get(account_id, output_id)
    require_version(output, version)
    contact = output.contact_email if change.contact_email is None else change.contact_email or None
    output = output.model_copy(update={"name": change.name or output.name, "contact_email": contact})
    if change.settings is None:
        return store.save(output), {}
    kind = kind_named(output.connector)
    known = secrets.get(output.secret_ref) if output.secret_ref else {}
    wanted = {key: value for key, value in {**output.settings, **known, **change.settings}.items() if value is not None}
    settings, secret = split_settings(kind, wanted)
    reference = secrets.put(account_id, output_id, secret) if secret else None
    saved = store.save(output.model_copy(update={"settings": settings, "secret_ref": reference}))
    if output.secret_ref and not secret:
        secrets.delete(output.secret_ref)
    _refresh_connections(store, workflows, account_id, output_id)
    return saved, _made_up(kind, wanted, secret)


def delete(
    store: OutputStore,
    secrets: SecretStore,
    account_id: AccountId,
    output_id: OutputId,
    version: int | None = None,
) -> None:
    """Raise `ConflictError`, naming them, while audiences are connected to it."""
    output = store.get(account_id, output_id)
    require_version(output, version)
    users = [each for each in store.list_connections(account_id) if each.output_id == output_id]
    if users:
        names = ", ".join(f"{each.connection_id} of audience {each.audience_id}" for each in users)
        raise ConflictError(f"the output has connections: delete {names} first")
    store.delete(output)
    for reference in (output.secret_ref, output.log_in_ref):
        if reference:
            secrets.delete(reference)


class CheckStores(Protocol):
    @property
    def outputs(self) -> OutputStore: ...

    @property
    def secrets(self) -> SecretStore: ...

    @property
    def log_ins(self) -> LogInStore: ...


def check(stores: CheckStores, send: Send, account_id: AccountId, output_id: OutputId, now: datetime) -> Fault | None:
    """Tell the partner that nothing changed in an audience it does not have; what stands in the way, if anything."""
    output, now_ms = stores.outputs.get(account_id, output_id), int(now.timestamp() * 1000)
    nothing = Subscription(account_id, AudienceId(0), "", {})
    try:
        open_output(stores, output, send, now_ms).forward(nothing, (), now_ms)
    except (TerminalDeliveryError, RetryableDeliveryError) as error:
        return Fault(kind=FaultKind(error.fault_kind), message=str(error), at=now)
    except (InvalidInputError, NotFoundError) as error:
        return Fault(kind=FaultKind.CONFIGURATION, message=str(error), at=now)
    return None


def _refresh_connections(store: OutputStore, workflows: Workflows, account_id: AccountId, output_id: OutputId) -> None:
    for connection in store.list_connections(account_id):
        if connection.output_id == output_id:
            # A version of its own, so that this run is not taken for the one before.
            saved = store.save_connection(connection)
            workflows.start_connection_fill(account_id, saved.connection_id, saved.version)


def _made_up(kind: ConnectorKind, given: Mapping[str, Any], secret: Mapping[str, str]) -> dict[str, str]:
    return {name: secret[name] for name in sorted(kind.generated) if given.get(name) is None and name in secret}
