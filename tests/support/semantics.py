"""The worked examples of docs/semantics.md: read from the page, and made into audiences and users."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.definition import Definition, EventKind
from audience_core.domain.event import Environment, Event, Identity, by_time
from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Delta, Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.evaluation.columnar.evaluate import evaluate as evaluate_shard
from audience_core.evaluation.columnar.shard import look_back
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.incremental import evaluate
from audience_core.evaluation.values import to_ms
from tests.support import oracle
from tests.support.shards import shard_of

PAGE = Path(__file__).parents[2] / "docs" / "semantics.md"
AT = "2018-09-09T13:00:00Z"
LOOK_BACK_DAYS = 30
AUDIENCE = AudienceId(1)
_HEADING = re.compile(r"(#+) (.*)")

type Portfolio = Mapping[AudienceId, Audience]
# Whether the profile is in the first audience of a portfolio at an instant (UTC ms), with a look-back in days.
type Evaluator = Callable[[Portfolio, Profile, int, int], bool]


@dataclass(frozen=True)
class Example:
    """One block of the page.

    Args:
        headings: those above it, the page's title first.
        line: of the page at which it starts.
    """

    headings: tuple[str, ...]
    line: int
    body: dict[str, Any]

    @property
    def title(self) -> str:
        return f"line {self.line}: {self.headings[-1]}"

    @property
    def at(self) -> int:
        return instant(self.body.get("at", AT))

    @property
    def look_back_days(self) -> int:
        return int(self.body.get("look_back_days", LOOK_BACK_DAYS))

    def definitions(self) -> dict[AudienceId, Any]:
        """As written: the example's own is audience 1."""
        others = {AudienceId(int(key)): each for key, each in self.body.get("other_audiences", {}).items()}
        return {AUDIENCE: self.body["definition"], **others}

    def portfolio(self) -> dict[AudienceId, Audience]:
        return {key: _audience(key, each) for key, each in self.definitions().items()}

    def users(self) -> Iterator[tuple[dict[str, Any], Profile]]:
        for user in self.body["users"]:
            yield user, _profile(user, self.at)


def headings() -> list[str]:
    return [found[2] for line in PAGE.read_text().splitlines() if (found := _HEADING.fullmatch(line))]


def examples() -> list[Example]:
    found: list[Example] = []
    above: list[str] = []
    block: list[str] | None = None
    for number, line in enumerate(PAGE.read_text().splitlines(), start=1):
        if block is not None and line == "```":
            found.append(Example(tuple(above), number - len(block), json.loads("\n".join(block))))
            block = None
        elif block is not None:
            block.append(line)
        elif line == "```json":
            block = []
        elif heading := _HEADING.fullmatch(line):
            above[len(heading[1]) - 1 :] = [heading[2]]
    return found


def incremental(portfolio: Portfolio, profile: Profile, now: int, look_back_days: int) -> bool:
    program = compile_program(1, portfolio.values(), look_back_days)
    return AUDIENCE in evaluate(program, profile, Delta(), now).flipped


def naive(portfolio: Portfolio, profile: Profile, now: int, look_back_days: int) -> bool:
    return oracle.is_member(portfolio[AUDIENCE], portfolio, profile, now, look_back_days)


def columnar(portfolio: Portfolio, profile: Profile, now: int, look_back_days: int) -> bool:
    found = evaluate_shard(shard_of([profile]), portfolio.values(), now, look_back(now, look_back_days))
    return profile.mpid in found.mpids(AUDIENCE)


# Every evaluator must say what the page says.
EVALUATORS: dict[str, Evaluator] = {"incremental": incremental, "columnar": columnar, "oracle": naive}


def instant(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))


def _audience(audience_id: AudienceId, definition: Any) -> Audience:
    moment = datetime.fromisoformat("2018-01-01T00:00:00Z")
    return Audience(
        account_id=AccountId(1),
        audience_id=audience_id,
        name=f"audience {audience_id}",
        status=AudienceStatus.ACTIVE,
        workspaces=(WorkspaceId("shop"),),
        inputs=(InputId("web"), InputId("ios")),
        definition=Definition.model_validate(definition),
        created_by="test",
        created_at=moment,
        updated_at=moment,
    )


def _profile(user: dict[str, Any], at: int) -> Profile:
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(7))
    events = [_event(number, each) for number, each in enumerate(user.get("events", []))]
    for event in sorted(events, key=by_time):
        profile.timeline.setdefault((event.kind, event.name), []).append(event)
    for identity_type, values in user.get("identities", {}).items():
        profile.identities |= {Identity(identity_type, value): at - DAY_MS for value in values}
    for write in [user, *user.get("writes", [])]:
        _write(profile, write, at)
    for workspace, (first, last) in user.get("seen", {"shop": ("2018-01-01T00:00:00Z", AT)}).items():
        profile.seen[WorkspaceId(workspace)] = Seen(instant(first), instant(last))
    return profile


def _event(number: int, told: dict[str, Any]) -> Event:
    kind = EventKind(told.get("kind", "custom_event"))
    return Event(
        kind,
        told.get("name", ""),
        instant(told["at"]),
        number.to_bytes(8),
        WorkspaceId(told.get("workspace", "shop")),
        InputId(told.get("input", "web")),
        told.get("attributes", {}),
        tuple(told.get("products", ())),
    )


def _write(profile: Profile, told: dict[str, Any], at: int) -> None:
    workspace = WorkspaceId(told.get("workspace", "shop"))
    received_at = instant(told["at"]) if "at" in told else at - DAY_MS
    registers: dict[tuple[RegisterKind, str], Any] = {}
    registers |= {(RegisterKind.ATTRIBUTE, name): value for name, value in told.get("attributes", {}).items()}
    for device, fields in told.get("devices", {}).items():
        registers |= {(RegisterKind.DEVICE, f"{device}/{name}"): value for name, value in fields.items()}
    registers |= {(RegisterKind.CONSENT, name): value for name, value in told.get("consents", {}).items()}
    registers |= {(RegisterKind.ATTRIBUTION, name): value for name, value in told.get("attribution", {}).items()}
    if "location" in told:
        registers[RegisterKind.LOCATION, ""] = told["location"]
    for (kind, name), value in registers.items():
        profile.registers[RegisterKey(workspace, kind, name)] = Register(value, received_at)
