"""Identifiers, one type each, so that they cannot be exchanged by mistake."""

from typing import NewType

AccountId = NewType("AccountId", int)  # positive int32: partners receive it as a Java int
WorkspaceId = NewType("WorkspaceId", str)
InputId = NewType("InputId", str)
AudienceId = NewType("AudienceId", int)  # positive int32, unique in its account; a variant has its own
OutputId = NewType("OutputId", str)
ConnectionId = NewType("ConnectionId", str)
Mpid = NewType("Mpid", int)  # random non-zero signed 64-bit; a string wherever JavaScript may read it

DAY_MS = 86_400_000
NEVER = 1 << 62  # an instant later than any other, in UTC ms
