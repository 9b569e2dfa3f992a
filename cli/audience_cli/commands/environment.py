"""`audiences env`: what curl needs, as shell variables."""

import shlex

import typer

from audience_cli import settings as known
from audience_cli.api import Api
from audience_cli.commands.login import bearer
from audience_cli.errors import UsageError
from audience_cli.output import Local
from audience_cli.settings import Settings


def env(local: Local = False) -> None:
    """Print API, TOKEN, KEY, SECRET, WORKSPACE and INPUT for `source <(audiences env)`.

    Key and secret are those of the input that AUDIENCES_INPUT_KEY and AUDIENCES_INPUT_SECRET (or --local) name.
    """
    chosen = known.load(local=local)
    chosen.require("url", "token_url", "client_id", "client_secret", "input_key", "input_secret")
    workspace, input_id = _owner(chosen)
    found = {
        "API": chosen.url,
        "TOKEN": bearer(chosen),
        "KEY": chosen.input_key,
        "SECRET": chosen.input_secret,
        "WORKSPACE": workspace,
        "INPUT": input_id,
    }
    for name, value in found.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _owner(chosen: Settings) -> tuple[str, str]:
    """Workspace and input that own the ingest key."""
    with Api(chosen) as api:
        for workspace in api.pages("workspaces"):
            for each in api.pages(f"workspaces/{workspace['id']}/inputs"):
                if each["key"] == chosen.input_key:
                    return workspace["id"], each["id"]
    raise UsageError("no input of this account has that ingest key")
