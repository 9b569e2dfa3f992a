"""Exporting an audience of the running product, from the request to the file behind the link of the e-mail."""

import csv
import io
import json
import time
import zipfile

import httpx
import pytest

from tests.journeys.test_backbone import a_view, viewed
from tests.support.shop import Json, Shop, kill_workers

pytestmark = [pytest.mark.stack, pytest.mark.long]

PEOPLE = 30
PATIENCE_S = 240


def is_complete(shop: Shop, audience: int) -> bool:
    return shop.get(f"/v1/audiences/{audience}")["calculating"] is None


def wait_for(shop: Shop, export: Json) -> Json:
    def has_ended() -> bool:
        return shop.get(f"/v1/exports/{export['id']}")["state"] not in ("queued", "running")

    shop.wait_until(has_ended, PATIENCE_S)
    return shop.get(f"/v1/exports/{export['id']}")


def mails(shop: Shop, text: str) -> list[Json]:
    """Those sent so far whose text contains this."""
    by_account: dict[str, list[Json]] = httpx.get(f"{shop.stack.endpoint}/_ministack/ses/messages", timeout=30).json()[
        "messages"
    ]
    return [mail for sent in by_account.values() for mail in sent if text in mail["BodyText"]]


def run_has_ended(shop: Shop, export: Json) -> bool:
    states = shop.stack.client("stepfunctions")
    (machine,) = [
        each["stateMachineArn"]
        for each in states.list_state_machines()["stateMachines"]
        if "ExportAudience" in each["name"]
    ]
    run = f"{machine.replace(':stateMachine:', ':execution:')}:export-{shop.account_id}-{export['id']}"
    return bool(states.describe_execution(executionArn=run)["status"] != "RUNNING")


def test_an_export_comes_by_mail_although_workers_die(shop: Shop) -> None:
    audience = shop.audience("Week end / Viewers", viewed(2))
    shop.wait_until(lambda: is_complete(shop, audience), PATIENCE_S)
    now = time.time_ns() // 1_000_000
    shop.send(*[a_view(n, now, f"r-{n}") for n in range(PEOPLE)])
    shop.wait_until(lambda: shop.size(audience) == PEOPLE, PATIENCE_S)
    members = shop.members(audience)
    wanted = {"audiences": [{"id": audience}], "identity_types": ["customer_id"], "email": "ann@shop.example"}

    asked = shop.post("/v1/exports", wanted)
    shop.send(*[a_view(n, time.time_ns() // 1_000_000, f"later-{n}") for n in range(PEOPLE, PEOPLE + 10)])
    killed, worker = 0, shop.stack.outputs["ExportPageFunction"]
    while shop.get(f"/v1/exports/{asked['id']}")["state"] in ("queued", "running"):
        killed += kill_workers(shop.stack, worker) if not killed else 0
        time.sleep(0.1)
    export = wait_for(shop, asked)

    assert (export["state"], export["progress"], export["error"], export["email_error"]) == (
        "succeeded",
        1.0,
        None,
        None,
    )
    assert killed
    name = export["archive"]["name"]
    shop.wait_until(lambda: bool(mails(shop, name)), PATIENCE_S)
    (mail,) = mails(shop, name)
    assert (mail["To"], mail["Subject"]) == (
        ["ann@shop.example"],
        f"Your export is ready: Week end / Viewers ({audience})",
    )
    (link,) = [line for line in mail["BodyText"].splitlines() if "/v1/downloads/" in line]
    redirect = httpx.get(link, timeout=30)
    assert redirect.status_code == 302, redirect.text
    archive = zipfile.ZipFile(io.BytesIO(httpx.get(redirect.headers["Location"], timeout=30).content))
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    (file,) = manifest["files"]
    rows = list(csv.DictReader(io.StringIO(archive.read(file["file_name"]).decode(), newline="")))
    assert file["file_name"].startswith(f"{audience}_Weekend_Viewers_")
    assert {row["mpid"] for row in rows} == members
    assert (manifest["total_rows"], file["total_users"], file["rows_by_identity"]) == (
        PEOPLE,
        PEOPLE,
        {"customer_id": PEOPLE},
    )

    assert httpx.get(link[:-3], timeout=30).status_code == 403
    parquet = wait_for(shop, shop.post("/v1/exports", wanted | {"email": None, "format": "parquet"}))
    url = shop.get(f"/v1/exports/{parquet['id']}/download")["url"]
    assert zipfile.is_zipfile(io.BytesIO(httpx.get(url, timeout=30).content))
    bucket = shop.stack.outputs["ExportsBucketName"]
    found = shop.stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{shop.account_id}/")
    assert len(found["Contents"]) == 2


def test_a_cancelled_export_leaves_nothing(shop: Shop) -> None:
    audience = shop.audience("Viewers", viewed(2))
    shop.wait_until(lambda: is_complete(shop, audience), PATIENCE_S)
    asked = shop.post("/v1/exports", {"audiences": [{"id": audience}], "identity_types": ["email"]})
    shop.wait_until(lambda: shop.get(f"/v1/exports/{asked['id']}")["state"] == "running", PATIENCE_S)

    cancelled = shop.post(f"/v1/exports/{asked['id']}/cancel")

    assert (cancelled["state"], cancelled["archive"]) == ("cancelled", None)
    bucket, s3 = shop.stack.outputs["ExportsBucketName"], shop.stack.client("s3")
    shop.wait_until(lambda: run_has_ended(shop, asked), PATIENCE_S)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=f"{shop.account_id}/")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    answer = shop.api.get(f"/v1/exports/{asked['id']}/download")
    assert answer.status_code == 409
