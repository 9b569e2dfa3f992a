"""Signed links: what opens an archive, and above all what does not."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.domain.export import Archive, Export, ExportFile
from audience_core.domain.export_stores import SigningKey
from audience_core.errors import AudienceError, ForbiddenError, GoneError
from audience_core.exports import links
from audience_core.persistence.memory.exports import MemorySigningKeys
from tests.support.control import ACCOUNT, AUDIENCE, NOW

ID = "3f2a77c0-1d0e-4b1c-9c52-6f0a7a0d1e11"
IN_A_WEEK = int((NOW + timedelta(days=7)).timestamp() * 1000)
NEW, NEWEST = (SigningKey(f"key-{n}", f"{n}" * 40) for n in (2, 3))


@pytest.fixture
def keys() -> MemorySigningKeys:
    return MemorySigningKeys()


def test_a_link_opens_its_export_until_its_time_is_over(keys: MemorySigningKeys) -> None:
    token = links.sign(keys, ACCOUNT, ID, IN_A_WEEK)

    assert links.read(keys, token, NOW + timedelta(days=7, seconds=-1)) == (ACCOUNT, ID)
    with pytest.raises(GoneError):
        links.read(keys, token, NOW + timedelta(days=7))


def test_a_token_says_no_more_than_it_must(keys: MemorySigningKeys) -> None:
    _, payload, _ = links.sign(keys, ACCOUNT, ID, IN_A_WEEK).split(".")

    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))

    assert claims == {"aud": "export-download", "exp": IN_A_WEEK // 1000, "acc": ACCOUNT, "sub": ID}


def test_keys_are_rotated_without_breaking_links(keys: MemorySigningKeys) -> None:
    token = links.sign(keys, ACCOUNT, ID, IN_A_WEEK)

    keys.rotate(NEW)
    assert links.read(keys, token, NOW) == (ACCOUNT, ID)
    assert jwt.get_unverified_header(links.sign(keys, ACCOUNT, ID, IN_A_WEEK))["kid"] == "key-2"

    keys.rotate(NEWEST)
    with pytest.raises(ForbiddenError):
        links.read(keys, token, NOW)


@given(st.data())
def test_an_altered_token_is_refused(data: st.DataObject) -> None:
    keys = MemorySigningKeys()
    token = links.sign(keys, ACCOUNT, ID, IN_A_WEEK)
    # The last character of a part may carry bits that mean nothing.
    ends = {at - 1 for at, each in enumerate(token) if each == "."} | {len(token) - 1}
    at = data.draw(st.sampled_from([at for at in range(len(token)) if at not in ends]))
    other = data.draw(st.sampled_from("Aa0_-.é ").filter(lambda each: each != token[at]))

    with pytest.raises(ForbiddenError) as caught:
        links.read(keys, token[:at] + other + token[at + 1 :], NOW)

    assert str(caught.value) == "this link is not valid"


def forged(claims: dict[str, object], secret: str, algorithm: str = "HS256", key_id: str = "key-1") -> str:
    good = {"aud": "export-download", "exp": IN_A_WEEK // 1000, "acc": ACCOUNT, "sub": ID}
    return jwt.encode(good | claims, secret, algorithm, headers={"kid": key_id})


def test_only_our_signature_for_this_purpose_counts(keys: MemorySigningKeys) -> None:
    secret = keys.current().secret
    assert links.read(keys, forged({}, secret), NOW) == (ACCOUNT, ID)
    bad = (
        forged({}, "x" * 40),
        forged({}, secret, key_id="key-9"),
        forged({}, "", "none"),
        forged({"aud": "login"}, secret),
        forged({"acc": "me"}, secret),
        jwt.encode({"aud": "export-download"}, secret, "HS256", headers={"kid": "key-1"}),
        jwt.encode({"aud": "export-download", "exp": 9_999_999_999, "acc": 7, "sub": ID}, secret, "HS256"),
        "",
        "a.b.c",
        "é",
        "." * 3000,
    )
    for token in bad:
        with pytest.raises(ForbiddenError) as caught:
            links.read(keys, token, NOW)
        assert (str(caught.value), caught.value.__cause__) == ("this link is not valid", None)


@given(st.text(max_size=60))
def test_no_text_whatever_breaks_it(text: str) -> None:
    with pytest.raises(AudienceError):
        links.read(MemorySigningKeys(), text, NOW)


def test_the_message_says_what_it_is_and_until_when() -> None:
    files = tuple(
        ExportFile(audience_id=AUDIENCE, audience_name=name, name=f"{name}.csv") for name in ("Hikers", "Bikers")
    )
    export = Export(export_id=ID, files=files, identity_types=("email",), at=0)
    expires = int(datetime(2026, 12, 1, 12, 5, tzinfo=UTC).timestamp() * 1000)
    archive = Archive(
        name="A.zip", users=2, rows_by_identity={"email": 1200, "google": 34}, bytes=5000, expires_at=expires
    )

    subject, text = links.message(export, archive, "https://api.example.com/v1/downloads/t")

    assert subject == "Your export is ready: Hikers (1) and 1 more"
    assert "\nhttps://api.example.com/v1/downloads/t\n" in text
    for part in ("2026-12-01 12:05 UTC", "A.zip: 5,000 bytes, 1,234 rows", "- Bikers (1)"):
        assert part in text
