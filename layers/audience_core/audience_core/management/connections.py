"""Connections of audiences to outputs; a workflow brings the partner in line with each change."""

import secrets
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from audience_core.domain.ab_test import AbTest, Variant, VariantName
from audience_core.domain.account import Record
from audience_core.domain.audience import Audience, AudienceKind
from audience_core.domain.control_stores import FoundAudiences, OutputStore, SecretStore, Workflows
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, OutputId
from audience_core.domain.output import (
    MAX_ATTRIBUTES,
    Connection,
    ConnectionStatus,
    Output,
    RequiredConsents,
    SharedAttributes,
    SubscriptionState,
)
from audience_core.domain.sharing import ReceivedAudience
from audience_core.domain.stores import WakeUpQueue
from audience_core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    StaleVersionError,
    TerminalDeliveryError,
)
from audience_core.evaluation.text import fold
from audience_core.management.lifetime import require_connectable
from audience_core.management.versions import persistently, require_version
from audience_core.outputs.http import Send
from audience_core.outputs.lanes import wake_ups_of
from audience_core.outputs.lookalike import Lookalike, LookalikeSpec
from audience_core.outputs.registry import ConnectorKind, connection_settings, connector_for, kind_named, wanted_by

# What people set; deleting is what becomes of a deleted one.
Switch = Literal[ConnectionStatus.ACTIVE, ConnectionStatus.INACTIVE]


class NewConnection(Record):
    """Args:
    variant: name of a variation of the audience's A/B test, or Control; without it, all members are forwarded.
    settings: as the connector's schema in the directory says.
    attributes: user attributes to forward beside identities; for connectors that take them.
    required_consent: only members who have given all of it are forwarded; who withdraws it leaves the partner.
    status: an inactive one sends nothing until it is set active.
    """

    model_config = ConfigDict(extra="forbid")

    output_id: OutputId
    variant: VariantName | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    attributes: SharedAttributes = SharedAttributes()
    required_consent: RequiredConsents = ()
    status: Switch = ConnectionStatus.ACTIVE


class ConnectionEdit(Record):
    """What to change; what is missing or null stays as it is. Each list and the settings are replaced as a whole."""

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Any] | None = None
    attributes: SharedAttributes | None = None
    required_consent: RequiredConsents | None = None
    status: Switch | None = None


def create(
    store: OutputStore,
    audiences: FoundAudiences,
    workflows: Workflows,
    account_id: AccountId,
    audience_id: AudienceId,
    new: NewConnection,
    now: datetime,
    connection_id: ConnectionId | None = None,
) -> Connection:
    """Connect an active audience, or a variant of it, to an output that it is not connected to yet.

    Args:
        audiences: the account's own and, where those can be connected, received ones.
        connection_id: that it gets; a random one by default.

    Raises:
        ConflictError: it is a draft, or connected to the output; or its A/B test is being deleted, or its sharing over.
        InvalidInputError: there is no such output or variant, or the settings cannot be used.
    """
    audience = audiences.get(account_id, audience_id)
    output = _output(store, account_id, new.output_id)
    variant = None if new.variant is None else _variant(audience, new.variant)
    require_connectable(audience, now)
    _require_unconnected(store, audience, output, variant)
    kind = kind_named(output.connector)
    connection = Connection(
        account_id=account_id,
        connection_id=connection_id or ConnectionId(f"c-{secrets.token_hex(6)}"),
        audience_id=audience_id,
        source=audience.source if isinstance(audience, ReceivedAudience) else None,
        variant=variant,
        output_id=output.output_id,
        settings=connection_settings(kind, new.settings),
        attributes=_shareable(kind, new.attributes),
        required_consent=new.required_consent,
        status=new.status,
        created_at=now,
        active_since=now if new.status is ConnectionStatus.ACTIVE else None,
    )
    _require_identities_alone(connection, output)
    if audience.kind is AudienceKind.LIFETIME:
        # Nothing goes to the partner before somebody sends.
        unsent = {"status": ConnectionStatus.INACTIVE, "active_since": None}
        return store.save_connection(connection.model_copy(update=unsent))
    saved = store.save_connection(connection)
    _require_still(store, audiences, saved)
    return _started(workflows, saved)


