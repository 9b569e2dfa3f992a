"""Commands about definitions in files: to and from the public audience-definition schema. They speak to no server."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from audience_cli.errors import UsageError
from audience_cli.output import print_json
from audience_core.errors import InvalidDefinitionError
from audience_core.management.definitions import parse
from audience_core.management.public_schema.export import to_public
from audience_core.management.public_schema.import_ import from_public

File = Annotated[Path, typer.Argument(help="A JSON file.")]

app = typer.Typer(no_args_is_help=True, help="Convert definitions from and to the public audience-definition schema.")


@app.command("export")
def export(file: File) -> None:
    """Print a definition (or the one of an audience's file) in the public schema."""
    given = _read(file)
    sent = given["definition"] if isinstance(given, dict) and "definition" in given else given
    try:
        print_json(to_public(parse(sent, "")))
    except InvalidDefinitionError as error:
        raise _usage(file, error) from error


@app.command("import")
def import_(file: File) -> None:
    """Print the definition that a file in the public schema holds."""
    try:
        print_json(from_public(_read(file)).model_dump(mode="json"))
    except InvalidDefinitionError as error:
        raise _usage(file, error) from error


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def _usage(file: Path, error: InvalidDefinitionError) -> UsageError:
    problems = "".join(f"\n  {pointer or '/'}: {what}" for pointer, what in error.problems)
    return UsageError(f"{file}: {error}{problems}")
