"""What a connector promises, and what the status codes of partners mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Protocol

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.output import FaultKind, Forward
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.http import HttpResponse

SUCCESS = frozenset({200, 202})
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
# What a partner answers when its list is gone, has moved, or was never there.
_MISPLACED = frozenset({404, 405, 410})


@dataclass(frozen=True, slots=True)
class Subscription:
    """The partner's side of a connection, as messages name it.

    Args:
        audience_name: the external one.
        settings: of the connection, with those that the partner wants echoed.
        revision: changes whenever the output or the connection does.
    """

    account_id: AccountId
    audience_id: AudienceId
    audience_name: str
    settings: Mapping[str, str]
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A member whose change the partner will not take; it is not asked again until something else is desired.

    Args:
        reason: in words of the connector's own, without identities; it is kept, and shown to the owner.
        is_partial: some of the change was taken, such as one of several identities.
    """

    mpid: Mpid
    reason: str
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The partner has all changes of a `forward` but the rejected ones."""

    rejected: tuple[Rejection, ...] = ()


class Connector(Protocol):
    """The code for one kind of partner, opened for one output. Saying anything twice must be harmless.

    Every method may raise `RetryableDeliveryError` (the partner may or may not have heard) and
    `TerminalDeliveryError` (somebody must act; asking for suspension is one). `now_ms` is UTC ms.
    """

    @property
    def accepted_identities(self) -> frozenset[str]:
        """Canonical identity types that may be forwarded."""

    @property
    def required_identities(self) -> frozenset[str]:
        """If not empty, members without any identity of these types are not forwarded."""

    @property
    def batch_size(self) -> int:
        """Members per `forward`, at most."""

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        """Announce an audience, before any member; the settings that the partner wants echoed later on."""

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        """Announce changed settings or a changed name; as `subscribe`."""

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        """Say that the audience comes no more, after its last member was removed."""

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        """Tell the partner about at most `batch_size` members; none: see whether it would listen.

        Removals are told first: an identity that one member gives up may be what another one brings.
        """


def raise_for_status(response: HttpResponse) -> None:
    """Raise what a status other than success asks for; the message never holds the partner's own words.

    A partner's text may repeat identities, and faults are shown and logged.
    """
    status = response.status
    if status in SUCCESS:
        return
    message = f"the partner answered {_in_words(status)}"
    if status in RETRIED:
        kind = FaultKind.RATE_LIMIT if status == HTTPStatus.TOO_MANY_REQUESTS else FaultKind.PARTNER_ERROR
        raise RetryableDeliveryError(message, retry_after_s(response), kind)
    raise TerminalDeliveryError(message, _fault_kind(status))


def retry_after_s(response: HttpResponse) -> float | None:
    """Seconds that the partner asks to wait, from its Retry-After in either form (RFC 9110, 10.2.3)."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until, sent = parsedate_to_datetime(text), parsedate_to_datetime(response.headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (TypeError, ValueError):
        return None


def _fault_kind(status: int) -> FaultKind:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return FaultKind.AUTHENTICATION
        case HTTPStatus.FORBIDDEN:
            return FaultKind.PERMISSIONS
        case _ if status in _MISPLACED or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return FaultKind.CONFIGURATION
    return FaultKind.PARTNER_ERROR


def _in_words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
