"""`audiences scenario run`: tests of definitions that anyone can write."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from audience_cli.errors import UsageError
from audience_cli.output import messages
from audience_cli.scenario.model import Scenario
from audience_cli.scenario.player import Difference, play

app = typer.Typer(no_args_is_help=True, help="Play scenario files: tests of definitions.")


@app.callback()
def scenario() -> None:
    """Play scenario files: tests of definitions."""


@app.command("run")
def run(files: Annotated[list[Path], typer.Argument(help="Scenario files (docs/scenarios.md).", exists=True)]) -> None:
    """Play scenarios; exit 1 if an expectation does not come true."""
    console, failed = messages(), 0
    for file in files:
        story = read(file)
        differences = play(story)
        failed += bool(differences)
        console.print(f"{'FAIL' if differences else 'ok'}  {story.name}", markup=False)
        for each in differences:
            console.print(f"      {_sentence(each)}", markup=False, soft_wrap=True)
    console.print(f"{len(files) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


def read(file: Path) -> Scenario:
    """Raise `UsageError` that names the file and the place in it."""
    try:
        return Scenario.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = "/".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"{file}: {place}: {first['msg']}") from error


def _sentence(difference: Difference) -> str:
    parts = [f"{difference.at.isoformat()} {difference.audience} ({difference.engine}):"]
    parts += [f"missing {', '.join(difference.missing)}"] if difference.missing else []
    parts += [f"surplus {', '.join(difference.surplus)}"] if difference.surplus else []
    return " ".join(parts)
