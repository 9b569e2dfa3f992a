"""What every store of confidential settings promises."""

import pytest

from audience_core.domain.control_stores import SecretStore
from audience_core.errors import NotFoundError
from audience_core.persistence.memory.control import MemorySecretStore
from audience_core.persistence.secrets import SecretsManagerStore
from tests.support.control import ACCOUNT, OTHER_ACCOUNT


@pytest.fixture(params=["secrets manager", "memory"])
def store(request: pytest.FixtureRequest) -> SecretStore:
    if request.param == "memory":
        return MemorySecretStore()
    return SecretsManagerStore(request.getfixturevalue("aws"))


def test_secrets_are_found_by_their_reference(store: SecretStore) -> None:
    reference = store.put(ACCOUNT, "o-1", {"api_key": "s3cret"})

    assert store.get(reference) == {"api_key": "s3cret"}
    assert reference != store.put(OTHER_ACCOUNT, "o-1", {"api_key": "other"})


def test_later_secrets_replace_earlier_ones(store: SecretStore) -> None:
    store.put(ACCOUNT, "o-2", {"api_key": "old", "token": "t"})

    reference = store.put(ACCOUNT, "o-2", {"api_key": "new"})

    assert store.get(reference) == {"api_key": "new"}


def test_deleted_secrets_are_gone_and_deleting_again_is_harmless(store: SecretStore) -> None:
    reference = store.put(ACCOUNT, "o-3", {"api_key": "s3cret"})

    store.delete(reference)
    store.delete(reference)

    with pytest.raises(NotFoundError):
        store.get(reference)
