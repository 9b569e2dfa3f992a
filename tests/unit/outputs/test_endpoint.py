"""Where requests to partners may go, and where they may never go."""

import pytest

from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.endpoint import Endpoint, checked_addresses, endpoint_of, is_loopback, is_public

PUBLIC = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "8.8.8.8")
PRIVATE = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.4",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # metadata of most clouds
    "169.254.170.2",  # credentials of containers
    "100.64.0.1",  # carrier-grade NAT
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",  # documentation
    "198.18.0.1",  # benchmarks
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:2800::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata over IPv6
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:0808:0808::",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "100::1",
    "not an address",
)
HOSTILE = (
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/",
    "example.com",
    "https://",
    "https:///path",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://@example.com/",
    "https://example.com:0/",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:80/",
    "https://example.com:65536/",
    "https://example.com:x/",
    "https://exa mple.com/",
    "https://example.com/\r\nX: y",
    "https://example.com/\tpath",
    "\thttps://example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com\\.evil.example/",
    "https://exämple.com/",
    "https://①②⑦.0.0.1/",
    "https://127.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://1.2.3.4.5/",
    "https://example.0x/",
    "https://[::1/",
    "https://[not:an:address]/",
    "https://[fe80::1%25eth0]/",
    "https://-example.com/",
    "https://exam..ple.com/",
    "https://%31%32%37.0.0.1/",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_everything_else_is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_urls_are_refused_before_any_lookup(url: str) -> None:
    with pytest.raises(TerminalDeliveryError) as refusal:
        endpoint_of(url)

    assert refusal.value.fault_kind == "configuration"
    assert "password" not in str(refusal.value).replace("user name or password", "")


@pytest.mark.parametrize("address", PRIVATE)
def test_one_private_address_among_public_ones_is_enough_to_refuse(address: str) -> None:
    endpoint = endpoint_of("https://partner.example/")

    with pytest.raises(TerminalDeliveryError):
        checked_addresses(endpoint, lambda host, port: (*PUBLIC, address))


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data/"])
def test_literal_addresses_are_checked_like_resolved_ones(url: str) -> None:
    endpoint = endpoint_of(url)

    with pytest.raises(TerminalDeliveryError):
        checked_addresses(endpoint, lambda host, port: (host,))


@pytest.mark.parametrize(
    ("url", "endpoint", "authority"),
    [
        ("https://Example.com", Endpoint(True, "example.com", 443, "/"), "example.com"),
        ("https://example.com.:8443/in?k=v#f", Endpoint(True, "example.com", 8443, "/in?k=v"), "example.com:8443"),
        ("https://xn--exmple-cua.com/%C3%A4", Endpoint(True, "xn--exmple-cua.com", 443, "/%C3%A4"), None),
        ("https://8.8.8.8/", Endpoint(True, "8.8.8.8", 443, "/"), "8.8.8.8"),
        ("https://[2606:2800::1]:8443/", Endpoint(True, "2606:2800::1", 8443, "/"), "[2606:2800::1]:8443"),
    ],
)
def test_good_urls_are_taken_apart(url: str, endpoint: Endpoint, authority: str | None) -> None:
    assert endpoint_of(url) == endpoint
    assert endpoint.authority == (authority or endpoint.host)


def test_public_addresses_are_returned_in_the_resolvers_order() -> None:
    assert checked_addresses(endpoint_of("https://partner.example/"), lambda host, port: PUBLIC) == PUBLIC


def test_a_name_that_does_not_resolve_may_resolve_later() -> None:
    def fail(host: str, port: int) -> tuple[str, ...]:
        raise OSError("no such name")

    endpoint = endpoint_of("https://partner.example/")

    with pytest.raises(RetryableDeliveryError):
        checked_addresses(endpoint, fail)
    with pytest.raises(RetryableDeliveryError):
        checked_addresses(endpoint, lambda host, port: ())


def test_a_local_stack_may_use_http_any_port_and_loopback() -> None:
    endpoint = endpoint_of("http://localhost:81/x", allow_private=True)

    assert endpoint == Endpoint(False, "localhost", 81, "/x")
    assert endpoint_of("http://localhost/", allow_private=True).port == 80
    assert checked_addresses(endpoint, lambda host, port: ("127.0.0.1",), allow_private=True) == ("127.0.0.1",)


def test_a_local_stack_still_refuses_user_info_and_other_schemes() -> None:
    for url in ("ftp://localhost/", "http://user@localhost/", "http://127.1/"):
        with pytest.raises(TerminalDeliveryError):
            endpoint_of(url, allow_private=True)


def test_only_an_address_says_that_it_is_this_machine() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not any(is_loopback(host) for host in ("localhost", "10.0.0.1", "partner.example", "::ffff:8.8.8.8"))
