"""Connectors, outputs and connections as the API shows them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from audience_core.api.views import Versioned, View
from audience_core.domain.output import (
    Connection,
    ConnectionStatus,
    Fault,
    FaultKind,
    Output,
    RequiredConsent,
    SharedAttributes,
)
from audience_core.outputs.registry import ConnectorKind


class FaultView(View):
    """Args:
    log_in_url: for a browser, where to log in at the partner again; null when that does not mend the fault.
    """

    kind: FaultKind
    message: str
    at: datetime
    log_in_url: str | None = None


class ConnectorView(View):
    """Args:
    output_settings, connection_settings: JSON Schema; `confidential` marks those that are never shown, `fixed` those
        that a connection keeps as it was made with.
    is_legacy: the partner has ended its service; for those who still have it.
    has_log_in: whether one may log in at the partner instead of entering a key: see `authorize`.
    output_settings, connection_settings: JSON Schema; `confidential` marks those that are never shown.
    """

    kind: str
    name: str
    description: str
    identity_types: tuple[str, ...]
    accepts_attributes: bool
    makes_lookalikes: bool
    is_legacy: bool
    has_log_in: bool
    output_settings: dict[str, Any]
    connection_settings: dict[str, Any]


class OutputView(Versioned):
    """Args:
    settings: without the confidential ones.
    is_logged_in: whether somebody has logged in at the partner for it; the partner may have ended that since.
    contact_email: who is told of faults; null for the account's contact.
    faults: its connections that are faulted.
    """

    id: str
    connector: str
    name: str
    settings: dict[str, Any]
    is_logged_in: bool
    contact_email: str | None
    faults: tuple[str, ...]
    created_at: datetime


class OutputSecretView(OutputView):
    """Args:
    generated: confidential settings that were made up for you; shown once, empty ever after.
    """

    generated: dict[str, str] = Field(default_factory=dict)


class OutputTestView(View):
    """Args:
    ok: whether the partner can be used with these settings; if not, `fault` says why.
    """

    ok: bool
    fault: FaultView | None = None


class ConnectedVariantView(View):
    """A variant of the audience's A/B test; `id` is the audience id by which the partner knows it."""

    id: int
    name: str


class LookalikeView(View):
    """An audience at the partner, which is not kept up to date from here."""

    remote_id: str
    name: str


class AuthorizationView(View):
    """Args:
    authorization_url: open it in a browser and log in there; it is good once, for ten minutes.
    """

    authorization_url: str


class SentView(View):
    """What of a lifetime audience the partner should have: by which calculation, and which job brings it there."""

    job_id: str
    calculation_id: str


class ConnectionView(Versioned):
    """Args:
    variant: null when all members of the audience are forwarded.
    attributes: user attributes that are forwarded beside identities; none unless chosen.
    required_consent: without all of it a member is not forwarded.
    sent: of a lifetime audience, what was sent last; null when nothing was.
    notice: what to decide before the partner is told anything; null once it was, or if there is nothing to decide.
    """

    id: str
    audience_id: int
    variant: ConnectedVariantView | None
    output_id: str
    settings: dict[str, Any]
    attributes: SharedAttributes
    required_consent: tuple[RequiredConsent, ...]
    notice: str | None
    status: ConnectionStatus
    fault: FaultView | None
    created_at: datetime
    active_since: datetime | None
    sent: SentView | None


def connector_view(kind: ConnectorKind) -> ConnectorView:
    return ConnectorView(
        kind=kind.kind,
        name=kind.name,
        description=kind.description,
        identity_types=tuple(sorted(kind.identity_types)),
        accepts_attributes=kind.accepts_attributes,
        makes_lookalikes=kind.make_lookalike is not None,
        is_legacy=kind.is_legacy,
        has_log_in=kind.log_in is not None,
        output_settings=kind.output_settings.model_json_schema(),
        connection_settings=kind.connection_settings.model_json_schema(),
    )


def output_view(output: Output, connections: Iterable[Connection]) -> OutputView:
    """Args:
    connections: of the account.
    """
    faulted = (each for each in connections if each.fault and each.output_id == output.output_id)
    return OutputView(
        id=output.output_id,
        connector=output.connector,
        name=output.name,
        settings=output.settings,
        is_logged_in=output.log_in_ref is not None,
        contact_email=output.contact_email,
        faults=tuple(each.connection_id for each in faulted),
        created_at=output.created_at,
        version=output.version,
    )


def output_secret_view(
    output: Output, generated: Mapping[str, str], connections: Iterable[Connection]
) -> OutputSecretView:
    return OutputSecretView(**dict(output_view(output, connections)), generated=dict(generated))


def output_test_view(fault: FaultView | None) -> OutputTestView:
    return OutputTestView(ok=fault is None, fault=fault)


def fault_view(fault: Fault, log_in_url: str | None) -> FaultView:
    return FaultView(kind=fault.kind, message=fault.message, at=fault.at, log_in_url=log_in_url)


_ATTRIBUTES_NOTICE = (
    "This partner takes user attributes: those named in `attributes` are shared with it, and no others. "
    "While the status is inactive nothing is sent."
)


def connection_view(connection: Connection, kind: ConnectorKind, fault: FaultView | None) -> ConnectionView:
    is_unheard, variant, sent = not connection.subscription.is_settled, connection.variant, connection.sent
    # Of members of other accounts there are no attributes to choose.
    is_choosing = is_unheard and kind.accepts_attributes and connection.source is None
    return ConnectionView(
        id=connection.connection_id,
        audience_id=connection.audience_id,
        variant=None if variant is None else ConnectedVariantView(id=variant.audience_id, name=variant.name),
        output_id=connection.output_id,
        settings=connection.settings,
        attributes=connection.attributes,
        required_consent=connection.required_consent,
        notice=_ATTRIBUTES_NOTICE if is_choosing else None,
        status=connection.status,
        fault=fault,
        created_at=connection.created_at,
        active_since=connection.active_since,
        sent=SentView(job_id=sent.job_id, calculation_id=sent.calculation_id) if sent else None,
        version=connection.version,
    )
