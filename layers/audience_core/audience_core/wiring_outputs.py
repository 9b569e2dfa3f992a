"""What the use cases that know partners work with; apart, so that only their functions import connectors."""

from functools import cache

from audience_core import wiring
from audience_core.persistence.dead_letters import SqsDeadLetters
from audience_core.persistence.file_traces import S3Traces
from audience_core.persistence.queues import decode as decode_message
from audience_core.persistence.traces import DynamoTraces
from audience_core.pipeline.erasure import SETTLE_MS, Eraser
from audience_core.pipeline.fan_out import FanOut
from audience_core.pipeline.fan_out_shared import FanOutShared
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.send import Sender
from audience_core.pipeline.wire.batch import read_batch


@cache
def fan_out() -> FanOut:
    """What `pipeline.fan_out` works with."""
    of = wiring.stores()
    control, sets = (of.accounts, of.audiences, of.outputs), MemberSets(of.audiences)
    derived = (of.history, of.memberships, of.ledger)
    queues = of.reevaluations, of.wake_ups
    return FanOut(*control, *derived, *queues, of.identities, of.profiles, sets, of.shared_changes)


@cache
def fan_out_shared() -> FanOutShared:
    """What `pipeline.fan_out_shared` works with."""
    of = wiring.stores()
    return FanOutShared(of.outputs, of.profiles, of.ledger, of.wake_ups, MemberSets(of.audiences))


@cache
def sender() -> Sender:
    """What `pipeline.send` works with."""
    of = wiring.stores()
    members = (of.audiences, of.outputs, of.results, of.profiles, of.shards, of.archive)
    return Sender(*members, of.ledger, of.wake_ups, of.jobs, of.run_files, of.workflows)


@cache
def eraser() -> Eraser:
    """What `pipeline.erase` works with."""
    of, names, region = wiring.stores(), wiring.settings(), wiring.settings().region
    dead = [names[name] for name in ("EVENTS_DEAD_LETTERS_URL", "REEVALUATIONS_DEAD_LETTERS_URL")]
    return Eraser(
        audiences=of.audiences,
        outputs=of.outputs,
        profiles=of.profiles,
        identities=of.identities,
        ledger=of.ledger,
        wake_ups=of.wake_ups,
        jobs=of.jobs,
        marks=of.marks,
        archive=of.archive,
        shards=of.shards,
        export_files=of.export_files,
        traces=DynamoTraces(names, region),
        files=S3Traces(names["ARCHIVE_BUCKET"], region),
        dead_letters=SqsDeadLetters(dead, region),
        workflows=of.workflows,
        decode=decode_message,
        identities_of=lambda batch: read_batch(batch).identities,
        settle_ms=int(names["ERASURE_SETTLE_SECONDS"] or SETTLE_MS // 1000) * 1000,
    )
