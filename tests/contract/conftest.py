"""Fixtures of the contract tests: an AWS in memory, and tables in it."""

from collections.abc import Callable, Iterator, Mapping

import boto3
import pytest
from moto import mock_aws

REGION = "us-east-1"

type CreateTable = Callable[..., str]


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The region of an AWS that lives as long as the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            yield REGION


@pytest.fixture(scope="session")
def create_table(aws: str) -> CreateTable:
    """`create_table(name, gsis={index: (hash, range, range_type, projection)})` makes a table; returns its name."""

    def create(name: str, gsis: Mapping[str, tuple[str, str, str, str]] | None = None) -> str:
        types = {"pk": "S", "sk": "S"}
        indexes = []
        for index, (hash_key, range_key, range_type, projection) in (gsis or {}).items():
            types |= {hash_key: "S", range_key: range_type}
            indexes.append(
                {
                    "IndexName": index,
                    "KeySchema": _keys(hash_key, range_key),
                    "Projection": {"ProjectionType": projection},
                }
            )
        boto3.client("dynamodb", region_name=aws).create_table(
            TableName=name,
            KeySchema=_keys("pk", "sk"),
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in types.items()],
            BillingMode="PAY_PER_REQUEST",
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        )
        return name

    return create


def _keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]
