"""Every kind of partner there is: kind -> connector and settings models, written out by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from audience_core.domain.output import Connection, Grant, Output
from audience_core.errors import InvalidInputError
from audience_core.outputs.connector import Connector
from audience_core.outputs.connectors import braze, eventbridge, kahuna, mailchimp, meta, s3, webhook
from audience_core.outputs.connectors.meta_settings import IDENTITY_TYPES, MetaConnectionSettings, MetaSettings
from audience_core.outputs.http import HttpRequest, HttpResponse, Send
from audience_core.outputs.log_in import LogIn
from audience_core.outputs.lookalike import Lookalike, LookalikeSpec
from audience_core.outputs.projection import Acceptance, Wanted


def _same_for_all(connector: Connector, settings: Mapping[str, Any]) -> Wanted:
    return Wanted(connector.accepted_identities, connector.required_identities)


@dataclass(frozen=True, slots=True)
class ConnectorKind:
    """One card of the directory.

    Args:
        identity_types: canonical names of what it can forward.
        accepts_attributes: whether user attributes can be shared with it.
        output_settings: of an output; fields marked `confidential` belong into the secret store.
        connection_settings: of one audience -> output pair; fields marked `fixed` stay as they were at its creation.
        open: the connector for validated output settings, secrets included.
        generated: confidential settings made up for those who give none.
        is_legacy: the partner has ended this service, or announced that it will: kept for those who still have it.
        log_in: how people log in at the partner; None when they cannot.
        is_keyed_by_identity: whether the partner knows members by their identities alone, so that one that two members
            share is removed only with the last of them; otherwise removals name the member.
        flush_after_s: a lane's changes are sent, all together, when the oldest has waited for so long; 0: at once.
        max_concurrency: how many lanes of one output, whatever the number of its connections, may tell the partner of
            members at the same time; None: each of the 8 lanes of each connection.
        wanted: what a connection forwards, by the connector and the connection's settings.
        make_lookalike: makes one of a connection, given the connector and the settings that the partner wants echoed,
            or finds the same one made before. None where partners make none. Raises as `Connector` does, and
            `InvalidInputError` for an origin that there is not.
    """

    kind: str
    name: str
    description: str
    identity_types: frozenset[str]
    accepts_attributes: bool
    output_settings: type[BaseModel]
    connection_settings: type[BaseModel]
    open: Callable[[Any, Send], Connector]
    generated: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    is_legacy: bool = False
    log_in: LogIn | None = None
    is_keyed_by_identity: bool = True
    flush_after_s: int = 0
    max_concurrency: int | None = None
    wanted: Callable[[Any, Mapping[str, Any]], Wanted] = _same_for_all
    make_lookalike: Callable[[Any, Mapping[str, str], LookalikeSpec], Lookalike] | None = None

    @property
    def confidential(self) -> frozenset[str]:
        """Names of the output settings that are secrets."""
        return _marked(self.output_settings, "confidential")

    @property
    def fixed(self) -> frozenset[str]:
        """Names of the connection settings that cannot be changed."""
        return _marked(self.connection_settings, "fixed")


CONNECTORS: dict[str, ConnectorKind] = {
    each.kind: each
    for each in (
        ConnectorKind(
            kind="braze",
            name="Braze",
            description="Custom attributes of Braze users, to make segments for push, e-mail and in-app messages of.",
            identity_types=braze.IDENTITY_TYPES,
            accepts_attributes=False,
            output_settings=braze.BrazeSettings,
            connection_settings=braze.BrazeConnectionSettings,
            open=braze.BrazeConnector,
        ),
        ConnectorKind(
            kind="eventbridge",
            name="Amazon EventBridge",
            description="An event for each change, on an event bus of yours.",
            identity_types=eventbridge.IDENTITY_TYPES,
            accepts_attributes=False,
            output_settings=eventbridge.EventBridgeSettings,
            connection_settings=eventbridge.EventBridgeConnectionSettings,
            open=eventbridge.EventBridgeConnector,
            is_keyed_by_identity=False,
        ),
        ConnectorKind(
            kind="meta",
            name="Meta Custom Audiences",
            description="Audiences for advertising on Facebook and Instagram, kept in an ad account.",
            identity_types=IDENTITY_TYPES,
            accepts_attributes=False,
            output_settings=MetaSettings,
            connection_settings=MetaConnectionSettings,
            open=meta.MetaConnector,
            flush_after_s=meta.FLUSH_AFTER_S,
            wanted=meta.MetaConnector.wanted,
            make_lookalike=meta.MetaConnector.make_lookalike,
        ),
        ConnectorKind(
            kind="s3",
            name="Amazon S3",
            description="CSV files of changes in a bucket of yours, at AWS or an S3-compatible service.",
            identity_types=s3.IDENTITY_TYPES,
            accepts_attributes=False,
            output_settings=s3.S3Settings,
            connection_settings=s3.S3ConnectionSettings,
            open=s3.S3Connector,
            is_keyed_by_identity=False,
            flush_after_s=s3.FLUSH_AFTER_S,
        ),
        ConnectorKind(
            kind="webhook",
            name="Webhook",
            description="Signed membership messages to an HTTPS endpoint of your own.",
            identity_types=webhook.IDENTITY_TYPES,
            accepts_attributes=True,
            output_settings=webhook.WebhookSettings,
            connection_settings=webhook.WebhookConnectionSettings,
            open=webhook.WebhookConnector,
            generated={"signing_secret": webhook.new_signing_secret},
            is_keyed_by_identity=False,
        ),
        ConnectorKind(
            kind="mailchimp",
            name="Mailchimp",
            description="Members become contacts of a Mailchimp audience, by their e-mail, tagged with the audience.",
            identity_types=mailchimp.IDENTITY_TYPES,
            accepts_attributes=True,
            output_settings=mailchimp.MailchimpSettings,
            connection_settings=mailchimp.MailchimpConnectionSettings,
            open=mailchimp.with_key,
            # Mailchimp takes 10 connections at once from an account, which may have other programs besides this one.
            max_concurrency=5,
            log_in=mailchimp.LOG_IN,
        ),
        ConnectorKind(
            kind="kahuna",
            name="Kahuna",
            description="A user attribute tells members from others. Kahuna is no longer sold.",
            identity_types=kahuna.IDENTITY_TYPES,
            accepts_attributes=False,
            output_settings=kahuna.KahunaSettings,
            connection_settings=kahuna.KahunaConnectionSettings,
            open=kahuna.KahunaConnector,
            is_legacy=True,
        ),
    )
}


def kind_named(kind: str) -> ConnectorKind:
    """Raise `InvalidInputError` for a kind of partner that there is not."""
    if kind not in CONNECTORS:
        raise InvalidInputError(f"there is no connector {kind!r}", (("/connector", "unknown connector"),))
    return CONNECTORS[kind]


def split_settings(kind: ConnectorKind, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Check the settings of an output; those to store openly, and the confidential ones, generated ones included.

    Raises:
        InvalidInputError: names each field.
    """
    generated = {name: make() for name, make in kind.generated.items() if values.get(name) is None}
    settings = _validated(kind.output_settings, {**values, **generated})
    stored = settings.model_dump(mode="json", exclude_none=True)
    secret = {name: str(stored.pop(name)) for name in sorted(kind.confidential) if name in stored}
    return stored, secret


