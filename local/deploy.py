"""Deploys a built SAM application to the local AWS, with the calls that `sam deploy` makes on AWS."""

import hashlib
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.app import ROOT, SAM_PYTHON, STATE, App, LocalError
from local.aws import REGION, client
from local.emulator import Emulator
from local.expand import Omission, without_unhosted, without_versions
from local.http_apis import with_explicit_routes
from local.package import Folders, Upload, upload_files
from local.templates import Template, read_template

STACK = "audiences"
BUCKET = "local-artifacts"
TRANSLATOR = Path(__file__).with_name("sam_to_cloudformation.py")
# Each is a process of its own here.
BACKFILL_CONCURRENCY = EXPORT_CONCURRENCY = 3
COMPACTION_CONCURRENCY = 2
# Streams are read at once here.
EXPORT_SETTLE_SECONDS = 5
# As long as it takes somebody to look for a figure.
COUNTING_WINDOW_SECONDS = SUMMARY_WINDOW_SECONDS = 2
# Functions of the local stack are done with a message within seconds.
ERASURE_SETTLE_SECONDS = 20
SENDER = "exports@audiences.example"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
Outputs = dict[str, str]


def deploy(app: App, emulator: Emulator, parameters: dict[str, str] | None = None) -> tuple[Outputs, list[Omission]]:
    """Create or update the stack; its outputs are also written to `outputs.json` in the emulator's folder."""
    given = _of_this_machine(app, emulator) | (parameters or {})
    template, omissions = without_unhosted(without_versions(translate(app, emulator.directory, given)))
    template = with_explicit_routes(template)
    upload = uploader(emulator)
    upload_files(template, Folders(app.build, STATE / "layers"), upload)
    apply(template, emulator, upload, given)
    finish(template, emulator)
    outputs = read_outputs(emulator)
    (emulator.directory / "outputs.json").write_text(json.dumps(outputs, indent=2) + "\n")
    return outputs, omissions


def _of_this_machine(app: App, emulator: Emulator) -> dict[str, str]:
    """The parameters by which a template says where it runs, as far as this one has them."""
    here = {
        "IdentityEndpoint": emulator.endpoint,
        "AllowPrivateEndpoints": "true",
        "ConsoleUrl": emulator.console_url,
        "BackfillConcurrency": str(BACKFILL_CONCURRENCY),
        "ExportConcurrency": str(EXPORT_CONCURRENCY),
        "ExportSettleSeconds": str(EXPORT_SETTLE_SECONDS),
        "ErasureSettleSeconds": str(ERASURE_SETTLE_SECONDS),
        "CountingWindow": str(COUNTING_WINDOW_SECONDS),
        "SummaryWindow": str(SUMMARY_WINDOW_SECONDS),
        "SenderEmail": SENDER,
        "CompactionConcurrency": str(COMPACTION_CONCURRENCY),
    }
    declared = read_template(app.template).get("Parameters", {})
    return {name: value for name, value in here.items() if name in declared}


