"""Simultaneous activations, against a DynamoDB that really takes them at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.ids import AudienceId
from audience_core.errors import ConflictError
from audience_core.persistence.audiences import DynamoAudienceStore
from local import emulator
from local.emulator import Emulator
from tests.support.control import ACCOUNT, an_audience
from tests.support.control_stack import create_table

pytestmark = pytest.mark.stack

# Its own, so that no other test is given a connection to this emulator.
REGION = "eu-central-1"
AT_ONCE, CAP = 8, 3


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoAudienceStore]:
    started = Emulator(tmp_path_factory.mktemp("aws"), emulator.free_port())
    emulator.start(started)
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", started.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        yield DynamoAudienceStore(create_table("audiences", REGION), REGION)
    finally:
        emulator.stop(started)


def test_of_simultaneous_activations_as_many_succeed_as_may(store: DynamoAudienceStore) -> None:
    drafts = [store.save(an_audience(audience_id=AudienceId(number))) for number in range(1, AT_ONCE + 1)]

    def activate(draft: Audience) -> str:
        try:
            store.publish(draft.model_copy(update={"status": AudienceStatus.ACTIVE}), CAP)
        except ConflictError as error:
            return str(error)
        return "activated"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(activate, drafts))

    refused = f"{CAP} of {CAP} audiences are active: deactivate one first"
    assert sorted(outcomes) == [refused] * (AT_ONCE - CAP) + ["activated"] * CAP
    assert sum(each.status is AudienceStatus.ACTIVE for each in store.list(ACCOUNT)) == CAP
    assert store.program_version(ACCOUNT) == CAP
