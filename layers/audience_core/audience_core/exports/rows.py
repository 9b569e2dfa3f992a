"""Which rows a member gives: one for each identity of a chosen type."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator

from audience_core.domain.export import HASHED
from audience_core.domain.profile import Profile


class Choice:
    """The chosen identity types, made ready for many profiles.

    Args:
        identity_types: of `EXPORTED_TYPES`.
    """

    def __init__(self, identity_types: Collection[str]) -> None:
        self._plain = frozenset(identity_types) - HASHED.keys()
        self._hashed: defaultdict[str, list[str]] = defaultdict(list)
        for each in identity_types:
            if each in HASHED:
                self._hashed[HASHED[each]].append(each)

    def rows(self, profile: Profile) -> list[tuple[str, str]]:
        """(value, type) of each row, ascending by type and value, whatever order the profile has them in."""
        return [(value, kind) for kind, value in sorted(self._chosen(profile))]

    def _chosen(self, profile: Profile) -> Iterator[tuple[str, str]]:
        for identity in profile.identities:
            if identity.type in self._plain:
                yield identity.type, identity.value
            # Looked up, not indexed: a defaultdict would grow by every type it is asked for.
            for hashed in self._hashed.get(identity.type, ()):
                yield hashed, hashlib.sha256(identity.value.encode()).hexdigest()
