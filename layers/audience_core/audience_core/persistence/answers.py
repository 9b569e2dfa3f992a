"""Answers to creates under an Idempotency-Key, kept beside the audiences for 24 hours."""

import zlib
from datetime import datetime

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError
from pynamodb.models import Model

from audience_core.domain.control_stores import Answer
from audience_core.domain.ids import AccountId
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure

_KEPT_S = 86_400
# Longer than the function that works an answer out may run.
_CLAIM_S = 60


class AnswerItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    fingerprint = UnicodeAttribute()
    body = BinaryAttribute(legacy_encoding=False, null=True)
    # Seconds; the claim's end while there is no body, the answer's afterwards.
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


class Answers:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(AnswerItem, table_name, region)

    def claim(self, account_id: AccountId, key: str, fingerprint: str, now: datetime) -> Answer | None:
        at = int(now.timestamp())
        item = self._items(_partition(account_id), key, fingerprint=fingerprint, expires_at=at + _CLAIM_S)
        item.ttl = at + _KEPT_S
        try:
            item.save(condition=AnswerItem.pk.does_not_exist() | (AnswerItem.expires_at <= at))
        except PutError as error:
            if is_condition_failure(error):
                return self._stored(account_id, key, fingerprint)
            raise
        return None

    def save(self, account_id: AccountId, key: str, answer: Answer, now: datetime) -> None:
        expires_at = int(now.timestamp()) + _KEPT_S
        self._items(
            _partition(account_id),
            key,
            fingerprint=answer.fingerprint,
            body=zlib.compress(answer.body.encode()),
            expires_at=expires_at,
            ttl=expires_at,
        ).save()

    def release(self, account_id: AccountId, key: str) -> None:
        self._items(_partition(account_id), key).delete()

    def _stored(self, account_id: AccountId, key: str, fingerprint: str) -> Answer:
        try:
            item = self._items.get(_partition(account_id), key, consistent_read=True)
        except DoesNotExist:
            # Released since: whoever asks sees a request under way, and may repeat it.
            return Answer(fingerprint)
        return Answer(item.fingerprint, zlib.decompress(item.body).decode() if item.body else "")


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#answers"
