"""What is known at the end of a story: by the names of users instead of their random ids, and without instants."""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from audience_core import wiring_management
from audience_core.api import edge
from audience_core.domain.archive import OwnedBatch
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.job import JobKind, JobState
from audience_core.domain.output import DELIVERY_BUCKETS, Connection
from audience_core.domain.profile import Profile
from audience_core.management import measurements
from audience_core.persistence.history import LOG_ENTRY
from tests.support.control import ACCOUNT, AUDIENCE
from tests.support.data_path import DataPath
from tests.support.partners import FaultyPartner

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?")
_ARRANGEMENT = re.compile(r"\ba-[0-9a-f]{20,}")
_SETS = [AudienceId(number) for number in range(1, 6)]


@dataclass
class Ends:
    """Args:
    now_ms: the instant at which sizes are asked for.
    """

    stack: DataPath
    partner: FaultyPartner
    now_ms: int

    def told(self) -> dict[str, Any]:
        of = self.stack.stores
        return {
            "profiles": sorted(_told(profile) for profile in self._profiles),
            "identities": self._identities(),
            "members": self._members(),
            "counts": {each: of.memberships.counts(ACCOUNT, each, self.now_ms).model_dump() for each in _SETS},
            "history": self._history(),
            "connections": self._connections(),
            "ledger": self._ledger(),
            "notes": [item["sk"] for item in self.stack.items("LEDGER") if "attempts" in item],
            "partner": self._at_the_partner(),
            "archive": self._archive(),
            "shards": self._shards(),
            "exports": self._exports(),
            "results": self._results(),
            "outcomes": self._outcomes(),
            "jobs": self._jobs(),
            "credits": [use.credits for use in of.jobs.credit_book(ACCOUNT).uses],
            "told": self._told_to_owners(),
            "queues": {queue: len(self.stack.messages(queue)) for queue in self.stack.queues},
        }

    @cached_property
    def _profiles(self) -> list[Profile]:
        found: list[Profile] = []
        rows = self.stack.items("PROFILES")
        for environment in Environment:
            letter = f"#{environment[0]}#"
            mpids = [Mpid(int(item["sk"]["S"])) for item in rows if letter in item["pk"]["S"]]
            found += self.stack.stores.profiles.load(ACCOUNT, environment, mpids).values() if mpids else ()
        return found

    @cached_property
    def _names(self) -> Mapping[Mpid, str]:
        return {profile.mpid: _name(profile) for profile in self._profiles}

    def _named(self, mpid: int | str) -> str:
        return self._names.get(Mpid(int(mpid)), "?")

    def _identities(self) -> list[Any]:
        known = {identity for profile in self._profiles for identity in profile.identities}
        rows = self.stack.stores.identities.rows(ACCOUNT, Environment.PRODUCTION, known)
        return sorted((i.type, i.value, sorted(map(self._named, row.holders))) for i, row in rows.items())

    def _members(self) -> list[Any]:
        rows = self.stack.items("MEMBERSHIPS")
        return sorted((row["pk"]["S"].split("#")[1], self._named(row["sk"]["S"])) for row in rows)

    def _history(self) -> list[Any]:
        """Rows, and the entries of logs, of which one that is there twice counts once."""
        rows, logged = [], set()
        for item in self.stack.items("HISTORY"):
            audience, (first, *_) = item["pk"]["S"].split("#")[1], item["sk"]["S"].split("#")
            if "what" in item:
                rows.append((audience, self._named(first), item["what"]["S"]))
            else:
                logged |= {(audience, first, *entry) for entry in LOG_ENTRY.iter_unpack(item["entries"]["B"])}
        return sorted(rows + [(audience, self._named(str(e[1])), f"log {e[3]}") for audience, _, *e in logged])

    def _connections(self) -> list[Any]:
        return sorted(
            (each.audience_id, each.status.value, each.subscription.value, each.fault and each.fault.kind.value)
            for each in self._all_connections
        )

    @cached_property
    def _all_connections(self) -> list[Connection]:
        of = self.stack.stores
        return [each for account in of.accounts.all() for each in of.outputs.list_connections(account.account_id)]

    def _ledger(self) -> list[Any]:
        rows = [
            (connection.audience_id, row)
            for connection in self._all_connections
            for lane in range(DELIVERY_BUCKETS)
            for row in self.stack.stores.ledger.rows(*_key(connection), lane, None, 100).items
        ]
        return sorted(
            (audience, self._named(row.mpid), repr(row.desired), repr(row.acknowledged), row.dirty_since is None)
            for audience, row in rows
        )

    def _at_the_partner(self) -> dict[int, Any]:
        return {
            number: (known.is_subscribed, {self._named(mpid): sorted(told) for mpid, told in known.members.items()})
            for number, known in sorted(self.partner.book.audiences.items())
        }

    def _archive(self) -> list[Any]:
        found = set()
        for name in (key for key in self.stack.objects("ARCHIVE_BUCKET") if key.startswith("raw/")):
            for entry in self.stack.stores.archive.entries(name):
                batch = entry.batch.batch_id if isinstance(entry, OwnedBatch) else type(entry).__name__
                found.add((batch, self._named(entry.mpid)))
        return sorted(found)

    def _shards(self) -> Any:
        shards = self.stack.stores.shards
        manifest = shards.manifest(ACCOUNT)
        users = sum(shard.users for shard in manifest.shards)
        # How many compactions it took is nobody's concern.
        return users, manifest.events, len(shards.folders(ACCOUNT) - manifest.retired.keys())

    def _exports(self) -> list[str]:
        found = []
        for key, content in self.stack.objects("EXPORTS_BUCKET").items():
            assert key.endswith(".zip"), f"{key} was left behind"
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in archive.namelist():
                    if name.endswith(".csv"):
                        found += self._lines(archive.read(name).decode())
        return found

    def _lines(self, text: str) -> list[str]:
        for mpid, who in self._names.items():
            text = text.replace(str(mpid), who)
        return sorted(re.sub(r"\b\d{13}\b", "instant", text).splitlines())

    def _outcomes(self) -> list[Any]:
        asked = measurements.list_all(wiring_management.jobs(), ACCOUNT, AUDIENCE, edge.now())
        found = [each for measured in asked for each in measured.variants or ()]
        return [(each.variant.name, each.users, each.converted) for each in found]

    def _results(self) -> list[Any]:
        found = []
        for each in self.stack.stores.audiences.list(ACCOUNT):
            if each.result is not None:
                asked = ACCOUNT, each.audience_id, each.result.calculation_id
                page = self.stack.stores.results.page(*asked, None, 100)
                found.append((each.name, sorted(map(self._named, page.items))))
        return found

    def _jobs(self) -> list[Any]:
        """Without calculations that were given up, because another one does their work."""
        jobs = {(job.kind, job.state) for job in self.stack.stores.jobs.list(ACCOUNT)}
        jobs -= {(JobKind.LIFETIME_CALCULATION, JobState.CANCELLED)}
        return sorted((kind.value, state.value) for kind, state in jobs)

    def _told_to_owners(self) -> list[Any]:
        """Events and mails; whoever died between telling and noting that tells once more, which counts once."""
        owners = self.stack.owners
        events = {json.dumps([each["detail-type"], each["detail"]], sort_keys=True) for each in owners.events()}
        mails = {f"{each.destinations['ToAddresses'][0]}: {each.subject}\n{each.body}" for each in owners.mails()}
        told = _INSTANT.sub("instant", "\0".join(events | mails))
        # Ids begin with the time, and are named by their order.
        for number, arrangement in enumerate(sorted(set(_ARRANGEMENT.findall(told)))):
            told = told.replace(arrangement, f"arrangement {number}")
        return sorted(told.split("\0"))


def _name(profile: Profile) -> str:
    return min((each.value for each in profile.identities if each.type == "customer_id"), default="nobody")


def _key(connection: Connection) -> tuple[AccountId, ConnectionId]:
    return connection.account_id, connection.connection_id


def _told(profile: Profile) -> str:
    events = sorted((name, event.at) for (_, name), track in profile.timeline.items() for event in track)
    registers = sorted((key, each.value, each.at) for key, each in profile.registers.items())
    return repr((_name(profile), sorted(profile.identities.items()), registers, events, sorted(profile.memberships)))
