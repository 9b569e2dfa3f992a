"""Plays the sample shop through the real ingest API, in order of time."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from audience_cli.importer.events import to_json
from audience_cli.ingest import IngestClient
from local.sample_shop import ShopBatch

BATCHES_PER_REQUEST = 50
REQUEST_BYTES = 200_000
CONCURRENCY = 4


@dataclass(slots=True)
class BulkRequest:
    """Batches of one input."""

    input_name: str
    batches: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def body(self) -> bytes:
        return f"[{','.join(self.batches)}]".encode()


def phases(batches: Iterable[ShopBatch]) -> tuple[list[ShopBatch], ...]:
    """Batches in an order that a queue cannot spoil: what customers did unknown, their sign-ups, all else.

    Sixty days are played in a minute, so the queue may swap what was days apart. Who is who depends on little of that
    order, but on this: a device is known to be somebody's only by the first batch that says so.
    """
    unknown: list[ShopBatch] = []
    sign_ups: dict[str, ShopBatch] = {}
    rest: list[ShopBatch] = []
    for batch in batches:
        customer = batch.body.get("user_identities", {}).get("customer_id")
        if customer is None:
            unknown.append(batch)
        elif sign_ups.setdefault(customer, batch) is not batch:
            rest.append(batch)
    return unknown, list(sign_ups.values()), rest


def bulk_requests(batches: Iterable[ShopBatch]) -> Iterator[BulkRequest]:
    """Batches in order, those of each input gathered until a request is full."""
    gathering: dict[str, BulkRequest] = {}
    for batch in batches:
        text = to_json(batch.body)
        request = gathering.setdefault(batch.input_name, BulkRequest(batch.input_name))
        if len(request.batches) == BATCHES_PER_REQUEST or request.size + len(text) > REQUEST_BYTES:
            yield request
            request = gathering[batch.input_name] = BulkRequest(batch.input_name)
        request.batches.append(text)
        request.size += len(text) + 1
    yield from gathering.values()


def play(
    batches: Iterable[ShopBatch], url: str, inputs: dict[str, tuple[str, str]], advance: Callable[[int], None]
) -> None:
    """Send everything; `advance` hears how many batches were accepted.

    Raises:
        CliError: the API does not take them.
    """
    # The clients end first: a failure must not wait for the patience of those still trying.
    with ThreadPoolExecutor(CONCURRENCY) as pool, ExitStack() as stack:
        clients = {name: stack.enter_context(IngestClient(url, *pair)) for name, pair in inputs.items()}

        def send(request: BulkRequest) -> int:
            clients[request.input_name].send(request.body)
            return len(request.batches)

        for accepted in pool.map(send, bulk_requests(batches)):
            advance(accepted)
