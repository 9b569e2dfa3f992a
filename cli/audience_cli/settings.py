"""Where the product is and who is asking: environment, then the running local AWS, then what `login` stored."""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audience_cli.errors import CredentialsError, UsageError

LOCAL_CREDENTIALS = Path(".local") / "credentials.json"
VARIABLES = {
    "url": "AUDIENCES_URL",
    "token_url": "AUDIENCES_TOKEN_URL",
    "client_id": "AUDIENCES_CLIENT_ID",
    "client_secret": "AUDIENCES_CLIENT_SECRET",
    "input_key": "AUDIENCES_INPUT_KEY",
    "input_secret": "AUDIENCES_INPUT_SECRET",
    "aws_endpoint": "AWS_ENDPOINT_URL",
    "stack": "AUDIENCES_STACK",
}
OPTIONS = {"input_key": "--input-key", "input_secret": "--input-secret"}
# What `login` keeps.
STORED = ("url", "token_url", "client_id", "client_secret")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command may need to know; empty where nobody said."""

    url: str = ""
    token_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    input_key: str = ""
    input_secret: str = ""
    aws_endpoint: str = ""
    stack: str = ""

    def require(self, *names: str) -> None:
        """Raise `CredentialsError` if one of them is empty."""
        missing = [name for name in names if not getattr(self, name)]
        if missing:
            ways = ", ".join(f"{OPTIONS.get(name, name)} ({VARIABLES[name]})" for name in missing)
            raise CredentialsError(
                f"not known: {ways}. Run `audiences login`, set the variable, or use --local where `make run` runs."
            )


def load(*, local: bool, **given: str | None) -> Settings:
    """Options first, then the local AWS (when asked for) or the environment and the stored login.

    Raises:
        UsageError: a file of settings cannot be read.
        CredentialsError: `local` was asked for and nothing runs here.
    """
    found = read_local(Path.cwd()) if local else {**read_stored(config_path()), **_environment()}
    known = {name: str(value) for name, value in found.items() if name in VARIABLES}
    return Settings(**{**known, **{name: value for name, value in given.items() if value}})


def config_path() -> Path:
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "audiences" / "config.toml"


def store(path: Path, settings: Settings) -> None:
    """Write the login, readable by its owner alone."""
    lines = [f"{name} = {json.dumps(getattr(settings, name), ensure_ascii=False)}\n" for name in STORED]
    write_private(path, "".join(lines))


def write_private(path: Path, text: str) -> None:
    """Replace the file at once; nobody but its owner can ever read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def read_stored(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def read_local(start: Path) -> Mapping[str, object]:
    """Credentials that `make run` left in this folder or one above it."""
    for folder in (start, *start.parents):
        path = folder / LOCAL_CREDENTIALS
        if path.is_file():
            return _read_json(path)
    raise CredentialsError(f"no {LOCAL_CREDENTIALS} here or above: start the product with `make run` first")


def _read_json(path: Path) -> Mapping[str, object]:
    try:
        found: dict[str, object] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    return found


def _environment() -> dict[str, str]:
    return {name: value for name, variable in VARIABLES.items() if (value := os.environ.get(variable))}