def edit(
    store: OutputStore,
    audiences: FoundAudiences,
    workflows: Workflows,
    account_id: AccountId,
    connection_id: ConnectionId,
    version: int | None,
    change: ConnectionEdit,
    now: datetime,
) -> Connection:
    """A fault stays until somebody resumes.

    Raises:
        ConflictError: it is being deleted; or is to be active and of a lifetime audience that was never sent.
    """
    connection = store.get_connection(account_id, connection_id)
    require_version(connection, version)
    _refuse_if_deleting(connection)
    output = store.get(account_id, connection.output_id)
    kind = kind_named(output.connector)
    changes: dict[str, Any] = {}
    if change.settings is not None:
        changes["settings"] = connection_settings(kind, change.settings, connection.settings)
    if change.attributes is not None:
        changes["attributes"] = _shareable(kind, change.attributes)
    if change.required_consent is not None:
        changes["required_consent"] = change.required_consent
    if change.status not in (None, connection.status):
        is_active = change.status is ConnectionStatus.ACTIVE
        if is_active and connection.sent is None:
            _refuse_unsent(audiences.get(account_id, connection.audience_id))
        changes |= {"status": change.status, "active_since": now if is_active else None}
    changed = connection.model_copy(update=changes)
    _require_identities_alone(changed, output)
    return _save(store, workflows, changed)


def delete(
    store: OutputStore,
    workflows: Workflows,
    account_id: AccountId,
    connection_id: ConnectionId,
    version: int | None = None,
) -> Connection:
    """It goes once the partner has been told to forget every member; until then its status is `deleting`.

    Deleting one whose removal has run into a fault gives the partner up: it goes without another word.
    """
    connection = store.get_connection(account_id, connection_id)
    require_version(connection, version)
    is_deleting = connection.status is ConnectionStatus.DELETING
    if is_deleting and not connection.fault:
        # Whoever deleted it may have died before asking for the run, which is named after it and starts once.
        return _started(workflows, connection)
    changes: dict[str, Any] = {"status": ConnectionStatus.DELETING, "active_since": None, "fault": None}
    if is_deleting:
        changes["subscription"] = SubscriptionState.REMOVED
    return _save(store, workflows, connection.model_copy(update=changes))


def delete_once(outputs: OutputStore, workflows: Workflows, connection: Connection) -> None:
    """Delete it, whoever writes it meanwhile; but one whose removal has run into a fault is left alone.

    To delete that again would give its partner up.
    """
    key = connection.account_id, connection.connection_id

    def act() -> None:
        with suppress(NotFoundError):
            found = outputs.get_connection(*key)
            if found.status is not ConnectionStatus.DELETING or found.fault is None:
                delete(outputs, workflows, *key)

    persistently(act)


def resume(
    store: OutputStore,
    wake_ups: WakeUpQueue,
    workflows: Workflows,
    account_id: AccountId,
    connection_id: ConnectionId,
    now_ms: int,
) -> Connection:
    """Clear the fault and send what the partner has missed."""
    connection = store.get_connection(account_id, connection_id)
    resumed = store.save_connection(connection.model_copy(update={"fault": None}))
    is_subscribed = resumed.subscription is SubscriptionState.ACTIVE
    if not (is_subscribed and resumed.status is ConnectionStatus.ACTIVE):
        workflows.start_connection_fill(account_id, connection_id, resumed.version)
    kind = kind_named(store.get(account_id, resumed.output_id).connector)
    wake_ups.send(wake_ups_of(resumed, kind), now_ms)
    return resumed


def make_lookalike(
    store: OutputStore,
    secrets_of: SecretStore,
    send: Send,
    account_id: AccountId,
    connection_id: ConnectionId,
    spec: LookalikeSpec,
) -> Lookalike:
    """Have the partner find people like those of a connection; the same one again when it is asked for again.

    Raises:
        ConflictError: the connector makes none, or not of this connection now.
        RetryableDeliveryError: it may work later.
    """
    connection = store.get_connection(account_id, connection_id)
    output = store.get(account_id, connection.output_id)
    make = kind_named(output.connector).make_lookalike
    if make is None:
        raise ConflictError("the output's partner makes no lookalikes")
    if connection.subscription is not SubscriptionState.ACTIVE:
        raise ConflictError("the partner has not been told of the audience yet")
    secret = secrets_of.get(output.secret_ref) if output.secret_ref else {}
    try:
        return make(connector_for(output, secret, send), connection.subscription_settings, spec)
    except TerminalDeliveryError as error:
        raise ConflictError(f"{error}; an audience needs about a hundred people to have a lookalike") from error


