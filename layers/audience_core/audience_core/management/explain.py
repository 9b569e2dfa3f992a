"""Why a user is or is not a member of an audience."""

from datetime import UTC, datetime, timedelta

from audience_core.domain.account import Account
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.control_stores import AccountStore, AudienceStore
from audience_core.domain.event import Environment, Identity
from audience_core.domain.identities import CUSTOMER_ID
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.profile import Profile
from audience_core.domain.stores import IdentityStore, ProfileStore
from audience_core.errors import InvalidInputError, NotFoundError
from audience_core.evaluation import explain as explaining
from audience_core.evaluation.explanation import Explanation
from audience_core.evaluation.values import to_ms
from audience_core.identity.claims import Claims
from audience_core.management.lifetime import refuse

_FURTHEST_AHEAD = timedelta(days=366)


def explain(
    accounts: AccountStore,
    audiences: AudienceStore,
    profiles: ProfileStore,
    account_id: AccountId,
    audience_id: AudienceId,
    mpid: Mpid,
    at: datetime,
    now: datetime,
) -> Explanation:
    """The stored audience's answer for a profile as it is known now, asked about the instant `at` (no zone: UTC).

    Raises:
        NotFoundError: there is no such audience or profile.
        InvalidInputError: `at` lies before the look-back, or too far ahead.
        ConflictError: it is a lifetime audience, which sees more than profiles hold.
    """
    audience, account = audiences.get(account_id, audience_id), accounts.get(account_id)
    refuse(audience, "explained")
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    _require_known(account, at, now)
    found: dict[Mpid, Profile] = profiles.load(account_id, Environment.PRODUCTION, [mpid])
    if mpid not in found:
        raise NotFoundError("there is no such profile")
    others = active(audiences, account_id)
    return explaining.explain(audience, others, found[mpid], account.look_back_days, to_ms(at))


def user_of(
    accounts: AccountStore,
    identities: IdentityStore,
    profiles: ProfileStore,
    account_id: AccountId,
    mpid: str | None,
    customer_id: str | None,
) -> Mpid:
    """The profile that either an mpid (decimal text) or a customer id names.

    Raises:
        InvalidInputError: both are given, or neither is.
        NotFoundError: nobody holds the customer id.
    """
    if (mpid is None) is (customer_id is None):
        raise InvalidInputError("whose membership?", (("/query/mpid", "give either an mpid or a customer_id"),))
    if mpid is not None:
        return Mpid(int(mpid))
    return _holder(accounts, identities, profiles, account_id, Identity(CUSTOMER_ID, customer_id or ""))


def _holder(
    accounts: AccountStore, identities: IdentityStore, profiles: ProfileStore, account_id: AccountId, identity: Identity
) -> Mpid:
    rows = identities.rows(account_id, Environment.PRODUCTION, [identity])
    candidates = profiles.load(account_id, Environment.PRODUCTION, list(rows[identity].holders))
    holders = Claims(rows, candidates, accounts.get(account_id).strategy).holders(identity)
    if not holders:
        raise NotFoundError(f"there is no profile with this {identity.type}")
    return max(holders, key=lambda mpid: (holders[mpid], mpid))


def active(store: AudienceStore, account_id: AccountId) -> dict[AudienceId, Audience]:
    """The account's active audiences by id."""
    return {each.audience_id: each for each in store.list(account_id) if each.status is AudienceStatus.ACTIVE}


def _require_known(account: Account, at: datetime, now: datetime) -> None:
    if at < now - timedelta(days=account.look_back_days):
        problem = f"events are kept for {account.look_back_days} days: ask for a later instant"
        raise InvalidInputError("nothing is known of that time any more", (("/query/at", problem),))
    if at > now + _FURTHEST_AHEAD:
        raise InvalidInputError("that is too far ahead", (("/query/at", "at most a year from now"),))
