"""What every keeper of signing keys promises."""

import uuid
from collections.abc import Callable

import boto3
import pytest

from audience_core.domain.export_stores import SigningKey, SigningKeys
from audience_core.persistence.memory.exports import MemorySigningKeys
from audience_core.persistence.signing_keys import SecretsManagerSigningKeys

type Rotate = Callable[[str], None]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_secret(region: str) -> str:
    created = boto3.client("secretsmanager", region_name=region).create_secret(Name=str(uuid.uuid4()), SecretString="1")
    return str(created["ARN"])


def rotate(region: str, secret: str, value: str) -> None:
    boto3.client("secretsmanager", region_name=region).put_secret_value(SecretId=secret, SecretString=value)


@pytest.fixture(params=["secrets manager", "memory"])
def kept(request: pytest.FixtureRequest) -> tuple[SigningKeys, Rotate]:
    """Keys, and what changes them and lets time pass."""
    if request.param == "memory":
        memory = MemorySigningKeys()
        return memory, lambda value: memory.rotate(SigningKey(f"key-{value}", value))
    region: str = request.getfixturevalue("aws")
    secret, clock = a_secret(region), Clock()

    def turn(value: str) -> None:
        rotate(region, secret, value)
        clock.now += 301

    return SecretsManagerSigningKeys(secret, region, clock), turn


def test_the_current_key_and_the_one_before_it_are_found(kept: tuple[SigningKeys, Rotate]) -> None:
    keys, turn = kept
    first = keys.current()
    assert (keys.find(first.key_id), keys.find("other")) == (first, None)

    turn("2")
    second = keys.current()
    assert (second.secret, keys.find(first.key_id), keys.find(second.key_id)) == ("2", first, second)

    turn("3")
    assert (keys.current().secret, keys.find(first.key_id), keys.find(second.key_id)) == ("3", None, second)


def test_a_key_made_by_somebody_else_is_found_within_seconds(aws: str) -> None:
    secret, clock = a_secret(aws), Clock()
    keys = SecretsManagerSigningKeys(secret, aws, clock)
    keys.current()
    rotate(aws, secret, "2")
    fresh = SecretsManagerSigningKeys(secret, aws, clock).current()
    assert keys.find(fresh.key_id) is None

    clock.now += 11

    assert keys.find(fresh.key_id) == fresh
    assert keys.current() == fresh


def test_who_asks_for_unknown_keys_does_not_make_it_ask_each_time(aws: str) -> None:
    secret, clock = a_secret(aws), Clock()
    keys = SecretsManagerSigningKeys(secret, aws, clock)
    keys.current()
    boto3.client("secretsmanager", region_name=aws).delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)

    assert [keys.find(str(number)) for number in range(20)] == [None] * 20
