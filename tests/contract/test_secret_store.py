"""What every store of confidential settings promises."""

import boto3
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


def test_a_secret_that_exists_is_replaced_and_no_other(store: SecretStore) -> None:
    reference = store.put(ACCOUNT, "o-4", {"access_token": "old", "refresh_token": "r"})

    store.replace(reference, {"access_token": "new"})
    store.delete(gone := store.put(ACCOUNT, "o-5", {"access_token": "old"}))

    assert store.get(reference) == {"access_token": "new"}
    with pytest.raises(NotFoundError):
        store.replace(gone, {"access_token": "new"})


def test_an_installation_that_is_not_registered_at_a_partner_says_so(store: SecretStore) -> None:
    with pytest.raises(NotFoundError, match="not registered at telex"):
        store.registration("telex")


def test_a_registration_is_found_under_the_name_that_the_template_gives_it(aws: str) -> None:
    content = '{"client_id": "app-1", "client_secret": "s3cret", "url": "https://login.example"}'
    client, name = boto3.client("secretsmanager", region_name=aws), "audience-manager/log-in/fax"
    client.create_secret(Name=name, SecretString=content)

    found = SecretsManagerStore(aws).registration("fax")

    assert found == {"client_id": "app-1", "client_secret": "s3cret", "url": "https://login.example"}
