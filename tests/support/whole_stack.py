"""Everything that the template keeps data in, made in an AWS in memory, and told to functions as it tells them."""

import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest

from audience_core import wiring, wiring_archive, wiring_counting, wiring_evaluation, wiring_outputs
from local.templates import Template, read_template
from tests.support.control_stack import REGION, state_machine

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
_KEPT = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "BillingMode")
_WIRINGS = (wiring, wiring_archive, wiring_counting, wiring_evaluation, wiring_outputs)
_CACHED = [each for module in _WIRINGS for each in vars(module).values() if hasattr(each, "cache_clear")]


class WholeStack:
    """`names` holds the physical id of every table, queue, bucket, bus, secret and state machine, by its logical id."""

    def __init__(self) -> None:
        self.template: Template = read_template(TEMPLATE)
        tag = uuid.uuid4().hex[:8]
        made = {name: _make(f"{name}-{tag}", each) for name, each in self.template["Resources"].items()}
        self.names = {name: each for name, each in made.items() if each}

    def tell(self, patch: pytest.MonkeyPatch, **settings: str) -> None:
        """Set the environment of all functions together, and forget what was wired before."""
        functions = [self.template["Globals"]["Function"], *map(_properties, self.template["Resources"].values())]
        for function in functions:
            for name, value in function.get("Environment", {}).get("Variables", {}).items():
                patch.setenv(name, self._value(value))
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setenv("AWS_REGION", REGION)
        for cached in _CACHED:
            cached.cache_clear()

    def _value(self, value: Any) -> str:
        match value:
            case str():
                return value
            case {"Ref": str(name)} if name in self.names:
                return self.names[name]
            case {"Ref": str(name)} if name in self.template["Parameters"]:
                return str(self.template["Parameters"][name].get("Default", ""))
        return ""


def forget_wiring() -> None:
    for cached in _CACHED:
        cached.cache_clear()


def _properties(resource: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resource.get("Properties", {}) if resource["Type"].endswith("::Function") else {}
    return found


def _make(name: str, resource: dict[str, Any]) -> str | None:
    properties = resource.get("Properties", {})
    match resource["Type"]:
        case "AWS::DynamoDB::Table":
            kept = {key: properties[key] for key in _KEPT if key in properties}
            _client("dynamodb").create_table(TableName=name, **kept)
            return name
        case "AWS::SQS::Queue":
            is_fifo = properties.get("FifoQueue", False)
            attributes = {"FifoQueue": "true"} if is_fifo else {}
            called = f"{name}.fifo" if is_fifo else name
            return str(_client("sqs").create_queue(QueueName=called, Attributes=attributes)["QueueUrl"])
        case "AWS::S3::Bucket":
            _client("s3").create_bucket(Bucket=name.lower())
            return name.lower()
        case "AWS::SecretsManager::Secret" if "GenerateSecretString" in properties:
            return str(_client("secretsmanager").create_secret(Name=name, SecretString="k" * 64)["ARN"])
        case "AWS::Events::EventBus":
            return str(_client("events").create_event_bus(Name=name) and name)
        case "AWS::Serverless::StateMachine":
            return state_machine(name)
    return None


def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)
