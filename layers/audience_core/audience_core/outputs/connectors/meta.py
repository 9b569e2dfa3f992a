"""Keeps Meta custom audiences: one for each kind of identity, and one of whole rows if wanted."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import batched
from typing import Any

from audience_core.domain.ids import Mpid
from audience_core.domain.output import Forward
from audience_core.errors import InvalidInputError, RetryableDeliveryError
from audience_core.outputs.connector import Receipt, Rejection, Subscription
from audience_core.outputs.connectors import meta_rows
from audience_core.outputs.connectors.meta_graph import Graph, MissingObjectError, RemoteAudience
from audience_core.outputs.connectors.meta_rows import MATCHED_ATTRIBUTES, PHONE_ATTRIBUTE, TITLES, RemoteKind, Row
from audience_core.outputs.connectors.meta_settings import (
    GAID,
    GRAPH_URL,
    IDFA,
    PHONES,
    MetaConnectionSettings,
    MetaSettings,
)
from audience_core.outputs.http import Send
from audience_core.outputs.lookalike import Lookalike, LookalikeSpec
from audience_core.outputs.projection import Wanted

# Members at once: far fewer rows than a request may hold, but as many as one run of the worker acknowledges in time.
BATCH_SIZE = 1000
ROWS_PER_REQUEST = 10_000
# Membership shows at Meta within a day; calls are rationed by the hour.
FLUSH_AFTER_S = 3 * 3600
# Removals travel in the URL. Meta hangs up on long ones (16 kB have been seen to fail), and RFC 9110 (4.1) asks
# nobody to take more than this.
MAX_URL_BYTES = 8000
_REMOTE = "remote_"

logger = logging.getLogger(__name__)


class MetaConnector:
    """The ids of the remote audiences are kept in the subscription's settings, as `remote_<kind>`.

    Each bears in its description a mark by which it is found again when its making was not remembered.
    """

    def __init__(self, settings: MetaSettings, send: Send) -> None:
        self._settings = settings
        self._graph = Graph(settings.graph_url or GRAPH_URL, settings.access_token, send)

    @property
    def accepted_identities(self) -> frozenset[str]:
        facebook = {"facebook"} if self._settings.app_id else set()
        return frozenset({"email", IDFA, GAID, *PHONES} | facebook)

    @property
    def required_identities(self) -> frozenset[str]:
        return frozenset()

    @property
    def batch_size(self) -> int:
        return BATCH_SIZE

    def wanted(self, given: Mapping[str, Any]) -> Wanted:
        """What a connection with these settings forwards."""
        settings = MetaConnectionSettings.model_validate(given)
        chosen = {
            settings.external_email_identity_type: settings.forward_emails,
            settings.external_id_type: bool(settings.external_id_type),
            "facebook": settings.forward_facebook_ids and bool(self._settings.app_id),
            **dict.fromkeys(settings.device_types, True),
            **dict.fromkeys(PHONES, settings.forward_phones),
        }
        attributes = {PHONE_ATTRIBUTE} if settings.forward_phones else set()
        if settings.match_on_user_attributes:
            attributes |= set(MATCHED_ATTRIBUTES.values())
        if settings.value_based:
            attributes.add(settings.value_attribute)
        types = frozenset(name for name, is_chosen in chosen.items() if is_chosen)
        return Wanted(types, self.required_identities, frozenset(attributes))

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        return self._arrange(subscription, {})

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        return self._arrange(subscription, _remote_ids(previous))

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        known = set(_remote_ids(subscription.settings).values())
        for remote_id in sorted(known | {found.id for found in self._found(subscription).values()}):
            self._delete(remote_id)

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        if not changes:
            self._graph.get(self._settings.account_path, fields="id")
            return Receipt()
        settings = _connection_settings(subscription)
        rejected: dict[Mpid, Rejection] = {}
        for kind, remote_id in _remote_ids(subscription.settings).items():
            leaving, coming = _difference(kind, changes, settings)
            for rows in self._in_urls(kind, remote_id, leaving, settings):
                payload = meta_rows.removed(kind, rows, settings, self._settings.app_id)
                self._graph.delete(f"{remote_id}/users", payload=payload)
            for told in batched(coming.items(), ROWS_PER_REQUEST, strict=False):
                payload = meta_rows.added(kind, [row for row, _ in told], settings, self._settings.app_id)
                answer = self._graph.post(f"{remote_id}/users", payload=payload)
                rejected |= {each.mpid: each for each in _rejections(kind, told, answer)}
        return Receipt(tuple(rejected.values()))

    def make_lookalike(self, echoed: Mapping[str, str], spec: LookalikeSpec) -> Lookalike:
        """Of the multi-key audience, else of the first there is. It is the marketer's from then on, to delete, too."""
        ids = _remote_ids(echoed)
        best = next((kind for kind in (RemoteKind.MULTI_KEY, *RemoteKind) if kind in ids), "")
        if (spec.origin or best) not in ids:
            raise InvalidInputError("there is no such origin", (("/origin", f"one of: {', '.join(sorted(ids))}"),))
        origin_id = ids[RemoteKind(spec.origin or best)]
        start = f"{100 * spec.starting_ratio:.0f}%-" if spec.starting_ratio else ""
        where = f"{spec.country}, {start}{100 * spec.ratio:.0f}%"
        mark = f"Made by Audience Manager; please leave this mark: lookalike of {origin_id} ({where})"
        for each in self._listed():
            if each.description == mark:
                return Lookalike(each.id, each.name)
        name = f"Lookalike ({where}) - {self._graph.get(origin_id, fields='name').get('name', origin_id)}"
        return Lookalike(self._create_lookalike(origin_id, name, mark, spec), name)

    def _create_lookalike(self, origin_id: str, name: str, description: str, spec: LookalikeSpec) -> str:
        wanted: dict[str, Any] = {"country": spec.country, "ratio": float(spec.ratio)}
        if spec.starting_ratio is not None:
            wanted["starting_ratio"] = float(spec.starting_ratio)
        answer = self._graph.post(
            f"{self._settings.account_path}/customaudiences",
            name=name,
            subtype="LOOKALIKE",
            description=description,
            origin_audience_id=origin_id,
            lookalike_spec=wanted,
        )
        return _id_of(answer)

    def _arrange(self, subscription: Subscription, known: dict[RemoteKind, str]) -> dict[str, str]:
        """Have exactly the wanted audiences, by their present name; their ids as settings to be echoed."""
        settings = _connection_settings(subscription)
        wanted = self._kinds(settings)
        found = self._found(subscription) if set(wanted) - known.keys() else {}
        ids: dict[RemoteKind, str] = {}
        for kind in wanted:
            name = f"{subscription.audience_name} ({TITLES[kind]})"
            if kind in known:
                ids[kind] = self._rename(known[kind], name)
            elif kind in found:
                is_named = found[kind].name == name
                ids[kind] = found[kind].id if is_named else self._rename(found[kind].id, name)
            else:
                ids[kind] = self._create(subscription, kind, name, settings)
        for kind in known.keys() - set(wanted):
            self._delete(known[kind])
        return {f"{_REMOTE}{kind}": remote_id for kind, remote_id in ids.items()}

    def _kinds(self, settings: MetaConnectionSettings) -> list[RemoteKind]:
        chosen = {
            RemoteKind.EMAIL: settings.forward_emails,
            RemoteKind.FACEBOOK: settings.forward_facebook_ids and bool(self._settings.app_id),
            RemoteKind.DEVICE: bool(settings.device_types),
            RemoteKind.PHONE: settings.forward_phones,
            RemoteKind.MULTI_KEY: settings.multi_key,
        }
        return [kind for kind, is_chosen in chosen.items() if is_chosen]

    def _create(self, subscription: Subscription, kind: RemoteKind, name: str, settings: MetaConnectionSettings) -> str:
        answer = self._graph.post(
            f"{self._settings.account_path}/customaudiences",
            name=name,
            subtype="CUSTOM",
            description=_description(subscription, kind),
            customer_file_source=settings.customer_file_source,
            **({"is_value_based": True} if settings.value_based else {}),
        )
        return _id_of(answer)

    def _rename(self, remote_id: str, name: str) -> str:
        self._graph.post(f"{remote_id}/", name=name)
        return remote_id

    def _delete(self, remote_id: str) -> None:
        try:
            self._graph.delete(f"{remote_id}/")
        except MissingObjectError:
            logger.info("a remote audience was gone already")

    def _found(self, subscription: Subscription) -> dict[RemoteKind, RemoteAudience]:
        """Audiences of the account that were made for this connection, whether or not that was remembered."""
        kinds = {_description(subscription, kind): kind for kind in RemoteKind}
        return {kinds[each.description]: each for each in self._listed() if each.description in kinds}

    def _listed(self) -> Iterable[RemoteAudience]:
        return self._graph.listed(f"{self._settings.account_path}/customaudiences")

    def _in_urls(
        self, kind: RemoteKind, remote_id: str, rows: Sequence[Row], settings: MetaConnectionSettings
    ) -> Iterable[Sequence[Row]]:
        """Cut so that the URL of each removal is short enough."""
        if not rows:
            return
        payload = meta_rows.removed(kind, rows, settings, self._settings.app_id)
        url = self._graph.delete_target(f"{remote_id}/users", payload=payload)
        if len(url) <= MAX_URL_BYTES or len(rows) == 1:
            yield rows
            return
        middle = len(rows) // 2
        yield from self._in_urls(kind, remote_id, rows[:middle], settings)
        yield from self._in_urls(kind, remote_id, rows[middle:], settings)


