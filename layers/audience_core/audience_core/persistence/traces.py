"""What tables keep of users, for those who erase them: items of other stores, by the keys that these gave them."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import batched
from typing import Any

from pynamodb.exceptions import DeleteError, DoesNotExist
from pynamodb.models import Model

from audience_core.domain.erasure import Subject
from audience_core.domain.event import Identity
from audience_core.domain.ids import NEVER, AccountId, AudienceId, ConnectionId, InputId, Mpid
from audience_core.domain.job import UNDER_WAY, Part
from audience_core.domain.output import delivery_bucket_of
from audience_core.errors import StaleVersionError
from audience_core.persistence import requests as request_rows
from audience_core.persistence.audiences import CounterItem
from audience_core.persistence.history import DynamoHistoryStore
from audience_core.persistence.identities import DynamoIdentityStore, IdentityItem
from audience_core.persistence.jobs import DynamoJobStore
from audience_core.persistence.ledger_codec import pack_attempts, unpack_attempts
from audience_core.persistence.ledger_items import NOTES, LedgerItem, lane_key
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.profiles import ChunkItem
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure

_AT_ONCE = 100


class DynamoTraces:
    """Args:
    tables: names by the variables in which functions get them.
    """

    def __init__(self, tables: Any, region: str | None = None) -> None:
        self._identities = DynamoIdentityStore(tables["IDENTITIES_TABLE"], region)
        self._identity_items = bind(IdentityItem, tables["IDENTITIES_TABLE"], region)
        self._chunks = bind(ChunkItem, tables["CHUNKS_TABLE"], region)
        self._history = DynamoHistoryStore(tables["HISTORY_TABLE"], region)
        self._memberships = DynamoMembershipStore(tables["MEMBERSHIPS_TABLE"], tables["COUNTS_TABLE"], region)
        self._ledger = bind(LedgerItem, tables["LEDGER_TABLE"], region)
        self._requests = bind(request_rows.RequestItem, tables["REQUESTS_TABLE"], region)
        self._counters = bind(CounterItem, tables["AUDIENCES_TABLE"], region)
        self._jobs = DynamoJobStore(tables["JOBS_TABLE"], region)

    def timelines(self, account_id: AccountId, subject: Subject) -> int:
        pk = f"{account_id}#{subject.environment[0]}#{subject.mpid}"
        return _delete_all(self._chunks, self._chunks.query(pk, consistent_read=True, attributes_to_get=["pk", "sk"]))

    def identity(self, account_id: AccountId, subject: Subject, identity: Identity) -> int:
        """A row without holders goes under the condition that nobody has claimed it since it was read."""
        place = account_id, subject.environment, identity
        self._identities.forget(*place, subject.mpid, NEVER)
        row = self._identities.rows(account_id, subject.environment, [identity])[identity]
        if row.holders or not row.version:
            return 0
        item = self._identity_items(f"{account_id}#{subject.environment[0]}#{identity.type}#{identity.value}", "-")
        try:
            item.delete(condition=IdentityItem.version == row.version)
        except DeleteError as error:
            if not is_condition_failure(error):
                raise
            return 0
        return 1

    def memberships(self, account_id: AccountId, mpid: Mpid, until: AudienceId) -> int:
        found: set[tuple[AudienceId, Mpid]] = set()
        for ids in batched(range(1, until + 1), _AT_ONCE, strict=False):
            found |= self._memberships.listed(account_id, [(AudienceId(each), mpid) for each in ids])
        self._memberships.apply(account_id, (), sorted(found))
        return len(found)

    def history(self, account_id: AccountId, mpid: Mpid, until: AudienceId) -> int:
        return sum(self._history.forget(account_id, AudienceId(each), mpid) for each in range(1, until + 1))

    def notes(self, account_id: AccountId, connection_id: ConnectionId, mpid: Mpid) -> int:
        lane, removed = lane_key(account_id, connection_id, delivery_bucket_of(mpid)), 0
        for item in self._ledger.query(lane, LedgerItem.sk.startswith(NOTES), consistent_read=True):
            attempts = unpack_attempts(item.attempts)
            left = {each: target for each, target in attempts.items() if each != mpid}
            if len(left) < len(attempts):
                removed += 1
                item.delete() if not left else item.update([LedgerItem.attempts.set(pack_attempts(left))])
        return removed

    def requests(self, requests: Collection[tuple[InputId, str]]) -> int:
        keys = {request_rows.request_key(*each) for each in requests}
        with self._requests.batch_write() as batch:
            for key in keys:
                batch.delete(self._requests(key, request_rows.REQUEST))
        return len(keys)

    def job_parts(self, account_id: AccountId, mpids: Collection[Mpid]) -> int:
        removed = 0
        for job in self._jobs.list(account_id):
            if job.state not in UNDER_WAY:
                for part in self._jobs.parts(account_id, job.parts_id):
                    if _names(part, mpids):
                        removed += self._scrubbed(part)
        return removed

    def last_audience(self, account_id: AccountId) -> AudienceId:
        try:
            item = self._counters.get(f"{account_id}#audiences", "NEXT_ID", consistent_read=True)
        except DoesNotExist:
            return AudienceId(0)
        return AudienceId(int(item.value))

    def _scrubbed(self, part: Part) -> int:
        """Its counts stay; where it was cannot be gone on with once the job has ended."""
        with suppress(StaleVersionError):
            self._jobs.save_part(part.model_copy(update={"last": None, "cursor": None, "pending": ()}))
            return 1
        return 0


def _names(part: Part, mpids: Collection[Mpid]) -> bool:
    texts = [str(mpid) for mpid in mpids]
    pending = {mpid for _, mpid in part.pending}
    return part.last in mpids or bool(pending & set(mpids)) or any(text in (part.cursor or "") for text in texts)


def _delete_all(model: type[Model], items: Iterator[Any]) -> int:
    removed = 0
    with model.batch_write() as batch:
        for item in items:
            batch.delete(item)
            removed += 1
    return removed
