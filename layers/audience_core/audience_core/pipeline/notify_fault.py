"""Tells the owner of a connection that it was faulted: one e-mail, and one event for machines.

A fault is told apart from all others of its connection by its instant. What was told is marked after it was told, so
that a repeat tells nothing; only a crash between the two tells it again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audience_core.domain.control_stores import AccountStore, AudienceStore, EventBus, Mail, OutputStore
from audience_core.domain.output import Connection, Fault, Output, log_in_page
from audience_core.domain.stores import MarkStore
from audience_core.errors import InvalidInputError, NotFoundError, UnavailableError

EVENT = "Connection Faulted"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notices:
    """What telling an owner needs of the outside world.

    Args:
        mail: None where no address is set up to send from.
        console_url: where the console is; raises `UnavailableError`.
    """

    accounts: AccountStore
    audiences: AudienceStore
    outputs: OutputStore
    marks: MarkStore
    bus: EventBus
    mail: Mail | None
    console_url: Callable[[], str]


def notify_fault(notices: Notices, connection: Connection) -> None:
    """Tell of the fault of a connection, as it was when it was faulted, whatever has become of it.

    Raises:
        UnavailableError: something was not told; what was is not told again.
    """
    fault = connection.fault
    if fault is None:
        return
    ways: dict[str, Callable[[], None]] = {
        "event": lambda: notices.bus.put(EVENT, _detail(notices, connection, fault)),
        "mail": lambda: _send_mail(notices, connection, fault),
    }
    failed = [error for way, tell in ways.items() if (error := _once(notices.marks, connection, fault, way, tell))]
    if failed:
        raise failed[0]


def _once(
    marks: MarkStore, connection: Connection, fault: Fault, way: str, tell: Callable[[], None]
) -> UnavailableError | None:
    """What kept it from being told, if anything did; one way must not keep the other from being tried."""
    name = f"fault-{way}#{connection.account_id}#{connection.connection_id}"
    if (marks.get(name) or "") >= _instant(fault):
        return None
    try:
        tell()
    except UnavailableError as error:
        return error
    except InvalidInputError as error:
        # A repeat would be refused as well.
        logger.warning("fault not told", extra={"way": way, "reason": str(error), **_named(connection)})
    marks.put(name, _instant(fault))
    return None


def _send_mail(notices: Notices, connection: Connection, fault: Fault) -> None:
    recipient = _recipient(notices, connection)
    if notices.mail is None or recipient is None:
        logger.info("nobody to mail", extra=_named(connection))
        return
    notices.mail.send(recipient, *_letter(notices, connection, fault))


def _recipient(notices: Notices, connection: Connection) -> str | None:
    """The output's contact, else the account's."""
    output = _output(notices, connection)
    if output is None:
        return None
    try:
        return output.contact_email or notices.accounts.get(connection.account_id).contact_email
    except NotFoundError:
        return None


def _output(notices: Notices, connection: Connection) -> Output | None:
    try:
        return notices.outputs.get(connection.account_id, connection.output_id)
    except NotFoundError:
        return None


def _log_in_url(notices: Notices, connection: Connection, fault: Fault) -> str | None:
    output = _output(notices, connection)
    page = output and log_in_page(output, fault)
    return notices.console_url() + page if page else None


def _letter(notices: Notices, connection: Connection, fault: Fault) -> tuple[str, str]:
    """Subject and text."""
    audience = _name(lambda: notices.audiences.get(connection.account_id, connection.audience_id).name)
    if connection.variant is not None:
        name = connection.variant.name
        audience = f"{audience} - {_name(lambda: name)}"
    output = _name(lambda: notices.outputs.get(connection.account_id, connection.output_id).name)
    log_in_url = _log_in_url(notices, connection, fault)
    where = f"\nLog in at the partner again, and resume there:\n\n    {log_in_url}\n" if log_in_url else ""
    text = f"""Audience: {audience} ({connection.audience_id})
Output: {output} ({connection.output_id})
Connection: {connection.connection_id}
Fault: {fault.kind}: {fault.message}
Since: {fault.at:%Y-%m-%d %H:%M:%S} UTC
{where}
Nothing is sent to this output for this audience until the connection is resumed. Memberships go on being kept,
and what the partner has missed is sent then. Mend the cause first:

    POST /v1/connections/{connection.connection_id}/resume
"""
    return f"Connection of {audience} to {output} is faulted: {fault.kind}"[:200], text


def _name(find: Callable[[], str]) -> str:
    """One line of it: what people call things must not add headers to a mail."""
    try:
        return " ".join(find().split())
    except NotFoundError:
        return "(deleted)"


def _detail(notices: Notices, connection: Connection, fault: Fault) -> dict[str, Any]:
    return {
        **_named(connection),
        "audience_id": connection.audience_id,
        "variant": connection.variant.name if connection.variant else None,
        "output_id": connection.output_id,
        "fault": {
            "kind": fault.kind.value,
            "message": fault.message,
            "at": fault.at.isoformat(),
            "log_in_url": _log_in_url(notices, connection, fault),
        },
    }


def _named(connection: Connection) -> dict[str, Any]:
    return {"account_id": connection.account_id, "connection_id": connection.connection_id}


def _instant(fault: Fault) -> str:
    return f"{int(fault.at.timestamp() * 1000):015d}"
