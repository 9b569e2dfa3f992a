"""The command `audiences`: every command there is, written out."""

import typer

from audience_cli.commands.audiences import activate, create, history, list_audiences, members, show
from audience_cli.commands.calculate import calculate
from audience_cli.commands.cost import cost
from audience_cli.commands.definition import app as definition
from audience_cli.commands.environment import env
from audience_cli.commands.explain import explain
from audience_cli.commands.exporting import export
from audience_cli.commands.importing import import_files
from audience_cli.commands.login import login, token
from audience_cli.commands.redrive import redrive
from audience_cli.commands.scenario import app as scenario
from audience_cli.output import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Define audiences, bring in history, look at members, and repair queues.",
    pretty_exceptions_show_locals=False,
)
app.command("login")(login)
app.command("token")(token)
app.command("env")(env)
app.command("list")(list_audiences)
app.command("show")(show)
app.command("create")(create)
app.command("activate")(activate)
app.command("calculate")(calculate)
app.command("members")(members)
app.command("history")(history)
app.command("explain")(explain)
app.command("export")(export)
app.command("import")(import_files)
app.command("redrive")(redrive)
app.command("cost")(cost)
app.add_typer(definition, name="definition")
app.add_typer(scenario, name="scenario")
