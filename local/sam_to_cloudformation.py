"""Translates a built SAM template to CloudFormation; runs in `.tools/sam`.

    python -m local.sam_to_cloudformation BUILT_TEMPLATE [NAME=VALUE...] > cloudformation.json

A path in the template becomes an S3 address in the bucket `LOCAL_FILES`, whose key is that path; local/package.py
uploads the files and puts in the true addresses.
"""

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from local.app import LOCAL_FILES

PATH_PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


def name_local_files(template: dict[str, Any]) -> None:
    for resource in template["Resources"].values():
        name = PATH_PROPERTIES.get(resource["Type"])
        properties = resource.get("Properties") or {}
        if name and isinstance(properties.get(name), str):
            properties[name] = f"s3://{LOCAL_FILES}/{properties[name]}"


def parameter_values(template: dict[str, Any], given: list[str]) -> dict[str, Any]:
    declared = template.get("Parameters") or {}
    defaults = {name: each["Default"] for name, each in declared.items() if "Default" in each}
    return {**defaults, **dict(pair.split("=", 1) for pair in given)}


def explain(error: InvalidDocumentException) -> str:
    return "\n".join([error.message, *(cause.message for cause in error.causes)])


def main(path: str, *given: str) -> None:
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    template = yaml_parse(Path(path).read_text())
    name_local_files(template)
    no_managed_policies = SimpleNamespace(load=dict)
    try:
        expanded = transform(template, parameter_values(template, list(given)), no_managed_policies)
    except InvalidDocumentException as error:
        sys.exit(explain(error))
    json.dump(expanded, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
