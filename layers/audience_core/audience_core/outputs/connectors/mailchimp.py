"""Keeps members of an audience as contacts of a Mailchimp audience ("list"), by their e-mail."""

import base64
import re
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import batched
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from audience_core.domain.output import FaultKind, Forward, Grant
from audience_core.errors import TerminalDeliveryError
from audience_core.outputs.connector import Receipt, Rejection, Subscription
from audience_core.outputs.connectors.mailchimp_api import Added, MailchimpApi, Pause, account_facts
from audience_core.outputs.connectors.mailchimp_members import (
    Contact,
    hash_of,
    key_of,
    merge_fields,
    to_add,
    to_remove,
)
from audience_core.outputs.http import Send
from audience_core.outputs.log_in import LogIn

IDENTITY_TYPES = frozenset({"email"})
# What one request may hold (https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/).
BATCH_SIZE = 500
# So few are archived at once, one request each: a batch has to wait its turn at Mailchimp.
_FEW = 10
_ERROR_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class EmailType(StrEnum):
    HTML = "html"
    TEXT = "text"


class MailchimpSettings(BaseModel):
    """What an output of this kind is configured with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: Annotated[
        # The part after the hyphen becomes a host name.
        Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9]+-[a-z]{2,4}[0-9]{1,4}$")] | None,
        Field(
            title="API Key",
            description="Ends in the data centre, as in `...-us19`; not needed after logging in",
            json_schema_extra={"confidential": True},
        ),
    ] = None
    email_type: Annotated[EmailType, Field(title="Email Type", description="What new contacts get")] = EmailType.HTML
    double_opt_in: Annotated[
        bool, Field(title="Double Opt-in", description="New contacts must first confirm a mail from Mailchimp")
    ] = True
    delete_on_subscription_end: Annotated[
        bool,
        Field(
            title="Delete on Subscription End",
            description="Archive a contact who leaves; otherwise only take the audience's tag off",
        ),
    ] = True


class MailchimpConnectionSettings(BaseModel):
    """The list stays the one that the connection was made with: nobody would take the members off the one before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    list_id: Annotated[
        str,
        Field(
            title="Audience ID",
            description="Of the Mailchimp audience, which must exist (its settings show the id)",
            pattern=r"^[A-Za-z0-9]{1,64}$",
            json_schema_extra={"fixed": True},
        ),
    ]


class MailchimpConnector:
    accepted_identities = IDENTITY_TYPES
    required_identities = frozenset[str]()
    batch_size = BATCH_SIZE

    def __init__(self, settings: MailchimpSettings, api: MailchimpApi) -> None:
        self._settings, self._api = settings, api
        self._merge_tags: dict[str, frozenset[str]] = {}

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        """Nothing is announced: the list must be there. The tag keeps its name, whatever becomes of the audience's."""
        self._api.check_list(_list_of(subscription.settings))
        return {"tag": subscription.audience_name}

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        """Raise `TerminalDeliveryError` for another list: nobody would take the members off the one before."""
        if previous.get("list_id", _list_of(subscription.settings)) != _list_of(subscription.settings):
            reason = "list_id cannot change: put it back, or delete the connection and connect the audience anew"
            raise TerminalDeliveryError(reason, FaultKind.CONFIGURATION)
        self._api.check_list(_list_of(subscription.settings))
        return {"tag": previous.get("tag", subscription.audience_name)}

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        """There is nothing to end but what `forward` has ended; see only that the partner was still there for that."""
        self._api.ping()

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        """Adds before it removes: a batch of removals may have to wait, and removes nobody who is added here."""
        if not changes:
            self._api.ping()
            return Receipt()
        wanted = to_add(changes)
        refused = self._add(subscription, wanted)
        self._remove(subscription, to_remove(changes, wanted.keys()))
        return Receipt(_rejections(wanted, refused))

    def _add(self, subscription: Subscription, contacts: Mapping[str, Contact]) -> dict[str, str]:
        """Add them all; keys of those that Mailchimp refuses, with its reasons.

        Whoever is archived there needs a second request: he is not new to Mailchimp, so `status_if_new` does not bring
        him back. Archived is what we made of those who left, and no wish of theirs: whoever unsubscribed is refused.
        """
        list_id, refused = _list_of(subscription.settings), dict[str, str]()
        for chunk in batched(contacts, BATCH_SIZE, strict=False):
            members = [self._member(subscription, contacts[key], "status_if_new") for key in chunk]
            added = self._api.add(list_id, members)
            refused |= _refusals(added)
            if archived := [key for key in map(key_of, added.archived) if key in contacts]:
                members = [self._member(subscription, contacts[key], "status") for key in archived]
                refused |= _refusals(self._api.add(list_id, members))
        return refused

    def _member(self, subscription: Subscription, contact: Contact, status_field: str) -> dict[str, Any]:
        member: dict[str, Any] = {
            "email_address": contact.email.strip(),
            "email_type": self._settings.email_type.value,
            # Only for those who are new: who has unsubscribed, or whose mailbox is gone, stays as he is.
            status_field: "pending" if self._settings.double_opt_in else "subscribed",
            "tags": [_tag_of(subscription)],
        }
        if contact.attributes:
            known = self._tags_on(_list_of(subscription.settings))
            member["merge_fields"] = merge_fields(contact.attributes, known)
        return member

    def _remove(self, subscription: Subscription, keys: Sequence[str]) -> None:
        list_id = _list_of(subscription.settings)
        for chunk in batched(keys, BATCH_SIZE, strict=False):
            if not self._settings.delete_on_subscription_end:
                self._api.untag(list_id, _tag_of(subscription), chunk)
            elif len(chunk) > _FEW:
                self._api.archive_many(list_id, [hash_of(key) for key in chunk])
            else:
                for key in chunk:
                    self._api.archive(list_id, hash_of(key))

    def _tags_on(self, list_id: str) -> frozenset[str]:
        """Asked for once: a connector lives for one drain of a lane."""
        if list_id not in self._merge_tags:
            self._merge_tags[list_id] = self._api.merge_tags(list_id)
        return self._merge_tags[list_id]


