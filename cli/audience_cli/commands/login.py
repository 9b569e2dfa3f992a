"""`audiences login`: tries a client and remembers it."""

from typing import Annotated

import typer

from audience_cli import settings as known
from audience_cli.api import Api
from audience_cli.output import Local, messages
from audience_cli.settings import Settings


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

    They are stored in ~/.config/audiences/config.toml, readable by you alone. Environment variables of the same names
    (AUDIENCES_URL, ...) take precedence over what is stored.
    """
    given = Settings(url=url, token_url=token_url, client_id=client_id, client_secret=client_secret)
    chosen = known.load(local=True) if local else _asked(given)
    with Api(chosen) as api:
        api.get("workspaces", limit=1)
    path = known.config_path()
    known.store(path, chosen)
    messages().print(f"Logged in to {chosen.url}; stored in {path}.", soft_wrap=True)


def _asked(given: Settings) -> Settings:
    return Settings(
        url=given.url or typer.prompt("API address"),
        token_url=given.token_url or typer.prompt("Token address"),
        client_id=given.client_id or typer.prompt("Client id"),
        client_secret=given.client_secret or typer.prompt("Client secret", hide_input=True),
    )
