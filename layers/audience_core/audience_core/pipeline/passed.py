"""Tells those who erase a user that a reader of the profiles' stream has come past the user's end."""

from collections.abc import Callable, Iterable

from audience_core.domain.erasure import grave_of
from audience_core.domain.event import Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.profile import Profile
from audience_core.domain.stores import IdentityStore


def note_passed(
    identities: IdentityStore, gone: Iterable[Profile], mark_of: Callable[[Mpid], Identity], now_ms: int
) -> None:
    """Whoever erases a user waits for this: nothing that was told of the profile comes after it.

    Args:
        gone: removed profiles, of which those are marked that are being erased.
    """
    for profile in gone:
        whose = profile.account_id, profile.environment
        if identities.buried(*whose, [grave_of(profile.mpid)]):
            identities.bury(*whose, [mark_of(profile.mpid)], now_ms)