def with_key(settings: MailchimpSettings, send: Send, pause: Pause = time.sleep) -> MailchimpConnector:
    """A connector that shows the API key, whose end names the data centre."""
    key = settings.api_key
    if key is None:
        return MailchimpConnector(settings, MailchimpApi("", {}, send, pause))
    # Any user name will do; this is what Mailchimp's own client sends.
    credential = base64.b64encode(f"user:{key}".encode()).decode()
    base = f"https://{key.rpartition('-')[2]}.api.mailchimp.com/3.0"
    return MailchimpConnector(settings, MailchimpApi(base, {"Authorization": f"Basic {credential}"}, send, pause))


def logged_in(settings: MailchimpSettings, grant: Grant, send: Send, pause: Pause = time.sleep) -> MailchimpConnector:
    """A connector that shows the token of a log-in, whose facts name the data centre."""
    headers = {"Authorization": f"Bearer {grant.access_token}"}
    return MailchimpConnector(settings, MailchimpApi(f"{grant.facts['api_endpoint']}/3.0", headers, send, pause))


# https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/
LOG_IN = LogIn(
    url="https://login.mailchimp.com",
    authorize_path="/oauth2/authorize",
    token_path="/oauth2/token",
    scope=None,
    instead_of="api_key",
    facts=account_facts,
    open=logged_in,
)


def _list_of(settings: Mapping[str, str]) -> str:
    return settings.get("list_id", "")


def _tag_of(subscription: Subscription) -> str:
    return subscription.settings.get("tag", subscription.audience_name)


def _refusals(added: Added) -> dict[str, str]:
    """Keys of contacts that were refused, and why: Mailchimp's code, since its words may repeat identities."""
    return {key_of(str(error.get("email_address"))): _reason(error) for error in added.errors}


def _reason(error: Mapping[str, Any]) -> str:
    code, tag = str(error.get("error_code", "")), str(error.get("field", ""))
    said = f" ({code})" if _ERROR_CODE.fullmatch(code) else ""
    about = f" because of the merge tag {tag}" if _ERROR_CODE.fullmatch(tag) else ""
    return f"Mailchimp refuses this contact{about}{said}"


def _rejections(contacts: Mapping[str, Contact], refused: Mapping[str, str]) -> tuple[Rejection, ...]:
    """A rejection is partial if another address of the same member was taken."""
    taken = {mpid for key, contact in contacts.items() if key not in refused for mpid in contact.mpids}
    reasons = {mpid: refused[key] for key, contact in contacts.items() if key in refused for mpid in contact.mpids}
    return tuple(Rejection(mpid, reason, mpid in taken) for mpid, reason in reasons.items())
