"""Log-ins under way in DynamoDB: rows that one caller takes away, and that expire if nobody does."""

from hashlib import sha256

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, DoesNotExist, PutError
from pynamodb.models import Model

from audience_core.domain.ids import AccountId, OutputId
from audience_core.domain.output import PendingLogIn
from audience_core.errors import NotFoundError
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure

_UNKNOWN = "there is no such log-in under way"
# DynamoDB's own removal is late anyway; whether one has expired is for its taker to say.
_KEPT_S = 3600


class LogInItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    output_id = UnicodeAttribute()
    verifier = UnicodeAttribute()
    redirect_uri = UnicodeAttribute()
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


class RenewalItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    until = NumberAttribute()
    ttl = NumberAttribute()


class DynamoLogInStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._log_ins = bind(LogInItem, table_name, region)
        self._renewals = bind(RenewalItem, table_name, region)

    def begin(self, log_in: PendingLogIn) -> None:
        self._log_ins(
            _partition(log_in.account_id),
            _key(log_in.state),
            output_id=log_in.output_id,
            verifier=log_in.verifier,
            redirect_uri=log_in.redirect_uri,
            expires_at=log_in.expires_at,
            ttl=log_in.expires_at // 1000 + _KEPT_S,
        ).save()

    def take(self, account_id: AccountId, state: str) -> PendingLogIn:
        try:
            item = self._log_ins.get(_partition(account_id), _key(state), consistent_read=True)
            item.delete(LogInItem.pk.exists())
        except DoesNotExist as error:
            raise NotFoundError(_UNKNOWN) from error
        except DeleteError as error:
            if is_condition_failure(error):
                raise NotFoundError(_UNKNOWN) from error
            raise
        output_id, expires_at = OutputId(item.output_id), int(item.expires_at)
        return PendingLogIn(account_id, output_id, state, item.verifier, item.redirect_uri, expires_at)

    def claim_renewal(self, account_id: AccountId, output_id: OutputId, now_ms: int, for_ms: int) -> bool:
        until = now_ms + for_ms
        claim = self._renewals(_partition(account_id), f"R#{output_id}", until=until, ttl=until // 1000 + _KEPT_S)
        try:
            claim.save(RenewalItem.pk.does_not_exist() | (RenewalItem.until <= now_ms))
        except PutError as error:
            if is_condition_failure(error):
                return False
            raise
        return True


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#log-ins"


def _key(state: str) -> str:
    """Hashed: whoever reads the table must not be able to end a log-in that others have begun."""
    return f"S#{sha256(state.encode('utf-8', 'surrogatepass')).hexdigest()}"
