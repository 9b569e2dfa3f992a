"""Creates that may be repeated: under an Idempotency-Key the first answer is given again for 24 hours."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from audience_core.domain.control_stores import Answer, AnswerStore
from audience_core.domain.ids import AccountId
from audience_core.errors import ConflictError, InvalidInputError


@dataclass(frozen=True, slots=True)
class Create:
    """A request that creates something.

    Args:
        key: None when the client sent no Idempotency-Key.
        text: method, path and body: a repeat must bring the same.
    """

    account_id: AccountId
    key: str | None
    text: str


def once[V: BaseModel](
    store: AnswerStore,
    request: Create,
    now: datetime,
    view: type[V],
    make: Callable[[], V],
    confidential: frozenset[str] = frozenset(),
) -> V:
    """What `make` returns, or returned the first time.

    Args:
        confidential: optional fields of the view that are told once and not kept.

    Raises:
        InvalidInputError: the key was used for another request.
        ConflictError: the first request is still under way.
    """
    if request.key is None:
        return make()
    fingerprint = hashlib.sha256(request.text.encode()).hexdigest()
    known = store.claim_answer(request.account_id, request.key, fingerprint, now)
    if known is not None:
        return view.model_validate_json(_first_answer(known, fingerprint))
    try:
        made = make()
    except BaseException:
        store.release_answer(request.account_id, request.key)
        raise
    body = made.model_dump_json(exclude=set(confidential))
    store.save_answer(request.account_id, request.key, Answer(fingerprint, body), now)
    return made


def _first_answer(known: Answer, fingerprint: str) -> str:
    if known.fingerprint != fingerprint:
        raise InvalidInputError("the Idempotency-Key was used for another request")
    if not known.body:
        raise ConflictError("the first request of this Idempotency-Key is still under way: repeat it later")
    return known.body
