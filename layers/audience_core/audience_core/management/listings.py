"""Audiences as the list shows them: found by filters, sorted, in pages, each with its figures and connections."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audience_core.domain.audience import Audience, AudienceCounts, AudienceKind, AudienceOutline, AudienceStatus
from audience_core.domain.control_stores import AccountStore, AudienceStore, OutputStore
from audience_core.domain.ids import AccountId, AudienceId, WorkspaceId
from audience_core.domain.output import Connection
from audience_core.domain.stores import CountSummaries, MembershipStore, Page
from audience_core.evaluation.text import fold
from audience_core.management.ordering import Sort


@dataclass(frozen=True, slots=True)
class Listed[A: AudienceOutline]:
    """An audience with what is known of it.

    Args:
        counts: None for a draft, which has no members, and for a lifetime audience, which has its result.
    """

    audience: A
    counts: AudienceCounts | None
    connections: tuple[Connection, ...]


class Tab(StrEnum):
    """The lists in which lifetime audiences are shown."""

    IN_PROGRESS = "in_progress"
    READY = "ready"
    ARCHIVED = "archived"


_OF_TAB = {
    Tab.IN_PROGRESS: {AudienceStatus.DRAFT, AudienceStatus.CALCULATING},
    Tab.READY: {AudienceStatus.READY},
    Tab.ARCHIVED: {AudienceStatus.ARCHIVED},
}


@dataclass(frozen=True, slots=True)
class Filter:
    """None, () and "" let everything pass.

    Args:
        now: as of which the status is.
        tab: lets only lifetime audiences pass.
        is_multi: whether it is drawn from several workspaces.
        tags: all must be on it, in whatever case.
        text: is looked for in names, or is an id.
        has_ab_test: whether it is split.
    """

    now: datetime
    kind: AudienceKind | None = None
    is_multi: bool | None = None
    status: AudienceStatus | None = None
    tab: Tab | None = None
    workspace_id: WorkspaceId | None = None
    tags: frozenset[str] = frozenset()
    text: str = ""
    has_ab_test: bool | None = None

    def admits(self, audience: AudienceOutline) -> bool:
        return (
            self.kind in (None, audience.kind)
            and self.is_multi in (None, len(audience.workspaces) > 1)
            and self.status in (None, audience.status_at(self.now))
            and self._is_in_tab(audience)
            and (self.workspace_id is None or self.workspace_id in audience.workspaces)
            and self.has_ab_test in (None, audience.ab_test is not None)
            and {fold(tag.strip()) for tag in self.tags} <= {fold(tag) for tag in audience.tags}
            and self._is_named(audience)
        )

    def _is_in_tab(self, audience: AudienceOutline) -> bool:
        if self.tab is None:
            return True
        return audience.kind is AudienceKind.LIFETIME and audience.status_at(self.now) in _OF_TAB[self.tab]

    def _is_named(self, audience: AudienceOutline) -> bool:
        text = fold(self.text).strip()
        names = (audience.name, audience.external_name)
        return text == str(audience.audience_id) or any(text in fold(name) for name in names)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list.

    Args:
        active: how many audiences of the account are active, whatever the filter; `active_cap`: how many may be.
    """

    page: Page[Listed[AudienceOutline]]
    active: int
    active_cap: int


def page(
    accounts: AccountStore,
    audiences: AudienceStore,
    outputs: OutputStore,
    summaries: CountSummaries,
    account_id: AccountId,
    wanted: Filter,
    sort: Sort,
    after: str | None,
    limit: int,
    now_ms: int,
) -> Found:
    """Audiences that the filter admits, in the order of `sort`.

    Args:
        after: `next` of the page before; None at first. Raise `InvalidInputError` for one of another sort.
    """
    outlines, account = audiences.outlines(account_id), accounts.get(account_id)
    found = [each for each in outlines if wanted.admits(each)]
    # Figures of all of them only where the order needs them.
    known = figures(summaries, account_id, found, now_ms) if sort.is_by_figures else {}
    shown, following = sort.page(found, known, after, limit)
    if not sort.is_by_figures:
        known = figures(summaries, account_id, shown, now_ms)
    connections = _by_audience(outputs.connections_of(account_id, [each.audience_id for each in shown]))
    items = tuple(Listed(each, known.get(each.audience_id), tuple(connections[each.audience_id])) for each in shown)
    return Found(Page(items, following), _active(outlines), account.active_audience_cap)


def one(
    audiences: AudienceStore,
    outputs: OutputStore,
    memberships: MembershipStore,
    account_id: AccountId,
    audience_id: AudienceId,
    now_ms: int,
) -> Listed[Audience]:
    """One audience, whose counts are exact as of now."""
    audience = audiences.get(account_id, audience_id)
    is_populated = audience.status is AudienceStatus.ACTIVE
    counts = _counts(memberships, audience, now_ms) if is_populated else None
    return Listed(audience, counts, outputs.list_connections(account_id, audience_id))


def _counts(memberships: MembershipStore, audience: Audience, now_ms: int) -> AudienceCounts:
    of_audience = memberships.counts(audience.account_id, audience.audience_id, now_ms)
    if audience.live_set == audience.audience_id:
        return of_audience
    return _combined(of_audience, memberships.counts(audience.account_id, audience.live_set, now_ms))


def _combined(of_audience: AudienceCounts, of_set: AudienceCounts) -> AudienceCounts:
    """The size is that of the live member set; joins and leaves are counted for the audience, whichever set is live."""
    return of_audience.model_copy(update={"size": of_set.size})


def figures(
    summaries: CountSummaries, account_id: AccountId, audiences: Iterable[AudienceOutline], now_ms: int
) -> dict[AudienceId, AudienceCounts]:
    """Of those that are active; some seconds old."""
    sets = {each.audience_id: each.live_set for each in audiences if each.status is AudienceStatus.ACTIVE}
    found = summaries.figures(account_id, {*sets, *sets.values()}, now_ms)
    return {each: _combined(found[each], found[live_set]) for each, live_set in sets.items()}


def _active(audiences: Iterable[AudienceOutline]) -> int:
    return sum(each.status is AudienceStatus.ACTIVE for each in audiences)


def _by_audience(connections: Iterable[Connection]) -> dict[AudienceId, list[Connection]]:
    found: dict[AudienceId, list[Connection]] = defaultdict(list)
    for connection in connections:
        found[connection.audience_id].append(connection)
    return found
