"""What a careful company asks of the template: encryption, roles, logs, alarms that say what to do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.permissions import CONSOLE, OTHERS, SECRETS, allowed, functions
from local.templates import read_template

ROOT = Path(__file__).parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
RUNBOOK = (ROOT / "docs/operations.md").read_text()
KEY = {"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in TEMPLATE["Resources"].items() if each["Type"] == kind}


TABLES, QUEUES, BUCKETS = (of_type(f"AWS::{each}") for each in ("DynamoDB::Table", "SQS::Queue", "S3::Bucket"))
ALARMS = of_type("AWS::CloudWatch::Alarm")
BOUNDARY = TEMPLATE["Resources"]["FunctionsBoundary"]["Properties"]["PolicyDocument"]["Statement"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_encrypted_restorable_and_outlives_the_stack(name: str) -> None:
    table = TABLES[name]
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted_on_the_way_and_at_rest(name: str) -> None:
    properties = QUEUES[name]["Properties"]
    assert properties["KmsMasterKeyId"] == KEY
    assert properties["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", {"Ref": "AWS::NoValue"}, True]}
    assert ("RedrivePolicy" in properties) is not name.endswith("DeadLetterQueue")
    assert_denies_plain_connections(f"{name}Policy", [{"Fn::GetAtt": [name, "Arn"]}])


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_private_and_encrypted_on_the_way_and_at_rest(name: str) -> None:
    properties = BUCKETS[name]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    own, aws = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "KmsKeyArn"}}, {"SSEAlgorithm": "AES256"}
    # What is in the bucket of the console everybody may read, through CloudFront.
    expected = aws if name == "ConsoleBucket" else {"Fn::If": ["HasKmsKey", own, aws]}
    assert rule["ServerSideEncryptionByDefault"] == expected
    arn = {"Fn::GetAtt": [name, "Arn"]}
    assert_denies_plain_connections(f"{name}Policy", [arn, {"Fn::Sub": f"${{{name}.Arn}}/*"}])


def assert_denies_plain_connections(policy: str, resources: list[Any]) -> None:
    document = TEMPLATE["Resources"][policy]["Properties"]["PolicyDocument"]
    (statement,) = (each for each in document["Statement"] if each["Effect"] == "Deny")
    assert statement["Principal"] == "*"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    given = statement["Resource"]
    assert (given if isinstance(given, list) else [given]) == resources


def test_every_log_is_kept_for_a_while_and_encrypted() -> None:
    groups = of_type("AWS::Logs::LogGroup")
    assert len(groups) == 2
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert group["Properties"]["KmsKeyId"] == KEY
    shared = TEMPLATE["Globals"]["Function"]
    assert shared["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": {"Ref": "FunctionsLog"}}
    assert not [name for name, each in functions(TEMPLATE).items() if "LoggingConfig" in each]


def test_no_statement_allows_everything() -> None:
    """Of a function, or of a state machine; the boundary's exceptions say why there is nothing narrower."""
    machines = of_type("AWS::Serverless::StateMachine").values()
    policies = [*functions(TEMPLATE).values(), *(each["Properties"] for each in machines)]
    for statement in [each for properties in policies for each in statements(properties)]:
        assert "*" not in str(statement["Action"])
        assert statement["Resource"] != "*" or "aws:ResourceAccount" in str(statement["Condition"])
    wide = [str(each["Action"]) for each in BOUNDARY if each.get("Resource") == "*"]
    assert wide == [
        "['xray:PutTraceSegments', 'xray:PutTelemetryRecords']",
        "dynamodb:ListStreams",
        "['s3:PutObject', 'events:PutEvents']",
    ]


def statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for policy in properties.get("Policies", ()) for each in policy.get("Statement", ())]


@pytest.mark.parametrize("name", functions(TEMPLATE))
def test_the_boundary_leaves_a_function_what_it_needs(name: str) -> None:
    function = functions(TEMPLATE)[name]
    assert "Role" not in function, "a role of its own"
    assert "PermissionsBoundary" not in function
    for action, resource, _ in allowed(function):
        assert any(covers(each, action, resource) for each in BOUNDARY if "Fn::If" not in each), (action, resource)


def covers(statement: dict[str, Any], action: str, resource: str) -> bool:
    actions, given = statement["Action"], json.dumps(statement["Resource"])
    words = {SECRETS: ":secret:audience-manager/", OTHERS: '"*"', "SenderEmail": ":ses:", CONSOLE: ":parameter/"}
    is_named = words.get(resource, f'"{resource}"') in given or f":{resource}-*" in given
    is_table = ":table/" in given and resource in TABLES
    return action in (actions if isinstance(actions, list) else [actions]) and (is_named or is_table)


def test_every_dead_letter_queue_and_every_state_machine_has_its_alarm() -> None:
    watched = json.dumps([each["Properties"].get("Dimensions") for each in ALARMS.values()])
    for name in [*(each for each in QUEUES if "DeadLetter" in each), *of_type("AWS::Serverless::StateMachine")]:
        assert f'"{name}"' in watched, name


def test_every_alarm_says_what_to_do_and_every_entry_has_its_alarm() -> None:
    headings = set(re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE))
    for name, alarm in ALARMS.items():
        told = re.search(r'see docs/operations\.md, "(.+)"$', alarm["Properties"]["AlarmDescription"])
        assert told, f"{name} names no entry"
        assert told[1] in headings, name
        section = RUNBOOK.split(f"## {told[1]}\n")[1].split("\n## ")[0]
        assert f"`{name}`" in section, f"{name} is not in the entry that it names"
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert set(re.findall(r"`(\w+Alarm)`", RUNBOOK)) == set(ALARMS)


def test_the_dashboard_is_json_and_shows_what_alarms_watch() -> None:
    body = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    shown = {metric[1] for each in json.loads(body)["widgets"] for metric in each["properties"]["metrics"]}
    jobs = {"ExecutionsFailed"}
    assert {each["Properties"]["MetricName"] for each in ALARMS.values()} - jobs <= shown


def test_a_new_version_takes_over_by_steps_and_an_alarm_takes_it_back() -> None:
    shared = TEMPLATE["Globals"]["Function"]
    assert (shared["AutoPublishAlias"], shared["Tracing"]) == ("live", "Active")
    assert shared["DeploymentPreference"] == {"Type": {"Ref": "Rollout"}, "Alarms": [{"Ref": "ErrorsAlarm"}]}
    authorizers = TEMPLATE["Resources"]["Api"]["Properties"]["Auth"]["Authorizers"].values()
    assert all(each["FunctionArn"]["Ref"].endswith(".Alias") for each in authorizers)
    assert all(0 < each["Identity"]["ReauthorizeEvery"] < 60 for each in authorizers), "revoked within a minute"


def test_every_check_that_is_not_made_has_a_reason() -> None:
    lines = (ROOT / ".checkov.yaml").read_text().splitlines()
    skipped = [place for place, line in enumerate(lines) if line.strip().startswith("- CKV")]
    assert skipped
    assert all(lines[place - 1].strip().startswith("# ") for place in skipped)
