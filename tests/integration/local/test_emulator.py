"""The local AWS starts alone, says what is in its way, and leaves nothing behind."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from local import emulator
from local.app import EMULATOR_PYTHON, ROOT, LocalError
from local.aws import ACCESS_KEY, REGION
from local.emulator import HOST, Emulator
from local.logs import new_events

pytestmark = pytest.mark.stack

SIGNED = (
    f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
)


def group_of(pid):
    """Process ids in the group that `pid` leads."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return {int(each) for each, group, state in rows if int(group) == pid and not state.startswith("Z")}


def test_taken_port_is_explained(tmp_path):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(LocalError, match=f"port {port} on 127.0.0.1 is taken.*\n.*AUDIENCES_PORT={port + 1}"):
            emulator.start(Emulator(tmp_path, port))


def test_listens_on_loopback_only(stack):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        outside = probe.getsockname()[0]

    with socket.socket() as caller:
        assert caller.connect_ex((HOST, stack.emulator.port)) == 0
    with socket.socket() as caller:
        assert outside == HOST or caller.connect_ex((outside, stack.emulator.port)) != 0


def test_logs_name_their_function(stack):
    stack.client("lambda").invoke(
        FunctionName=stack.outputs["CollectName"],
        Payload=b'{"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "told"}]}',
    )

    events = new_events(stack.client("logs"), since=0)

    told = [event for event in events if event["message"].strip() == "queued told"]
    assert {event["group"] for event in told} == {f"/aws/lambda/{stack.outputs['CollectName']}"}


def test_running_one_is_found_on_its_port_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(emulator, "STATE", tmp_path)
    started = Emulator(tmp_path / "main", emulator.free_port())
    emulator.start(started)

    monkeypatch.delenv("AUDIENCES_PORT", raising=False)
    found = emulator.default_emulator()
    monkeypatch.setenv("AUDIENCES_PORT", "1")
    with pytest.raises(LocalError, match=f"already runs on port {started.port}"):
        emulator.default_emulator()
    emulator.stop(started)

    assert found == started
    assert emulator.default_emulator().port == 1


def test_stop_ends_the_functions_too(tmp_path):
    started = Emulator(tmp_path, emulator.free_port())
    emulator.start(started)
    pid = emulator.running_pid(started)
    assert group_of(pid)

    assert emulator.stop(started)

    assert group_of(pid) == set()
    assert not emulator.stop(started)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_leaves_nothing_behind(tmp_path, number):
    program = (
        # Whoever runs these tests in the background of a shell has it ignored.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import sys; from pathlib import Path; from local import __main__ as m, emulator;"
        "m.build_and_deploy = lambda chosen: {}; m.tour.run = lambda outputs, open_console: None;"
        f"sys.argv = ['local', 'run', '--foreground'];"
        f"emulator.default_emulator = lambda: emulator.Emulator(Path({str(tmp_path)!r}), {emulator.free_port()});"
        "m.main()"
    )
    running = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout
    assert any("Ctrl-C ends it" in line for line in iter(running.stdout.readline, ""))
    pid = int((tmp_path / "emulator.pid").read_text().split()[0])

    os.kill(running.pid, number)
    said, _ = running.communicate(timeout=60)

    assert (running.returncode, said.strip()) == (0, "the local AWS has ended")
    assert group_of(pid) == set()


def test_killed_run_is_cleared_by_the_next_start(tmp_path):
    started = Emulator(tmp_path, emulator.free_port())
    emulator.start(started)
    os.killpg(int(started.pid_file.read_text().split()[0]), signal.SIGKILL)
    while emulator.port_is_taken(started.port):
        time.sleep(0.02)

    assert not emulator.is_ready(started)
    emulator.start(started)

    assert emulator.is_ready(started)
    emulator.stop(started)


