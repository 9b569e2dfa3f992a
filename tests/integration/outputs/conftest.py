"""An account with an active audience, asked through the handler of outputs."""

from types import SimpleNamespace

import pytest

from audience_core import wiring
from audience_core.domain.audience import AudienceStatus
from functions.outputs_api import handler
from tests.support.control import ACCOUNT, OTHER_ACCOUNT, an_audience
from tests.support.control_stack import control_stack, emptied
from tests.support.http_api import Caller


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    stores.audiences.publish(an_audience(status=AudienceStatus.ACTIVE))
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


@pytest.fixture
def stranger(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, OTHER_ACCOUNT)
