"""Why a user is or is not a member of an audience."""

from datetime import datetime, timedelta

from audience_core.domain.account import Account
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.identities import CUSTOMER_ID
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.profile import Profile
from audience_core.domain.stores import AccountStore, AudienceStore, IdentityStore, ProfileStore
from audience_core.errors import InvalidInputError, NotFoundError
from audience_core.evaluation import explain as explaining
from audience_core.evaluation.explanation import Explanation
from audience_core.evaluation.values import to_ms
from audience_core.identity.claims import Claims

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
    """The stored audience's answer for a profile as it is known now, asked about the instant `at`.

    Raises:
        NotFoundError: there is no such audience or profile.
        InvalidInputError: `at` lies before the look-back, or too far ahead.
    """
    audience, account = audiences.get(account_id, audience_id), accounts.get(account_id)
    _require_known(account, at, now)
    found: dict[Mpid, Profile] = profiles.load(account_id, Environment.PRODUCTION, [mpid])
    if mpid not in found:
        raise NotFoundError("there is no such profile")
    others = active(audiences, account_id)
    return explaining.explain(audience, others, found[mpid], account.look_back_days, to_ms(at))


def customer(
    accounts: AccountStore, identities: IdentityStore, profiles: ProfileStore, account_id: AccountId, customer_id: str
) -> Mpid:
    """The profile that holds a customer id; raise `NotFoundError` if none does."""
    identity = Identity(CUSTOMER_ID, customer_id)
    rows = identities.rows(account_id, Environment.PRODUCTION, [identity])
    holders = profiles.load(account_id, Environment.PRODUCTION, list(rows[identity].holders))
    standing = Claims(rows, holders, accounts.get(account_id).strategy).holders(identity)
    if not standing:
        raise NotFoundError("there is no profile with this customer id")
    return max(standing, key=lambda mpid: (standing[mpid], mpid))


def active(store: AudienceStore, account_id: AccountId) -> dict[AudienceId, Audience]:
    """The account's active audiences by id."""
    return {each.audience_id: each for each in store.list(account_id) if each.status is AudienceStatus.ACTIVE}


def _require_known(account: Account, at: datetime, now: datetime) -> None:
    if at < now - timedelta(days=account.look_back_days):
        problem = f"events are kept for {account.look_back_days} days: ask for a later instant"
        raise InvalidInputError("nothing is known of that time any more", (("/query/at", problem),))
    if at > now + _FURTHEST_AHEAD:
        raise InvalidInputError("that is too far ahead", (("/query/at", "at most a year from now"),))
