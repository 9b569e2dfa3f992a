"""A SAM application deployed to the local AWS behaves as on AWS."""

import json
import time

import httpx
import jwt
import pytest

from local.build import build
from local.deploy import deploy

pytestmark = pytest.mark.stack
PATIENCE_SECONDS = 60


def invoke(stack, name, payload):
    answer = stack.client("lambda").invoke(FunctionName=stack.outputs[name], Payload=json.dumps(payload))
    return json.loads(answer["Payload"].read())


def eventually(answer):
    """The first true answer; queues and streams are polled, so it takes a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := answer()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def item(stack, key):
    found = stack.client("dynamodb").get_item(TableName=stack.outputs["TableName"], Key={"pk": {"S": key}})
    return found.get("Item")


def test_routes_ask_their_authorizer(stack):
    url = stack.outputs["ApiUrl"]

    let_in = httpx.get(f"{url}/v1/anything", headers={"authorization": "let-me-in"})
    refused = httpx.get(f"{url}/v1/anything", headers={"authorization": "please"})
    anonymous = httpx.get(f"{url}/v1/anything")
    public = httpx.get(f"{url}/health")

    assert (let_in.status_code, let_in.text) == (200, "good day tester")
    assert (refused.status_code, anonymous.status_code, public.status_code) == (403, 401, 200)


def test_cors_is_answered(stack):
    headers = {"origin": "https://console.example", "access-control-request-method": "GET"}

    answer = httpx.options(f"{stack.outputs['ApiUrl']}/v1/anything", headers=headers)

    assert answer.headers["access-control-allow-origin"] == "https://console.example"


def test_message_goes_through_queue_and_stream(stack):
    url = f"{stack.outputs['ApiUrl']}/v2/events"
    headers = {"authorization": "let-me-in", "content-type": "text/plain"}

    answer = httpx.post(url, content="parcel", headers=headers)

    assert answer.status_code == 202
    assert eventually(lambda: item(stack, "seen parcel")) == {"pk": {"S": "seen parcel"}, "kind": {"S": "streamed"}}
    assert item(stack, "seen seen parcel") is None


def test_fifo_queue_reaches_its_function(stack):
    stack.client("sqs").send_message(QueueUrl=stack.outputs["OrderedUrl"], MessageBody="first", MessageGroupId="g")

    assert eventually(lambda: item(stack, "first"))


def test_event_sources_keep_their_settings(stack):
    mappings = stack.client("lambda").list_event_source_mappings(FunctionName=stack.outputs["CollectName"])

    by_source = {each["EventSourceArn"].split(":")[2]: each for each in mappings["EventSourceMappings"][::-1]}
    reporting = [each for each in mappings["EventSourceMappings"] if each["FunctionResponseTypes"]]
    assert len(mappings["EventSourceMappings"]) == 3
    assert len(reporting) == 2
    assert any(each.get("ScalingConfig") == {"MaximumConcurrency": 2} for each in mappings["EventSourceMappings"])
    assert "INSERT" in by_source["dynamodb"]["FilterCriteria"]["Filters"][0]["Pattern"]


def test_error_keeps_its_type(stack):
    answer = invoke(stack, "FrontName", {"fail": "no luck"})

    assert (answer["errorType"], answer["errorMessage"]) == ("KnownTroubleError", "no luck")


@pytest.mark.parametrize("package", ["pytest", "ministack", "pydantic", "yaml"])
def test_only_what_lambda_has_can_be_imported(stack, package):
    answer = invoke(stack, "FrontName", {"import": package})

    assert answer["errorType"] == "Runtime.ImportModuleError" or answer["errorType"] == "ModuleNotFoundError"


def test_state_machine_catches_errors_by_type(stack):
    machines = stack.client("stepfunctions")
    started = machines.start_execution(stateMachineArn=stack.outputs["StateMachineArn"], input='{"fail": "x"}')

    def ended():
        execution = machines.describe_execution(executionArn=started["executionArn"])
        return execution if execution["status"] != "RUNNING" else None

    assert json.loads(eventually(ended)["output"]) == "known trouble"


def test_time_to_live_is_on(stack):
    table = stack.client("dynamodb").describe_time_to_live(TableName=stack.outputs["TableName"])

    assert table["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_client_credentials_give_a_token_signed_by_the_pool(stack):
    identity = stack.client("cognito-idp")
    ids = {"UserPoolId": stack.outputs["UserPoolId"], "ClientId": stack.outputs["ClientId"]}
    secret = identity.describe_user_pool_client(**ids)["UserPoolClient"]["ClientSecret"]

    answer = httpx.post(
        f"{stack.outputs['SignInUrl']}/oauth2/token",
        data={"grant_type": "client_credentials", "scope": "sample/read"},
        auth=(ids["ClientId"], secret),
    )

    token = answer.json()["access_token"]
    keys = jwt.PyJWKClient(f"{stack.endpoint}/{ids['UserPoolId']}/.well-known/jwks.json")
    claims = jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["RS256"])
    assert claims["scope"] == "sample/read"


def test_changed_handler_is_served_after_another_deployment(stack, sample):
    handler = sample.source / "functions/front/handler.py"
    handler.write_text(handler.read_text().replace("greet(who)", "greet(who).upper()"))

    build(sample)
    outputs, omissions = deploy(sample, stack.emulator, {"Greeting": "good day"})

    assert outputs == stack.outputs
    assert [each.logical_id for each in omissions] == ["Unwell", "Unwell"]
    assert httpx.get(f"{outputs['ApiUrl']}/health").text == "GOOD DAY STRANGER"


def test_changed_layer_is_served_after_another_deployment(stack, sample):
    layer = sample.source / "layers/greeting/greeting.py"
    layer.write_text(layer.read_text().replace("} {name}", "}, dear {name}"))

    build(sample)
    deploy(sample, stack.emulator, {"Greeting": "good day"})

    assert "dear stranger" in httpx.get(f"{stack.outputs['ApiUrl']}/health").text.lower()
