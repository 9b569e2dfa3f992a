"""Tags of audiences, and how often the account uses each."""

from collections import Counter
from datetime import datetime

from audience_core.domain.audience import Audience, Tags
from audience_core.domain.control_stores import AudienceStore, TaggedAudiences
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.evaluation.text import fold
from audience_core.management.versions import require_version


def put(
    store: TaggedAudiences,
    account_id: AccountId,
    audience_id: AudienceId,
    version: int | None,
    tags: Tags,
    now: datetime,
) -> Audience:
    """The audience with these tags, in the account's spelling, in place of those that it had."""
    audience = store.get(account_id, audience_id)
    require_version(audience, version)
    return store.save(audience.model_copy(update={"tags": store.spell(account_id, tags), "updated_at": now}))


def uses(store: AudienceStore, account_id: AccountId) -> dict[str, int]:
    """On how many audiences each tag of the account is, in the order of the alphabet; those on none are left out."""
    found = Counter(tag for audience in store.outlines(account_id) for tag in audience.tags)
    return {tag: found[tag] for tag in sorted(found, key=fold)}
