"""Where a request to a partner may go: never into a private network, never to an address that was not checked."""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from audience_core.domain.output import FaultKind
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError

type Resolve = Callable[[str, int], Sequence[str]]

_HTTPS_PORT = 443
_FIRST_UNPRIVILEGED_PORT = 1024
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
# Every public IPv6 address is in here; mapped and translated IPv4 addresses, which may be private, are not.
_UNICAST = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL taken apart; `target` is the path and query as they go over the wire."""

    is_tls: bool
    host: str
    port: int
    target: str

    @property
    def door(self) -> tuple[bool, str, int]:
        """What a connection leads to, whatever is asked through it."""
        return self.is_tls, self.host, self.port

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = _HTTPS_PORT if self.is_tls else 80
        return host if self.port == default else f"{host}:{self.port}"


def endpoint_of(url: str, *, allow_private: bool = False) -> Endpoint:
    """Read a partner's URL: https, no user info, port 443 or from 1024 up. With `allow_private` http and any port too.

    Raises:
        TerminalDeliveryError: requests may not go there; says why without repeating the URL.
    """
    if not _PRINTABLE.fullmatch(url):
        raise _refused("the URL has characters that must be percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused("the URL is malformed") from error
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise _refused("the URL must begin with https://")
    if "@" in parts.netloc:
        raise _refused("the URL must not hold a user name or password")
    is_tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(is_tls, _host(parts), _port(port, is_tls, allow_private), target)


def checked_addresses(endpoint: Endpoint, resolve: Resolve, *, allow_private: bool = False) -> Sequence[str]:
    """The addresses of the host, in the resolver's order: connect to these and to nothing looked up later.

    Raises:
        TerminalDeliveryError: one of them is not on the public internet; one is enough to refuse all.
        RetryableDeliveryError: the name does not resolve.
    """
    try:
        addresses = resolve(endpoint.host, endpoint.port)
    except OSError as error:
        raise RetryableDeliveryError(f"the name {endpoint.host} cannot be resolved") from error
    if not addresses:
        raise RetryableDeliveryError(f"the name {endpoint.host} has no address")
    if not allow_private and not all(is_public(each) for each in addresses):
        raise _refused(f"{endpoint.host} is not on the public internet")
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP address, in text, can only be reached over the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.version == 6 and (ip not in _UNICAST or "%" in address):
        return False
    return ip.is_global and not ip.is_multicast


def is_loopback(host: str) -> bool:
    """Whether a host, as `Endpoint` has it, is this machine by its address: a name may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Addresses of a host by the system's resolver, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(info[4][0]) for info in found))


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").removesuffix(".")
    if "[" in parts.netloc:
        return _ipv6_host(host)
    # A last label that is a number makes it an IPv4 address to most readers, in whichever of its odd spellings.
    if re.fullmatch(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)", host):
        return _ipv4_host(host)
    if not _HOST.fullmatch(host):
        raise _refused("the URL has no valid host name (international names in their xn-- form)")
    return host


def _ipv6_host(host: str) -> str:
    if "%" in host:
        raise _refused("the URL must not name a network interface")
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError as error:
        raise _refused("the URL has no valid IPv6 address") from error


def _ipv4_host(host: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError as error:
        raise _refused("the URL has no valid IPv4 address") from error


def _port(port: int | None, is_tls: bool, allow_private: bool) -> int:
    if port is None:
        return _HTTPS_PORT if is_tls else 80
    if port == 0 or not (allow_private or port == _HTTPS_PORT or port >= _FIRST_UNPRIVILEGED_PORT):
        raise _refused("the port must be 443, or 1024 or higher")
    return port


def _refused(reason: str) -> TerminalDeliveryError:
    return TerminalDeliveryError(reason, FaultKind.CONFIGURATION)
