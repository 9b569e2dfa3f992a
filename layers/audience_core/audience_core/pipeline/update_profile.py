"""Merges accepted batches into a profile, so that its state depends on which batches came and not on their order."""

from bisect import insort
from collections.abc import Iterable

from audience_core.domain.account import LoginStrategy
from audience_core.domain.event import Event, EventBatch, Identity, by_time
from audience_core.domain.ids import WorkspaceId
from audience_core.domain.profile import (
    Delta,
    Profile,
    Register,
    RegisterKey,
    RegisterKind,
    Seen,
    precedence,
)
from audience_core.identity.merge import merge_identities


def update(
    profile: Profile, batch: EventBatch, granted: Iterable[Identity], strategy: LoginStrategy, horizon: int
) -> Delta:
    """Apply one batch; what it changed.

    Args:
        granted: those of the batch's identities that this profile may hold.
        horizon: events before this instant (UTC ms) are past the look-back and leave no trace here.
    """
    delta = Delta()
    held = profile.identities
    profile.identities, delta.identity_types = merge_identities(held, granted, batch.received_at, strategy)
    delta.has_newer_times = profile.identities != held
    _see(profile, batch, delta)
    for key, register in _writes(batch):
        _write(profile, key, register, delta)
    if batch.events:
        ids = {event.event_id: event for track in profile.timeline.values() for event in track}
        for event in batch.events:
            if event.at >= horizon:
                _add(profile, event, ids, delta)
    return delta


def combine(deltas: Iterable[Delta]) -> Delta:
    """All changes of a message group as one."""
    total = Delta()
    for delta in deltas:
        total.events += delta.events
        total.registers |= delta.registers
        total.identity_types |= delta.identity_types
        total.new_workspaces |= delta.new_workspaces
        total.seen |= delta.seen
        total.has_replaced |= delta.has_replaced
        total.has_newer_times |= delta.has_newer_times
    return total


def prune(profile: Profile, horizon: int) -> None:
    """Forget what no real-time audience can see any more: events and deletions before the horizon (UTC ms)."""
    for key, track in list(profile.timeline.items()):
        if track[0].at < horizon:
            kept = [event for event in track if event.at >= horizon]
            if kept:
                profile.timeline[key] = kept
            else:
                del profile.timeline[key]
    if any(ref.last_at < horizon for ref in profile.sealed):
        profile.sealed = tuple(ref for ref in profile.sealed if ref.last_at >= horizon)
    profile.registers = {
        key: register
        for key, register in profile.registers.items()
        if not register.is_deleted or register.at >= horizon
    }


def _see(profile: Profile, batch: EventBatch, delta: Delta) -> None:
    workspace = batch.source.workspace_id
    seen = profile.seen.get(workspace)
    if seen is None:
        delta.new_workspaces.add(workspace)
        after = Seen(batch.seen_first, batch.seen_last)
    else:
        after = Seen(min(seen.first, batch.seen_first), max(seen.last, batch.seen_last))
    if after != seen:
        delta.seen.add(workspace)
        profile.seen[workspace] = after


def _writes(batch: EventBatch) -> Iterable[tuple[RegisterKey, Register]]:
    """Deletions come before writes, so that a name in both ends up written."""
    workspace, at = batch.source.workspace_id, batch.received_at
    for name in batch.deleted_attributes:
        yield RegisterKey(workspace, RegisterKind.ATTRIBUTE, name), Register(None, at, is_deleted=True)
    for name, value in batch.attributes.items():
        yield RegisterKey(workspace, RegisterKind.ATTRIBUTE, name), Register(value, at)
    yield from _observations(batch, workspace, at)


def _observations(batch: EventBatch, workspace: WorkspaceId, at: int) -> Iterable[tuple[RegisterKey, Register]]:
    for field, value in batch.device.items():
        yield RegisterKey(workspace, RegisterKind.DEVICE, f"{batch.device_key}/{field}"), Register(value, at)
    if batch.location:
        yield RegisterKey(workspace, RegisterKind.LOCATION, ""), Register(dict(batch.location), at)
    for (regulation, purpose), given in batch.consents.items():
        yield RegisterKey(workspace, RegisterKind.CONSENT, f"{regulation}/{purpose}"), Register(given, at)
    if batch.is_opted_out is not None:
        yield RegisterKey(workspace, RegisterKind.OPT_OUT, ""), Register(batch.is_opted_out, at)
    for name, value in batch.attribution.items():
        yield RegisterKey(workspace, RegisterKind.ATTRIBUTION, name), Register(value, at)


def _write(profile: Profile, key: RegisterKey, register: Register, delta: Delta) -> None:
    before = profile.registers.get(key)
    if before is not None and precedence(before) >= precedence(register):
        return
    profile.registers[key] = register
    delta.has_newer_times = True
    # Python takes True for 1, and tests of values do not.
    is_same = before is not None and (repr(before.value), before.is_deleted) == (
        repr(register.value),
        register.is_deleted,
    )
    if not is_same or _has_rivals(profile, key):
        delta.registers.add(key)


def _has_rivals(profile: Profile, key: RegisterKey) -> bool:
    """Whether other workspaces hold this, too: then a newer time alone can change which of them wins."""
    others = profile.seen.keys() - {key.workspace_id}
    return any(RegisterKey(other, key.kind, key.name) in profile.registers for other in others)


def _add(profile: Profile, event: Event, ids: dict[bytes, Event], delta: Delta) -> None:
    """Events are a set: of two with one id the lesser stays, whichever came first."""
    known = ids.get(event.event_id)
    if known is not None:
        if _rank(known) <= _rank(event):
            return
        _remove(profile, known)
        delta.events.append(known)
        delta.has_replaced = True
    ids[event.event_id] = event
    insort(profile.timeline.setdefault((event.kind, event.name), []), event, key=by_time)
    delta.events.append(event)


def _remove(profile: Profile, event: Event) -> None:
    profile.timeline[event.kind, event.name].remove(event)
    if not profile.timeline[event.kind, event.name]:
        del profile.timeline[event.kind, event.name]
    if event.event_id in profile.sealed_ids:
        # A sealed chunk never changes: all its events go back among the open ones, to be sealed anew.
        profile.sealed, profile.sealed_ids = (), frozenset()


def _rank(event: Event) -> tuple[int, str, str, str, str, str, str]:
    return (
        event.at,
        event.kind,
        event.name,
        event.workspace_id,
        event.input_id,
        repr(sorted(event.attributes.items())),
        repr([sorted(product.items()) for product in event.products]),
    )
