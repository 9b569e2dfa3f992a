"""Sizes of audiences that are as a test says."""

from typing import Any

from audience_core.domain.audience import AudienceCounts
from audience_core.persistence.memory.summaries import MemoryCountSummaries


class FixedFigures(MemoryCountSummaries):
    def __init__(self, figures: dict[Any, AudienceCounts]) -> None:
        self._figures = figures

    def figures(self, account_id: Any, audience_ids: Any, now_ms: int) -> dict[Any, AudienceCounts]:
        nothing = AudienceCounts(size=0, adds_24h=0, drops_24h=0)
        return {each: self._figures.get((account_id, each), nothing) for each in audience_ids}
