"""Audiences as the list shows them: found by filters, in pages, each with its figures and connections."""

from collections.abc import Iterable
from dataclasses import dataclass

from audience_core.domain.audience import Audience, AudienceCounts, AudienceStatus
from audience_core.domain.ids import AccountId, AudienceId, WorkspaceId
from audience_core.domain.output import Connection
from audience_core.domain.stores import AudienceStore, MembershipStore, OutputStore, Page


@dataclass(frozen=True, slots=True)
class Listed:
    """An audience with what is known of it.

    Args:
        counts: None for a draft, which has no members.
    """

    audience: Audience
    counts: AudienceCounts | None
    connections: tuple[Connection, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """None and "" let everything pass; `text` is looked for in names, or is an id."""

    status: AudienceStatus | None = None
    workspace_id: WorkspaceId | None = None
    text: str = ""

    def admits(self, audience: Audience) -> bool:
        return (
            self.status in (None, audience.status)
            and (self.workspace_id is None or self.workspace_id in audience.workspaces)
            and self._is_named(audience)
        )

    def _is_named(self, audience: Audience) -> bool:
        text = self.text.casefold().strip()
        names = (audience.name, audience.external_name)
        return text == str(audience.audience_id) or any(text in name.casefold() for name in names)


def page(
    audiences: AudienceStore,
    outputs: OutputStore,
    memberships: MembershipStore,
    account_id: AccountId,
    wanted: Filter,
    after: AudienceId,
    limit: int,
    now_ms: int,
) -> Page[Listed]:
    """Audiences that the filter admits, by id; `after` (0 at first) and `next` are ids."""
    found = [a for a in audiences.list(account_id) if a.audience_id > after and wanted.admits(a)]
    connections = outputs.list_connections(account_id)
    items = tuple(_listed(memberships, audience, connections, now_ms) for audience in found[:limit])
    return Page(items, str(items[-1].audience.audience_id) if len(found) > limit else None)


def one(
    audiences: AudienceStore,
    outputs: OutputStore,
    memberships: MembershipStore,
    account_id: AccountId,
    audience_id: AudienceId,
    now_ms: int,
) -> Listed:
    audience = audiences.get(account_id, audience_id)
    return _listed(memberships, audience, outputs.list_connections(account_id, audience_id), now_ms)


def _listed(memberships: MembershipStore, audience: Audience, connections: Iterable[Connection], now_ms: int) -> Listed:
    own = tuple(each for each in connections if each.audience_id == audience.audience_id)
    is_populated = audience.status is AudienceStatus.ACTIVE
    return Listed(audience, _counts(memberships, audience, now_ms) if is_populated else None, own)


def _counts(memberships: MembershipStore, audience: Audience, now_ms: int) -> AudienceCounts:
    """The size is that of the live member set; joins and leaves are counted for the audience, whichever set is live."""
    figures = memberships.counts(audience.account_id, audience.audience_id, now_ms)
    if audience.live_set == audience.audience_id:
        return figures
    size = memberships.counts(audience.account_id, audience.live_set, now_ms).size
    return figures.model_copy(update={"size": size})
