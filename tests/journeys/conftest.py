"""One local stack with the real template and handlers, for all stories."""

from collections.abc import Iterator

import pytest

from local.stack import Stack, ensure_stack
from tests.support.partners import FaultyPartner, a_partner
from tests.support.shop import Shop


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with ensure_stack(tmp_path_factory.mktemp("aws")) as running:
        # What a killed worker held comes back soon, not after the six minutes of the template.
        running.client("sqs").set_queue_attributes(
            QueueUrl=running.outputs["EventsQueueUrl"], Attributes={"VisibilityTimeout": "5"}
        )
        yield running


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as listening:
        yield listening


@pytest.fixture
def shop(stack: Stack, partner: FaultyPartner) -> Iterator[Shop]:
    opened = Shop(stack, partner)
    yield opened
    opened.close()