def _difference(
    kind: RemoteKind, changes: Sequence[Forward], settings: MetaConnectionSettings
) -> tuple[list[Row], dict[Row, Mpid]]:
    """Rows to remove, and rows to add with whose they are.

    A remote audience does not know whose an identity is, so one that any member of the batch has stays. All that a
    member should have is added, even what was there before: it may have been lost on the way.
    """
    known: dict[tuple[str, ...], Row] = {}
    coming: dict[Row, Mpid] = {}
    for change in changes:
        known |= {row.keys: row for row in meta_rows.rows(kind, change.before, settings)}
        coming |= dict.fromkeys(meta_rows.rows(kind, change.after, settings), change.mpid)
    wanted = {row.keys for row in coming}
    return [row for keys, row in known.items() if keys not in wanted], coming


def _rejections(kind: RemoteKind, told: Sequence[tuple[Row, Mpid]], answer: Mapping[str, Any]) -> Iterable[Rejection]:
    """Whose entries Meta calls invalid; it samples a few of them, so the rest are no more than a count."""
    count = answer.get("num_invalid_entries")
    if not isinstance(count, int) or count <= 0:
        return
    samples = answer.get("invalid_entry_samples")
    texts = {str(part) for pair in samples.items() for part in pair} if isinstance(samples, dict) else set()
    named = {mpid for row, mpid in told if meta_rows.cells(kind, row) & texts}
    logger.warning("entries were invalid", extra={"count": count, "named": len(named)})
    # Partial: the member's other entries, and those in other audiences, are taken.
    reason = f"the partner calls an entry invalid ({TITLES[kind]})"
    yield from (Rejection(mpid, reason, is_partial=True) for mpid in sorted(named))


def _connection_settings(subscription: Subscription) -> MetaConnectionSettings:
    own = MetaConnectionSettings.model_fields.keys()
    return MetaConnectionSettings.model_validate({k: v for k, v in subscription.settings.items() if k in own})


def _remote_ids(settings: Mapping[str, str]) -> dict[RemoteKind, str]:
    return {kind: settings[f"{_REMOTE}{kind}"] for kind in RemoteKind if f"{_REMOTE}{kind}" in settings}


def _description(subscription: Subscription, kind: RemoteKind) -> str:
    mark = f"{subscription.account_id}/{subscription.connection_id}/{kind}"
    return f"Kept by Audience Manager; please leave this mark: {mark}"


def _id_of(answer: Mapping[str, Any]) -> str:
    remote_id = answer.get("id")
    if not isinstance(remote_id, str) or not remote_id.isdigit():
        raise RetryableDeliveryError("the partner did not say which audience it made")
    return remote_id