def _shareable(kind: ConnectorKind, attributes: SharedAttributes) -> SharedAttributes:
    """The lists, each name once."""
    if attributes.names and not kind.accepts_attributes:
        detail = f"{kind.name} takes no user attributes"
        raise InvalidInputError("these attributes cannot be shared", (("/attributes", detail),))
    if len(attributes.names) > MAX_ATTRIBUTES:
        detail = f"at most {MAX_ATTRIBUTES} attributes together, not {len(attributes.names)}"
        raise InvalidInputError("too many attributes to share", (("/attributes", detail),))
    account, workspace = tuple(sorted(set(attributes.account))), tuple(sorted(set(attributes.workspace)))
    return SharedAttributes(account=account, workspace=workspace)


def _refuse_unsent(audience: Audience) -> None:
    if audience.kind is AudienceKind.LIFETIME:
        how = f"POST /v1/audiences/{audience.audience_id}/send"
        raise ConflictError(f"a lifetime audience is forwarded when somebody sends it ({how}), which makes it active")


def _refuse_if_deleting(connection: Connection) -> None:
    if connection.status is ConnectionStatus.DELETING:
        raise ConflictError("the connection is being deleted")


def _output(store: OutputStore, account_id: AccountId, output_id: OutputId) -> Output:
    try:
        return store.get(account_id, output_id)
    except NotFoundError as error:
        raise InvalidInputError("the connection leads nowhere", (("/output_id", str(error)),)) from error


def _variant(audience: Audience, name: str) -> Variant:
    test = audience.ab_test
    found = [each for each in test.variants if fold(each.name) == fold(name)] if test else []
    if not found:
        names = ", ".join(each.name for each in test.variants) if test else ""
        detail = f"it is split into {names}" if test else "the audience has no A/B test"
        raise InvalidInputError("the connection has nothing to forward", (("/variant", detail),))
    if test and test.is_ending:
        raise ConflictError("the A/B test is being deleted")
    return found[0]


def _require_unconnected(store: OutputStore, audience: Audience, output: Output, variant: Variant | None) -> None:
    for each in store.list_connections(audience.account_id, audience.audience_id):
        if (each.output_id, each.variant) == (output.output_id, variant):
            # One that is being deleted still removes members at the partner, which would undo what a new one adds.
            what = f"{variant.name} of the audience" if variant else "the audience"
            raise ConflictError(f"{what} is connected to this output: {each.connection_id} is {each.status}")


def _require_identities_alone(connection: Connection, output: Output) -> None:
    """Of members of other accounts nothing but identities is forwarded."""
    if connection.source is None:
        return
    detail = "user attributes of received audiences are not shared"
    if connection.attributes.names:
        raise InvalidInputError("these attributes cannot be shared", (("/attributes", detail),))
    if wanted_by(output, connection).attributes:
        raise InvalidInputError("the settings ask for user attributes", (("/settings", detail),))


def _require_still(store: OutputStore, audiences: FoundAudiences, connection: Connection) -> None:
    """Take a new connection back if its A/B test, or the sharing of its audience, ended after it was looked at.

    Whoever ends one of them marks it as ended, and then looks for its connections (`ab_tests.delete`,
    `shared_connections.disconnect`).
    """
    if connection.variant is None and connection.source is None:
        return
    try:
        test = audiences.get(connection.account_id, connection.audience_id).ab_test
        ended = "" if _is_split(test, connection.variant) else "the A/B test was deleted in between"
    except NotFoundError:
        ended = "the audience is gone"
    if ended:
        # If it was found in between, it is being deleted already.
        with suppress(StaleVersionError):
            store.delete_connection(connection)
        raise ConflictError(ended)


def _is_split(test: AbTest | None, variant: Variant | None) -> bool:
    return variant is None or (test is not None and not test.is_ending and test.test_id == variant.test_id)


def _save(store: OutputStore, workflows: Workflows, connection: Connection) -> Connection:
    return _started(workflows, store.save_connection(connection))


def _started(workflows: Workflows, saved: Connection) -> Connection:
    workflows.start_connection_fill(saved.account_id, saved.connection_id, saved.version)
    return saved
