"""What a profile holds after a batch told it identities, or after one of them went to somebody else."""

from collections.abc import Iterable, Mapping

from audience_core.domain.account import LoginStrategy
from audience_core.domain.event import Identity
from audience_core.domain.identities import is_device

MAX_DEVICE_IDENTITIES = 100


def merge_identities(
    held: Mapping[Identity, int], granted: Iterable[Identity], received_at: int, strategy: LoginStrategy
) -> tuple[dict[Identity, int], set[str]]:
    """One value of each user type, the latest by (time, value); of device types the latest 100 in all.

    Any order of the same merges gives the same result, immutable values aside: these are never replaced.

    Args:
        held: identity -> time at which it was last told (UTC ms); left as it is.
        received_at: UTC ms, of the batch that tells `granted`.

    Returns:
        What is held now, and the types of which a value came or went (a newer time alone is not a change).
    """
    after = dict(held)
    current = {identity.type: identity for identity in held if not is_device(identity.type)}
    for identity in granted:
        rival = None if is_device(identity.type) else current.get(identity.type)
        if rival is not None and rival != identity:
            if rival.type in strategy.immutable or (received_at, identity.value) < (after[rival], rival.value):
                continue
            del after[rival]
        after[identity] = max(received_at, after.get(identity, received_at))
        current[identity.type] = identity
    _drop_oldest_devices(after)
    return after, {identity.type for identity in held.keys() ^ after.keys()}


def release(held: Mapping[Identity, int], identity: Identity, at: int) -> tuple[dict[Identity, int], set[str]]:
    """Take away an identity unless it was told after `at` (UTC ms); what is held now, and the types that changed."""
    after = dict(held)
    if identity not in after or after[identity] > at:
        return after, set()
    del after[identity]
    return after, {identity.type}


def _drop_oldest_devices(held: dict[Identity, int]) -> None:
    devices = [identity for identity in held if is_device(identity.type)]
    if len(devices) > MAX_DEVICE_IDENTITIES:
        devices.sort(key=lambda identity: (held[identity], identity))
        for identity in devices[:-MAX_DEVICE_IDENTITIES]:
            del held[identity]
