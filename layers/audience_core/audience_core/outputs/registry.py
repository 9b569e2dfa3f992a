"""Every kind of partner there is: kind -> connector and settings models, written out by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from audience_core.domain.output import Grant, Output
from audience_core.errors import InvalidInputError
from audience_core.outputs.connector import Connector
from audience_core.outputs.connectors import kahuna, mailchimp, webhook
from audience_core.outputs.http import HttpRequest, HttpResponse, Send
from audience_core.outputs.log_in import LogIn
from audience_core.outputs.projection import Acceptance


@dataclass(frozen=True, slots=True)
class ConnectorKind:
    """One card of the directory.

    Args:
        identity_types: canonical names of what it can forward.
        accepts_attributes: whether user attributes can be shared with it.
        output_settings: of an output; fields marked `confidential` belong into the secret store.
        connection_settings: of one audience -> output pair.
        open: the connector for validated output settings, secrets included.
        generated: confidential settings made up for those who give none.
        is_legacy: the partner has ended this service, or announced that it will: kept for those who still have it.
        log_in: how people log in at the partner; None when they cannot.
        is_keyed_by_identity: whether the partner knows members by their identities alone, so that one that two members
            share is removed only with the last of them; otherwise removals name the member.
        flush_after_s: a lane's changes are sent, all together, when the oldest has waited for so long; 0: at once.
        max_concurrency: how many lanes of one output, whatever the number of its connections, may tell the partner of
            members at the same time; None: each of the 8 lanes of each connection.
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

    @property
    def confidential(self) -> frozenset[str]:
        """Names of the output settings that are secrets."""
        return frozenset(name for name, info in self.output_settings.model_fields.items() if _is_confidential(info))


CONNECTORS: dict[str, ConnectorKind] = {
    each.kind: each
    for each in (
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


def connection_settings(kind: ConnectorKind, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check the settings of a connection; what to store. Raise `InvalidInputError`, naming each field."""
    stored: dict[str, Any] = _validated(kind.connection_settings, values).model_dump(mode="json")
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
    return connector_for(output, {}, _mute)


def _mute(request: HttpRequest) -> HttpResponse:
    raise AssertionError("a connector that was opened to be asked must not send")


def _validated(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problems = tuple(("/settings/" + "/".join(str(p) for p in e["loc"]), e["msg"]) for e in error.errors())
        raise InvalidInputError("the settings cannot be used", problems) from error


def _is_confidential(info: Any) -> bool:
    extra = info.json_schema_extra
    return isinstance(extra, dict) and extra.get("confidential") is True
