"""One local stack with the real template and handlers, for all stories."""

from collections.abc import Iterator

import pytest

from local.stack import Stack
from tests.support.partners import FaultyPartner, a_partner
from tests.support.shared_stack import STACK_FOLDER, join
from tests.support.shop import Shop


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Stack:
    return join(pytestconfig.stash[STACK_FOLDER])


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as listening:
        yield listening


@pytest.fixture
def shop(stack: Stack, partner: FaultyPartner) -> Iterator[Shop]:
    opened = Shop(stack, partner)
    yield opened
    opened.close()