def translate(app: App, directory: Path, parameters: dict[str, str]) -> Template:
    """The template in CloudFormation's own terms; kept, because starting the translator takes a second."""
    arguments = [f"{name}={value}" for name, value in sorted(parameters.items())]
    known = hashlib.sha256(
        b"\0".join([app.built_template.read_bytes(), TRANSLATOR.read_bytes(), *map(str.encode, arguments)])
    )
    kept = directory / f"cloudformation-{known.hexdigest()[:16]}.json"
    if not kept.exists():
        environ = {**os.environ, "AWS_DEFAULT_REGION": REGION}
        command: list[str | Path] = [SAM_PYTHON, "-m", "local.sam_to_cloudformation", app.built_template, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalError(f"the template cannot be translated to CloudFormation:\n{done.stderr}")
        kept.write_text(done.stdout)
    template: Template = json.loads(kept.read_text())
    return template


def uploader(emulator: Emulator) -> Upload:
    s3 = client("s3", emulator.endpoint)
    s3.create_bucket(Bucket=BUCKET)
    present = {each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}

    def upload(content: bytes, suffix: str) -> dict[str, str]:
        key = hashlib.sha256(content).hexdigest() + suffix
        if key not in present:
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
            present.add(key)
        return {"S3Bucket": BUCKET, "S3Key": key}

    return upload


def apply(template: Template, emulator: Emulator, upload: Upload, parameters: dict[str, str]) -> None:
    cloudformation = client("cloudformation", emulator.endpoint)
    key = upload(json.dumps(template).encode(), ".template")["S3Key"]
    request = {
        "StackName": STACK,
        "TemplateURL": f"{emulator.endpoint}/{BUCKET}/{key}",
        "Capabilities": CAPABILITIES,
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    }
    try:
        if stack_exists(cloudformation):
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return
        raise LocalError(f"the local AWS refuses the template: {error}") from error
    await_stack(cloudformation)


def stack_exists(cloudformation: Any) -> bool:
    try:
        cloudformation.describe_stacks(StackName=STACK)
    except ClientError:
        return False
    return True


def await_stack(cloudformation: Any) -> None:
    while (status := describe(cloudformation)["StackStatus"]).endswith("IN_PROGRESS"):
        time.sleep(0.05)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        failed = [
            f"  {each['LogicalResourceId']} ({each['ResourceType']}): {each.get('ResourceStatusReason', '')}"
            for each in reversed(events)
            if each["ResourceStatus"].endswith("FAILED")
        ]
        raise LocalError("\n".join([f"the stack ended in {status}:", *failed]))


def describe(cloudformation: Any) -> dict[str, Any]:
    stack: dict[str, Any] = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    return stack


def finish(template: Template, emulator: Emulator) -> None:
    """Set what the emulator's CloudFormation drops or garbles, through the services' own APIs."""
    cloudformation = client("cloudformation", emulator.endpoint)
    for logical_id, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::DynamoDB::Table" and "TimeToLiveSpecification" in properties:
            table = _physical_id(cloudformation, logical_id)
            _expire(client("dynamodb", emulator.endpoint), table, properties["TimeToLiveSpecification"])
        if resource["Type"] == "AWS::ApiGatewayV2::Api" and "CorsConfiguration" in properties:
            api = _physical_id(cloudformation, logical_id)
            apis = client("apigatewayv2", emulator.endpoint)
            apis.update_api(ApiId=api, CorsConfiguration=properties["CorsConfiguration"])
        if resource["Type"] == "AWS::Lambda::Function" and "PUBLIC_URL" in _variables(properties):
            _tell_address(emulator, _physical_id(cloudformation, logical_id))
    verify_sender(emulator)


def _variables(properties: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return found


def _tell_address(emulator: Emulator, function: str) -> None:
    """An HTTP API cannot be reached here at the host name that it tells its functions."""
    functions = client("lambda", emulator.endpoint)
    known = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    changed = known | {"PUBLIC_URL": read_outputs(emulator).get("ApiUrl", "")}
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": changed})


def verify_sender(emulator: Emulator) -> None:
    """On AWS whoever owns the address confirms it."""
    mail = client("sesv2", emulator.endpoint)
    try:
        mail.create_email_identity(EmailIdentity=SENDER)
    except mail.exceptions.AlreadyExistsException:
        return


def _physical_id(cloudformation: Any, logical_id: str) -> str:
    found = cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
    physical_id: str = found["StackResourceDetail"]["PhysicalResourceId"]
    return physical_id


def _expire(dynamodb: Any, table: str, specification: dict[str, Any]) -> None:
    known = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if known["TimeToLiveStatus"] == "DISABLED":
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)


def read_outputs(emulator: Emulator) -> Outputs:
    stack = describe(client("cloudformation", emulator.endpoint))
    return {each["OutputKey"]: reachable(each["OutputValue"], emulator.endpoint) for each in stack.get("Outputs", [])}


def reachable(value: str, endpoint: str) -> str:
    """AWS host names as addresses of this machine; every other value as it is."""
    api = re.sub(r"^https?://([0-9a-f]+)\.execute-api\.[^/]+", rf"{endpoint}/_aws/execute-api/\1", value)
    return re.sub(r"^https://[\w-]+\.auth\.[\w-]+\.amazoncognito\.com", endpoint, api)
