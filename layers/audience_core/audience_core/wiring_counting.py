"""What counting works with; apart, so that it imports neither evaluators nor connectors."""

from functools import cache

from audience_core import wiring
from audience_core.pipeline.count_members import Counting
from audience_core.pipeline.member_sets import MemberSets


@cache
def counting() -> Counting:
    """What `pipeline.count_members` works with."""
    of = wiring.stores()
    return Counting(of.accounts, of.history, of.memberships, of.identities, MemberSets(of.audiences))
