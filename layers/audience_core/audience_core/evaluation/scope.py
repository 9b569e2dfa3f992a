"""Whose data an audience reads."""

from dataclasses import dataclass

from audience_core.domain.ids import InputId, WorkspaceId

# Attributes of products, among those of an event, begin with this.
PRODUCTS = "products."


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose data an audience reads: events of its inputs, everything else of its workspaces."""

    workspaces: frozenset[WorkspaceId]
    inputs: frozenset[InputId]
