"""What the runtime gives to every function."""

import os
from collections.abc import Iterator

import pytest
from moto import mock_aws

# Powertools reads them when a handler is imported, which is before any fixture runs.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "AudienceManager")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "test")


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The region of an AWS in memory that lives as long as the module's tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            yield "us-east-1"
