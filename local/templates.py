"""Reads CloudFormation YAML as plain data: short tags such as `!Ref` become their long form."""

from pathlib import Path
from typing import Any

import yaml

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """A loader of its own, so that nobody else's YAML learns these tags."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
            return {name: value.split(".", 1) if suffix == "GetAtt" else value}
        case yaml.SequenceNode():
            return {name: loader.construct_sequence(node, deep=True)}
        case yaml.MappingNode():
            return {name: loader.construct_mapping(node, deep=True)}
    raise TypeError(f"unexpected YAML under !{suffix}: {node}")


_Loader.add_multi_constructor("!", _intrinsic)


def read_template(path: Path) -> Template:
    template: Template = yaml.load(path.read_text(), Loader=_Loader)
    return template
