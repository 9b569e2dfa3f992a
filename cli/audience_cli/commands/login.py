"""`audiences login` and `audiences token`: tries a client and remembers it; lends its token to other tools."""

from typing import Annotated

import httpx
import typer

from audience_cli import settings as known
from audience_cli.api import TIMEOUT_SECONDS, Api
from audience_cli.errors import UnreachableError
from audience_cli.output import Local, messages
from audience_cli.settings import Settings
from audience_cli.tokens import ClientCredentials, cache_path


def login(
    url: Annotated[str, typer.Option(envvar="AUDIENCES_URL", help="Address of the API.")] = "",
    token_url: Annotated[str, typer.Option(envvar="AUDIENCES_TOKEN_URL", help="Address that gives tokens.")] = "",
    client_id: Annotated[str, typer.Option(envvar="AUDIENCES_CLIENT_ID", help="The OAuth2 client.")] = "",
    client_secret: Annotated[
        str, typer.Option(envvar="AUDIENCES_CLIENT_SECRET", help="Its secret; asked for when left out.")
    ] = "",
    local: Local = False,
) -> None:
    """Check a client's credentials and keep them for the other commands.

    They are stored in ~/.config/audiences/config.toml, readable by you alone. Environment variables (AUDIENCES_URL,
    AUDIENCES_TOKEN_URL, AUDIENCES_CLIENT_ID, AUDIENCES_CLIENT_SECRET) take precedence over what is stored.
    """
    given = Settings(url=url, token_url=token_url, client_id=client_id, client_secret=client_secret)
    chosen = known.load(local=True) if local else _asked(given)
    with Api(chosen) as api:
        api.get("workspaces")
    path = known.config_path()
    known.store(path, chosen)
    messages().print(f"Logged in to {chosen.url}; stored in {path}.", soft_wrap=True)


def token(local: Local = False) -> None:
    """Print a bearer token, for curl and the like."""
    chosen = known.load(local=local)
    chosen.require("token_url", "client_id", "client_secret")
    typer.echo(bearer(chosen))


def bearer(chosen: Settings) -> str:
    """A token, kept from before or new. Raise `UnreachableError` when nobody answers."""
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS) as http:
            return ClientCredentials(chosen, cache_path()).sync_token(http)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise UnreachableError(f"{chosen.token_url} does not answer: {error}") from error


def _asked(given: Settings) -> Settings:
    return Settings(
        url=given.url or typer.prompt("API address"),
        token_url=given.token_url or typer.prompt("Token address"),
        client_id=given.client_id or typer.prompt("Client id"),
        client_secret=given.client_secret or typer.prompt("Client secret", hide_input=True),
    )
