"""Two customers of the running product share an audience: offered, accepted, connected, and taken back under load."""

import io
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from local.stack import Stack
from tests.journeys.test_backbone import a_view, now_ms, viewed
from tests.support.partners import FaultyHandler, FaultyPartner, a_partner
from tests.support.shop import Json, Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]

PATIENCE_S = 240
# How long after its end members of a sharing may still be forwarded, at most.
END_S = 60


@pytest.fixture
def friend(stack: Stack) -> Iterator[Shop]:
    """Another account, with a partner of its own."""
    with a_partner() as listening:
        opened = Shop(stack, listening)
        yield opened
        opened.close()


def opted_in(shop: Shop) -> str:
    """The shop's receiver id."""
    logo = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(logo, "PNG")
    content = logo.getvalue()
    upload = shop.post("/v1/sharing/receiving/logo", {"size_bytes": len(content)})
    sent = httpx.put(upload["url"], content=content, headers=upload["headers"], timeout=30)
    assert sent.is_success, sent.text
    used = shop.post(f"/v1/sharing/receiving/logo/{upload['id']}/use")
    change = {"terms_version": used["current_terms_version"], "is_on": True}
    answer = shop.api.patch("/v1/sharing/receiving", json=change, headers={"If-Match": f'"{used["version"]}"'})
    assert answer.is_success, answer.text
    return str(answer.json()["receiver_id"])


def adds_heard(partner: FaultyPartner) -> list[float]:
    """From now on, when the partner hears of somebody who is to be added."""
    found: list[float] = []

    def listen(handler: FaultyHandler, message: Json) -> None:
        actions = {each["action"] for profile in message.get("user_profiles", ()) for each in profile["audiences"]}
        if actions - {"delete"}:
            found.append(time.monotonic())
        handler.obey(message)

    partner.default = listen
    return found


class Visitors:
    """Users who come again and again, each time somebody new."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._is_over, self.sent = shop, threading.Event(), 0
        self._thread = threading.Thread(target=self._come)

    def __enter__(self) -> "Visitors":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _come(self) -> None:
        while not self._is_over.wait(0.3):
            first = 1000 + self.sent
            self._shop.send(*[a_view(n, now_ms(), f"more-{n}") for n in range(first, first + 10)])
            self.sent += 10


def test_an_audience_is_shared_and_taken_back(shop: Shop, friend: Shop) -> None:
    audience = shop.audience("Viewers", viewed(2))
    shop.connect(audience)
    shop.send(*[a_view(n, now_ms(), f"r-{n}") for n in range(20)])
    shop.wait_until(lambda: len(shop.told(audience)) == 20, PATIENCE_S)

    receiver = opted_in(friend)
    (found,) = [each for each in shop.get("/v1/sharing/receivers?limit=100")["items"] if each["id"] == receiver]
    logo = httpx.get(found["logo_url"], timeout=30)
    assert (logo.headers["Content-Type"], logo.content[:4]) == ("image/png", b"\x89PNG")
    offers = shop.post("/v1/sharing/offers", {"audience_ids": [audience], "receiver_ids": [receiver]})
    offer = offers["items"][0]["id"]
    assert friend.get("/v1/sharing/received")["pending"] == 1
    received = int(friend.post(f"/v1/sharing/offers/{offer}/accept")["audience_id"])

    connection = friend.connect(received)
    friend.wait_until(lambda: friend.told(received) == shop.told(audience), PATIENCE_S)
    shop.send(*[a_view(n, now_ms(), f"s-{n}") for n in range(20, 30)])
    friend.wait_until(lambda: len(friend.told(received)) == len(shop.told(audience)) == 30, PATIENCE_S)
    assert friend.partner.members(received) == shop.partner.members(audience)
    friend.wait_until(lambda: friend.get("/v1/sharing/received")["items"][0]["size"] == 30, PATIENCE_S)

    heard = adds_heard(friend.partner)
    with Visitors(shop):
        friend.wait_until(lambda: len(heard) > 3, PATIENCE_S)
        answer = shop.api.delete(f"/v1/sharing/shared/{offer}")
        assert answer.status_code == 204, answer.text
        at = time.monotonic()
        friend.wait_until(lambda: friend.api.get(f"/v1/connections/{connection}").status_code == 404, PATIENCE_S)

    assert friend.told(received) == set()
    assert max(heard) - at < END_S
    assert friend.get("/v1/sharing/received")["items"] == []
    assert [each["step"] for each in friend.get("/v1/sharing/log")["items"]][:2] == ["ended", "accepted"]
    shop.wait_until(lambda: len(shop.told(audience)) == shop.size(audience) > 30, PATIENCE_S)
