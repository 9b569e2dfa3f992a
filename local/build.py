"""Builds the application with `sam build`, unless nothing it is made of has changed."""

import fcntl
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.app import ROOT, App, LocalError
from local.templates import read_template

LAMBDA_PLATFORM = "x86_64-manylinux_2_28"
LAYER_PLATFORMS = {
    ("Linux", "x86_64"): LAMBDA_PLATFORM,
    ("Linux", "aarch64"): "aarch64-manylinux_2_28",
    ("Darwin", "arm64"): "aarch64-apple-darwin",
    ("Darwin", "x86_64"): "x86_64-apple-darwin",
}
PATH_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def build(app: App, layer_platform: str | None = None) -> bool:
    """Bring the build up to date; false when it already was.

    Args:
        layer_platform: what layers are built for, in uv's terms; this machine unless given.

    Raises:
        LocalError: with what SAM, or a layer's Makefile, said.
    """
    built_for = layer_platform or this_machine()
    app.build.parent.mkdir(parents=True, exist_ok=True)
    with _alone(app):
        wanted, record = f"{built_for} {digest(app)}", app.build.parent / "built.sha256"
        if app.built_template.exists() and record.exists() and record.read_text() == wanted:
            return False
        record.unlink(missing_ok=True)
        sam_build(app, built_for)
        record.write_text(wanted)
        return True


def digest(app: App) -> str:
    """One text for everything `sam build` reads. State machines are not among it: the built template points at them."""
    found = hashlib.sha256()
    for path in [app.template, *(each for part in parts(app) for each in sources(app.source / part))]:
        found.update(f"{path.relative_to(app.source)}\0{path.stat().st_size}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def parts(app: App) -> list[str]:
    """Folders of the functions and layers that the template names."""
    resources: list[dict[str, Any]] = list(read_template(app.template)["Resources"].values())
    named = {
        each["Properties"][PATH_PROPERTIES[each["Type"]]]
        for each in resources
        if each["Type"] in PATH_PROPERTIES and "InlineCode" not in each["Properties"]
    }
    return sorted(named)


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def sam_build(app: App, layer_platform: str) -> None:
    command = ["sam", "build", "--cached", "--parallel", "--template-file", str(app.template)]
    # SAM's cache does not know what a layer was built for.
    command += ["--build-dir", str(app.build), "--cache-dir", str(app.build.parent / f"cache-{layer_platform}")]
    done = subprocess.run(
        command,
        cwd=app.source,
        env=environment(layer_platform),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"sam build failed:\n{done.stdout}{done.stderr}")


def environment(layer_platform: str) -> dict[str, str]:
    """SAM finds the product's Python and uv first."""
    folders = [str(ROOT / ".venv" / "bin"), str(ROOT / ".tools" / "uv" / "bin"), str(ROOT / ".tools" / "sam" / "bin")]
    return {
        **os.environ,
        "PATH": os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]),
        "SAM_CLI_TELEMETRY": "0",
        # SAM insists on a region even where none matters.
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        "LAYER_PLATFORM": layer_platform,
    }


def this_machine() -> str:
    return LAYER_PLATFORMS.get((platform.system(), platform.machine()), LAMBDA_PLATFORM)


@contextmanager
def _alone(app: App) -> Iterator[None]:
    """Two builds into one folder would destroy each other's."""
    with (app.build.parent / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
