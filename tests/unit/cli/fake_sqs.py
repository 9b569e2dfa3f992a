"""As much of SQS as redriving needs: a real server on loopback that keeps messages in lists."""

import hashlib
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

type Message = dict[str, Any]


class FakeSqs(ThreadingHTTPServer):
    """Args:
    has_tasks: whether it knows message move tasks.
    queues: name -> messages; `sources`: name of a queue -> its dead-letter queue.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.has_tasks = True
        self.queues: dict[str, list[Message]] = {}
        self.sources: dict[str, str] = {}
        self.tasks: list[dict[str, str]] = []

    def add(self, name: str, dead_letters: str) -> None:
        self.queues |= {name: [], dead_letters: []}
        self.sources[name] = dead_letters

    def put(self, queue: str, body: str, **attributes: str) -> None:
        self.queues[queue].append(
            {
                "MessageId": str(uuid.uuid4()),
                "ReceiptHandle": str(uuid.uuid4()),
                "Body": body,
                "MD5OfBody": hashlib.md5(body.encode()).hexdigest(),
                "Attributes": attributes,
            }
        )

    def bodies(self, queue: str) -> list[str]:
        return [each["Body"] for each in self.queues[queue]]


class Handler(BaseHTTPRequestHandler):
    server: FakeSqs

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].removeprefix("AmazonSQS.")
        known = {
            "ListQueues": self._list,
            "GetQueueAttributes": self._attributes,
            "ReceiveMessage": self._receive,
            "SendMessage": self._send,
            "DeleteMessage": self._delete,
        }
        if self.server.has_tasks:
            known["StartMessageMoveTask"] = self._start
        if action in known:
            self._answer(200, known[action](asked))
        else:
            self._answer(400, {"__type": "com.amazonaws.sqs#UnknownOperation", "message": f"no {action}"})

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in self.server.queues if name.startswith(asked["QueueNamePrefix"])]
        return {"QueueUrls": [f"{self.server.url}/000000000000/{name}" for name in names]}

    def _attributes(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = _name(asked)
        attributes = {"QueueArn": _arn(name), "ApproximateNumberOfMessages": str(len(self.server.queues[name]))}
        if name in self.server.sources:
            attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": _arn(self.server.sources[name])})
        return {"Attributes": attributes}

    def _receive(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"Messages": self.server.queues[_name(asked)][: asked["MaxNumberOfMessages"]]}

    def _send(self, asked: dict[str, Any]) -> dict[str, Any]:
        given = {key: asked[key] for key in ("MessageGroupId", "MessageDeduplicationId") if key in asked}
        self.server.put(_name(asked), asked["MessageBody"], **given)
        sent = self.server.queues[_name(asked)][-1]
        return {"MessageId": sent["MessageId"], "MD5OfMessageBody": sent["MD5OfBody"]}

    def _delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        kept = [each for each in self.server.queues[_name(asked)] if each["ReceiptHandle"] != asked["ReceiptHandle"]]
        self.server.queues[_name(asked)] = kept
        return {}

    def _start(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.server.tasks.append(asked)
        return {"TaskHandle": "task-1"}

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _name(asked: dict[str, Any]) -> str:
    return str(asked["QueueUrl"]).rpartition("/")[2]


def _arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:000000000000:{name}"


@contextmanager
def fake_sqs() -> Iterator[FakeSqs]:
    server = FakeSqs()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