@pytest.mark.parametrize(
    "change",
    [
        "functions.KNOWN_LOG_WAITS = (1,); functions.do_not_wait_for_silent_functions()",
        "del tables.dynamodb._tokenize; tables.read_each_expression_once()",
        "tables.dynamodb.copy = None; tables.copy_items_plainly()",
        "tables.dynamodb.time = None; tables.expire_a_few_at_a_time()",
        "functions.concurrency.threading = None; functions.reuse_threads()",
        "serving.server.AUTH = True; serving.ShortWay(None)",
        "known.require(False, 'it has changed')",
    ],
)
def test_patch_that_no_longer_fits_is_refused(change):
    program = f"from local.emulated_aws import functions, known, serving, tables; {change}"

    done = subprocess.run([EMULATOR_PYTHON, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "does not fit ministack 1.5.33" in done.stderr
    assert "requirements/aws.in" in done.stderr


EXPIRY = """
import asyncio, json, time
from local.emulated_aws import tables as p

def ask(action, **given):
    headers = {"x-amz-target": f"DynamoDB_20120810.{action}"}
    status, _, body = asyncio.run(p.dynamodb.handle_request("POST", "/", headers, json.dumps(given).encode(), {}))
    assert status == 200, body
    return json.loads(body)

key = [{"AttributeName": "pk", "KeyType": "HASH"}]
kinds = [{"AttributeName": "pk", "AttributeType": "S"}]
ask("CreateTable", TableName="rows", KeySchema=key, AttributeDefinitions=kinds, BillingMode="PAY_PER_REQUEST")
ask("UpdateTimeToLive", TableName="rows", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
for pk, ttl in {"over": {"N": "1"}, "later": {"N": str(int(time.time()) + 3600)}, "odd": {"S": "soon"}}.items():
    ask("PutItem", TableName="rows", Item={"pk": {"S": pk}, "ttl": ttl})
ask("PutItem", TableName="rows", Item={"pk": {"S": "forever"}})
p.EXPIRY_STEP = 0
p._expire()
print(sorted(item["pk"]["S"] for item in ask("Scan", TableName="rows")["Items"]))
"""


def test_expired_items_and_no_others_are_removed():
    done = subprocess.run([EMULATOR_PYTHON, "-c", EXPIRY], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "['forever', 'later', 'odd']"


MEANWHILE = """
from local.emulated_aws import tables

class Read(dict):
    def get(self, *given):
        rows[f"put while row {len(rows)} was read"] = {}
        return super().get(*given)

rows = {"first": Read(), "second": Read()}
tables._expire_partition({"items": {"one": rows}}, "one", "ttl")
print(len(rows))
"""


def test_items_are_put_while_others_expire():
    done = subprocess.run([EMULATOR_PYTHON, "-c", MEANWHILE], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.stderr) == ("4", "")


TURNS = """
import asyncio
from local.emulated_aws import functions

running, most = {"front": 0, "back": 0}, {"front": 0, "back": 0}

async def invoke(integration):
    name = integration["integrationUri"]
    running[name] += 1
    most[name] = max(most[name], running[name])
    await asyncio.sleep(0.001)
    running[name] -= 1
    return name

async def call_all():
    calls = [functions.apigateway._invoke_lambda_proxy({"integrationUri": name}) for name in ["front"] * 20 + ["back"]]
    return await asyncio.gather(*calls)

functions.PROCESSORS = 2
functions.apigateway._invoke_lambda_proxy = invoke
functions.let_calls_wait_for_processors()
answers = asyncio.run(call_all())
print(most, answers.count("front"), answers.count("back"))
"""


def test_calls_of_a_function_wait_for_their_turn_and_not_for_another_function():
    done = subprocess.run([EMULATOR_PYTHON, "-c", TURNS], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "{'front': 4, 'back': 1} 20 1"


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("DynamoDB_20120810.ListTables", "{}"),
        ("DynamoDB_20120810.DescribeTable", '{"TableName": "nowhere"}'),
        ("DynamoDB_20120810.PutItem", '{"TableName": "nowhere", "Item": {"pk": {"N": "x"}}}'),
        ("DynamoDB_20120810.ListTables", "{"),
        ("AmazonSQS.ListQueues", "{}"),
        ("AmazonSQS.GetQueueUrl", '{"QueueName": "nowhere"}'),
    ],
)
def test_short_way_ends_where_the_whole_way_ends(stack, target, body):
    answers = []
    for path in ("/", "/?whole=way"):
        connection = http.client.HTTPConnection(HOST, stack.emulator.port)
        connection.request("POST", path, body, {"X-Amz-Target": target, "Authorization": SIGNED})
        answer = connection.getresponse()
        assert answer.headers["x-amzn-requestid"]
        assert answer.headers["date"]
        answers.append((answer.status, answer.headers["content-type"], json.loads(answer.read())))
        connection.close()

    assert answers[0] == answers[1]
