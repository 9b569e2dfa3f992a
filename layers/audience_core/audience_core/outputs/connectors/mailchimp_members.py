"""How members are written for Mailchimp: contacts by their e-mail, attributes as merge tags."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audience_core.domain.event import AttributeValue
from audience_core.domain.ids import Mpid
from audience_core.domain.output import Forward, Target

_MAX_TAG_LENGTH = 10
_NOT_IN_TAGS = re.compile(r"[^A-Z0-9_]")


@dataclass(slots=True)
class Contact:
    """One e-mail address to add, whichever and however many members have it.

    Args:
        email: as the first of them spells it.
        mpids: all of them.
        attributes: by name; of a value that differs between them, the first one's.
    """

    email: str
    mpids: list[Mpid] = field(default_factory=list)
    attributes: dict[str, AttributeValue] = field(default_factory=dict)


def key_of(email: str) -> str:
    """What two spellings of one contact have in common: Mailchimp takes no account of case."""
    return email.strip().lower()


def hash_of(key: str) -> str:
    """The contact's id in paths: the MD5 of the lower-case address (Mailchimp's "Manage Subscribers")."""
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


def to_add(changes: Sequence[Forward]) -> dict[str, Contact]:
    """Contacts that the partner should have, by key; an attribute that is gone has the value "", which clears it."""
    contacts: dict[str, Contact] = {}
    for change in changes:
        for email in _emails(change.after):
            contact = contacts.setdefault(key_of(email), Contact(email))
            contact.mpids.append(change.mpid)
            contact.attributes = {**_attributes(change), **contact.attributes}
    return contacts


def to_remove(changes: Sequence[Forward], wanted: Collection[str]) -> list[str]:
    """Keys of contacts that the partner should lose, but for those wanted through another member, in order."""
    gone = dict.fromkeys(key_of(email) for change in changes for email in _emails(change.before))
    return [key for key in gone if key not in wanted]


def merge_fields(attributes: Mapping[str, AttributeValue], known_tags: Collection[str]) -> dict[str, Any]:
    """Attributes by the merge tags that the list has; of two that share a tag, the first by name."""
    fields: dict[str, Any] = {}
    for name in sorted(attributes):
        tag = merge_tag(name)
        if tag in known_tags and tag not in fields:
            fields[tag] = _text(attributes[name])
    return fields


def merge_tag(attribute: str) -> str:
    """The merge tag of an attribute: upper-case letters, digits and `_`, at most 10 of them."""
    return _NOT_IN_TAGS.sub("_", attribute.upper())[:_MAX_TAG_LENGTH]


def _emails(target: Target | None) -> Sequence[str]:
    return [each.value for each in target.identities if each.type == "email"] if target else ()


def _attributes(change: Forward) -> dict[str, AttributeValue]:
    before = change.before.attributes if change.before else ()
    after = change.after.attributes if change.after else ()
    return {**{name: "" for name, _ in before}, **dict(after)}


def _text(value: AttributeValue) -> str:
    """Mailchimp reads numbers and dates from text, too; a list is its values, one after the other."""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