def connection_settings(
    kind: ConnectorKind, values: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Check the settings of a connection; what to store.

    Args:
        before: what is stored of an existing connection.

    Raises:
        InvalidInputError: names each field.
    """
    stored: dict[str, Any] = _validated(kind.connection_settings, values).model_dump(mode="json")
    held = before or {}
    changed = [name for name in sorted(kind.fixed & held.keys()) if stored[name] != held[name]]
    if changed:
        what = "cannot be changed: make another connection"
        raise InvalidInputError("the settings cannot be used", tuple((f"/settings/{name}", what) for name in changed))
    return stored


def connector_for(output: Output, secret: Mapping[str, str], send: Send, grant: Grant | None = None) -> Connector:
    """The connector of an output, with its secrets or as whoever logged in. `InvalidInputError`: unusable settings."""
    kind = kind_named(output.connector)
    settings = _validated(kind.output_settings, {**output.settings, **secret})
    if grant is not None and kind.log_in is not None:
        return kind.log_in.open(settings, grant, send)
    return kind.open(settings, send)


def acceptance_of(output: Output) -> Acceptance:
    """Who is forwarded to an output; for those who need to know it without being able to speak."""
    kind = kind_named(output.connector)
    fields = kind.output_settings.model_fields
    unknown = {name: "unknown" for name in kind.confidential if fields[name].is_required()}
    # Stored settings were checked when they came; without their secrets they need not pass again.
    return kind.open(kind.output_settings.model_construct(None, **unknown, **output.settings), _mute)


def wanted_by(output: Output, connection: Connection) -> Wanted:
    """What is forwarded over a connection of the output; as `acceptance_of`."""
    return kind_named(output.connector).wanted(acceptance_of(output), connection.settings)


def _mute(request: HttpRequest) -> HttpResponse:
    raise AssertionError("a connector that was opened to be asked must not send")


def _validated(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problems = tuple(("/settings/" + "/".join(str(p) for p in e["loc"]), e["msg"]) for e in error.errors())
        raise InvalidInputError("the settings cannot be used", problems) from error


def _marked(model: type[BaseModel], mark: str) -> frozenset[str]:
    extras = {name: info.json_schema_extra for name, info in model.model_fields.items()}
    return frozenset(name for name, extra in extras.items() if isinstance(extra, dict) and extra.get(mark) is True)
