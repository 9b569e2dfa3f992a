"""Received audiences beside an account's own: found, connected, split and tagged in the same way."""

from collections.abc import Iterable
from dataclasses import dataclass

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.control_stores import AudienceStore
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.sharing import Received, ReceivedAudience
from audience_core.domain.sharing_stores import SharingStore
from audience_core.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class OwnAndReceived:
    """Audiences of an account by id, whether its own or shared with it at this moment."""

    audiences: AudienceStore
    sharing: SharingStore

    def get(self, account_id: AccountId, audience_id: AudienceId) -> Audience:
        """Raise `NotFoundError` when it is neither."""
        try:
            return self.audiences.get(account_id, audience_id)
        except NotFoundError:
            received = self.sharing.received(account_id, audience_id)
        try:
            original = self.audiences.get(received.source.account_id, received.source.audience_id)
        except NotFoundError as error:
            raise NotFoundError(f"there is no audience {audience_id}") from error
        return as_received(original, received)

    def save(self, audience: Audience) -> Audience:
        """Of a received one, the test and the tags, which its initiator never sees."""
        if not isinstance(audience, ReceivedAudience):
            return self.audiences.save(audience)
        received = Received(
            account_id=audience.account_id,
            audience_id=audience.audience_id,
            source=audience.source,
            may_export=audience.may_export,
            tags=audience.tags,
            ab_test=audience.ab_test,
            version=audience.version,
        )
        return audience.model_copy(update={"version": self.sharing.save_received(received).version})

    def next_id(self, account_id: AccountId) -> AudienceId:
        return self.audiences.next_id(account_id)

    def spell(self, account_id: AccountId, tags: Iterable[str]) -> tuple[str, ...]:
        return self.audiences.spell(account_id, tags)


def as_received(original: Audience, received: Received) -> ReceivedAudience:
    """The initiator's audience under the receiver's id, by its external name alone, with the receiver's test and tags.

    To its receiver it is active: while its initiator makes it a draft, it has no members.
    """
    name = original.external_name or original.name
    changes = {
        "account_id": received.account_id,
        "audience_id": received.audience_id,
        "name": name,
        "external_name": name,
        "status": AudienceStatus.ACTIVE,
        "member_set": original.live_set,
        "tags": received.tags,
        "ab_test": received.ab_test,
        "version": received.version,
        "source": received.source,
        "may_export": received.may_export,
    }
    return ReceivedAudience.model_construct(**{**dict(original), **changes})
