"""Types that the settings of several connectors share."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from audience_core.errors import TerminalDeliveryError
from audience_core.outputs.endpoint import endpoint_of, is_loopback

# Text that can be the value of a header.
SecretText = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[!-~]+$")]


def usable_url(url: str) -> str:
    """Whether it must be https, and public, is for the sender to say: it knows where it runs."""
    try:
        endpoint_of(url, allow_private=True)
    except TerminalDeliveryError as error:
        raise ValueError(str(error)) from error
    return url


def _local_url(url: str) -> str:
    if not url:
        return url
    endpoint = endpoint_of(usable_url(url), allow_private=True)
    if not is_loopback(endpoint.host) or urlsplit(url).path not in ("", "/"):
        raise ValueError("only an address of this machine, such as http://127.0.0.1:4567")
    return url.rstrip("/")


# A stand-in for the partner. The sender refuses private addresses, this machine's among them, but on a local stack.
LocalUrl = Annotated[
    str, AfterValidator(_local_url), Field(max_length=200, description="A stand-in on this machine, on local stacks")
]
