"""Mixed load on a local stack of its own: nothing is lost, and counts agree.

    python -m benchmarks.load                                # 60 s, 10 requests a second
    python -m benchmarks.load --seconds 300 --rate 25

An account sends events while its audience is edited and its connection paused and resumed. In the end everybody whose
event was accepted is a member, is counted, and is known to the partner. Figures are of one machine, which runs it all.
"""

import argparse
import os
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx

from local.stack import ensure_stack
from tests.support.partners import a_partner
from tests.support.shop import Json, Shop

_SENDERS = 8


@dataclass
class Taken:
    """Seconds of each call until its answer, and how many answers of each status there were."""

    calls: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def percentile_ms(self, percent: int) -> float:
        return quantiles(self.calls, n=100)[percent - 1] * 1000


class Sender:
    """Sends one batch of one new user a request, at an even rate."""

    def __init__(self, shop: Shop, path: str = "/v2/events") -> None:
        self._shop, self._path, self._own = shop, path, threading.local()
        self.users: set[str] = set()

    def run(self, rate: float, seconds: float) -> Taken:
        taken, began = Taken(), time.monotonic()
        with ThreadPoolExecutor(_SENDERS) as pool:
            for number in range(int(rate * seconds)):
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
                pool.submit(self._send, taken)
        return taken

    def _send(self, taken: Taken) -> None:
        user = secrets.token_hex(6)
        data = {"event_name": "buy", "custom_event_type": "other", "timestamp_unixtime_ms": int(time.time() * 1000)}
        batch = {"user_identities": {"customer_id": user}, "events": [{"event_type": "custom_event", "data": data}]}
        began = time.monotonic()
        answer = self._client().post(self._path, json=batch)
        taken.calls.append(time.monotonic() - began)
        taken.statuses[answer.status_code] += 1
        if answer.status_code == 202:
            self.users.add(user)

    def _client(self) -> httpx.Client:
        if not hasattr(self._own, "client"):
            url = self._shop.stack.outputs["ApiUrl"]
            self._own.client = httpx.Client(base_url=url, auth=self._shop.credential, timeout=60)
        client: httpx.Client = self._own.client
        return client


@contextmanager
def edits(shop: Shop, audience: int, connection: str) -> Iterator[None]:
    """Somebody renames the audience and pauses its connection all the while; in the end it is active."""
    stop = threading.Event()

    def edit() -> None:
        number = 0
        while not stop.wait(2):
            number += 1
            everything = {"If-Match": "*"}
            shop.api.patch(f"/v1/audiences/{audience}", json={"name": f"Buyers {number}"}, headers=everything)
            status = "inactive" if number % 2 else "active"
            shop.api.patch(f"/v1/connections/{connection}", json={"status": status}, headers=everything)
        shop.api.patch(f"/v1/connections/{connection}", json={"status": "active"}, headers={"If-Match": "*"})

    thread = threading.Thread(target=edit)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def buyers(shop: Shop) -> tuple[int, str]:
    """An audience of those who bought, and its connection."""
    window = {"type": "within_last", "duration": {"amount": 1, "unit": "days"}}
    event = {"kind": "custom_event", "name": "buy"}
    root: Json = {"type": "event", "event": event, "window": window}
    audience = shop.audience("Buyers", root)
    return audience, shop.connect(audience)


def reconciled(shop: Shop, audience: int, users: set[str]) -> None:
    """Everybody who was accepted is a member, is counted, and is known to the partner: once, and nobody else."""
    shop.wait_until(lambda: len(shop.members(audience)) >= len(users), patience_s=300)
    shop.wait_until(lambda: len(shop.told(audience)) >= len(users), patience_s=300)
    members, told, size = shop.members(audience), shop.told(audience), shop.size(audience)
    assert len(members) == len(users) == size == len(told), (len(users), len(members), size, len(told))
    assert members == told
    print(
        f"accepted {len(users)}, members {len(members)}, counted {size}, at the partner {len(told)}: 0 lost", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ensure_stack(Path(folder)) as stack, a_partner() as partner:
        shop = Shop(stack, partner)
        audience, connection = buyers(shop)
        sender = Sender(shop)
        sender.run(given.rate, 5)
        with edits(shop, audience, connection):
            taken = sender.run(given.rate, given.seconds)
        print(f"{os.cpu_count()} processors, {given.rate} requests a second for {given.seconds} s")
        print(f"p50 {taken.percentile_ms(50):.0f} ms, p99 {taken.percentile_ms(99):.0f} ms, {dict(taken.statuses)}")
        reconciled(shop, audience, sender.users)


if __name__ == "__main__":
    main()
