"""What commands print: tables for people, JSON for scripts, and failures in one sentence."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from audience_cli.errors import CliError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Local = Annotated[bool, typer.Option("--local", help="Use what `make run` started in this folder or above.")]
UNKNOWN = "--"


class Commands(TyperGroup):
    """Ends with a message and an exit code where a command raises a `CliError`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            messages().print(f"[red]error:[/red] {_escaped(str(error))}", soft_wrap=True, highlight=False)
            raise typer.Exit(error.exit_code) from error


def messages() -> Console:
    """For people; standard output is left to results."""
    return Console(stderr=True)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], numeric: Sequence[str] = ()) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in numeric else "left", overflow="fold", no_wrap=name in numeric)
    for row in rows:
        table.add_row(*(_escaped(shown(each)) for each in row))
    Console().print(table)


def shown(value: Any) -> str:
    """A value for people: what is not known is `--`, numbers have thousands separated."""
    if value is None:
        return UNKNOWN
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")
