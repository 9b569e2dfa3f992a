"""Why somebody is in an audience, and how large an unsaved one would be, asked of the running product."""

import time

import pytest

from tests.journeys.test_backbone import a_view, viewed
from tests.support.shop import Shop

pytestmark = pytest.mark.stack


def test_explain_and_preview_agree_with_membership(shop: Shop) -> None:
    now = time.time_ns() // 1_000_000
    shop.send(*[a_view(n, now - 3_600_000, f"r-{n}") for n in range(5)])
    viewers = shop.audience("Viewers", viewed(2))
    shop.wait_until(lambda: shop.size(viewers) == 5)
    mpid = min(shop.members(viewers))

    explained = shop.get(f"/v1/audiences/{viewers}/explain?mpid={mpid}")
    body = {
        "workspaces": [shop.workspace],
        "inputs": [shop.input["id"]],
        "definition": {"version": 1, "root": viewed(2)},
    }
    preview = shop.post("/v1/audiences/preview", body)

    assert explained["is_member"] is True
    assert (preview["size"], preview["is_exact"]) == (5, True)
