"""Uploads functions and state machines to the local AWS, and makes functions run as on Lambda: the real runtime client,
their own code, their layers and nothing else."""

import hashlib
import io
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from local.app import LOCAL_FILES, RUNTIME_PYTHON, RUNTIME_SCRIPT
from local.expand import references
from local.templates import Template

Upload = Callable[[bytes, str], dict[str, str]]
"""Stores bytes under a key of that suffix and returns their `S3Bucket` and `S3Key`."""

ZIP_TIME = (1980, 1, 1, 0, 0, 0)
# Here all share the processors: the emulator goes first, because every function waits for it, and last go those for
# which nobody waits.
NICENESS, PATIENT_NICENESS = 5, 10
LAYER_NOTE = b"Functions read this layer from the folder that their bootstrap names.\n"


@dataclass(frozen=True)
class Folders:
    """`build` is what SAM made; `layers` keeps a copy of each layer ever deployed, since running functions read it."""

    build: Path
    layers: Path


def upload_files(template: Template, folders: Folders, upload: Upload) -> None:
    """Replace, in place, every local file named by the template by the address of its upload."""
    resources = template["Resources"]
    layers = {
        logical_id: keep_layer(folders.build / resource["Properties"]["Content"]["S3Key"], folders.layers)
        for logical_id, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::LayerVersion"
    }
    patient = _with_window(resources)
    for logical_id, resource in resources.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Lambda::LayerVersion":
                properties["Content"] = upload(zipped({"NOTE": LAYER_NOTE}), ".zip")
            case "AWS::Lambda::Function" if _is_local(properties.get("Code"), "S3Bucket"):
                attached = [layers[each] for each in references(properties.get("Layers")) if each in layers]
                niceness = PATIENT_NICENESS if logical_id in patient else NICENESS
                upload_function(properties, folders.build, attached, niceness, upload)
            case "AWS::StepFunctions::StateMachine" if _is_local(properties.get("DefinitionS3Location"), "Bucket"):
                upload_definition(properties, folders.build, upload)


def _with_window(resources: dict[str, Any]) -> set[str]:
    """Functions whose events are gathered for a while, so that nobody waits for them."""
    mappings = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    gathered = [each["FunctionName"] for each in mappings if each.get("MaximumBatchingWindowInSeconds")]
    return {name for each in gathered for name in references(each)}


def upload_function(properties: dict[str, Any], build: Path, layers: list[Path], niceness: int, upload: Upload) -> None:
    files = dict(read_files(build / properties["Code"]["S3Key"]))
    files["bootstrap"] = bootstrap(properties["Runtime"], layers, niceness)
    properties["Runtime"] = "provided.al2023"
    properties["Code"] = upload(zipped(files), ".zip")


def upload_definition(properties: dict[str, Any], build: Path, upload: Upload) -> None:
    definition = yaml.safe_load((build / properties["DefinitionS3Location"]["Key"]).read_text())
    place = upload(json.dumps(definition).encode(), ".json")
    properties["DefinitionS3Location"] = {"Bucket": place["S3Bucket"], "Key": place["S3Key"]}


def bootstrap(runtime: str, layers: list[Path], niceness: int) -> bytes:
    """The program a custom runtime starts: Python's own Lambda runtime client, seeing the function and its layers."""
    path = ":".join(["$LAMBDA_TASK_ROOT", *(f"{layer}/python" for layer in layers)])
    return (
        "#!/bin/sh\n"
        f'export PYTHONPATH="{path}" AWS_EXECUTION_ENV=AWS_Lambda_{runtime}\n'
        "export AWS_LAMBDA_INITIALIZATION_TYPE=on-demand\n"
        'export AWS_LAMBDA_LOG_GROUP_NAME="/aws/lambda/$AWS_LAMBDA_FUNCTION_NAME"\n'
        f'exec nice -n {niceness} "{RUNTIME_PYTHON}" -s -P "{RUNTIME_SCRIPT}" "$_HANDLER"\n'
    ).encode()


def keep_layer(source: Path, layers: Path) -> Path:
    """A copy that no later build changes, named by its content, so that a changed layer is a changed function."""
    kept = layers / _digest(source)
    if not kept.exists():
        unfinished = layers / f"{kept.name}.{os.getpid()}"
        shutil.copytree(source, unfinished)
        unfinished.rename(kept)
    kept.touch()
    return kept


def drop_old_layers(layers: Path, now: float) -> None:
    """Remove copies that no deployment has named for a week (`now`: seconds since 1970)."""
    for kept in layers.glob("*"):
        if now - kept.stat().st_mtime > timedelta(days=7).total_seconds():
            shutil.rmtree(kept)


def read_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def zipped(files: dict[str, bytes]) -> bytes:
    """Equal files give equal bytes, so that unchanged functions are not deployed again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.external_attr = (stat.S_IFREG | (0o755 if name == "bootstrap" else 0o644)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def _is_local(place: Any, bucket: str) -> bool:
    return isinstance(place, dict) and place.get(bucket) == LOCAL_FILES
