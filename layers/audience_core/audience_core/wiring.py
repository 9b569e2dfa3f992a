"""Settings from the environment and the choice of implementations; built on first use, kept for the process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Self

from audience_core.domain.archive import ShardStore
from audience_core.domain.control_stores import (
    AccountStore,
    AudienceStore,
    JobStore,
    LogInStore,
    Mail,
    OutputStore,
    RunFiles,
    SecretStore,
    Workflows,
    WorkspaceStore,
)
from audience_core.domain.export_stores import ExportFiles, SigningKeys
from audience_core.domain.results import ResultStore
from audience_core.domain.sharing_stores import LogoFiles, SharedChangeQueue, SharingStore
from audience_core.domain.stores import (
    CountSummaries,
    EventQueue,
    HistoryStore,
    IdentityStore,
    LedgerStore,
    MarkStore,
    MembershipStore,
    ProfileStore,
    RateStore,
    ReevaluationQueue,
    RequestStore,
    SplitStore,
    WakeUpQueue,
)
from audience_core.management.erasures import ProfileStores
from audience_core.management.exports import ExportStores
from audience_core.management.received import OwnAndReceived
from audience_core.management.sharing import SharingStores
from audience_core.outputs.http import HttpSend
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.console_address import SsmConsoleAddress
from audience_core.persistence.dead_letters import SqsDeadLetters
from audience_core.persistence.export_files import S3ExportFiles
from audience_core.persistence.file_traces import S3Traces
from audience_core.persistence.history import DynamoHistoryStore
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.jobs import DynamoJobStore
from audience_core.persistence.ledger import DynamoLedgerStore
from audience_core.persistence.log_ins import DynamoLogInStore
from audience_core.persistence.logo_files import S3LogoFiles
from audience_core.persistence.marks import DynamoMarkStore
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.notices import EventBridgeBus, SesMail
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.queues import SqsEventQueue, SqsReevaluationQueue, SqsSharedChangeQueue, SqsWakeUpQueue
from audience_core.persistence.queues import decode as decode_message
from audience_core.persistence.requests import DynamoRateStore, DynamoRequestStore
from audience_core.persistence.results import S3ResultStore
from audience_core.persistence.run_files import S3RunFiles
from audience_core.persistence.secrets import SecretsManagerStore
from audience_core.persistence.shards import S3ShardStore
from audience_core.persistence.sharing import DynamoSharingStore
from audience_core.persistence.signing_keys import SecretsManagerSigningKeys
from audience_core.persistence.splits import DynamoSplitStore
from audience_core.persistence.summaries import DynamoCountSummaries
from audience_core.persistence.traces import DynamoTraces
from audience_core.persistence.workflows import StepFunctionsWorkflows
from audience_core.persistence.workspaces import DynamoWorkspaceStore
from audience_core.pipeline.backfill import Backfill
from audience_core.pipeline.compaction import Compaction
from audience_core.pipeline.erasure import SETTLE_MS, Eraser
from audience_core.pipeline.export import Exporter
from audience_core.pipeline.fan_out import FanOut
from audience_core.pipeline.fan_out_shared import FanOutShared
from audience_core.pipeline.lifetime import Calculation
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.notify_fault import Notices
from audience_core.pipeline.notify_sharing import SharingNotices
from audience_core.pipeline.process import Pipeline
from audience_core.pipeline.programs import Programs
from audience_core.pipeline.send import Sender
from audience_core.pipeline.wire.batch import read_batch


@dataclass(frozen=True, slots=True)
class Stores:
    """Every store and queue a function may use; its policy decides which it really can."""

    accounts: AccountStore
    workspaces: WorkspaceStore
    audiences: AudienceStore
    outputs: OutputStore
    secrets: SecretStore
    log_ins: LogInStore
    workflows: Workflows
    requests: RequestStore
    rates: RateStore
    events: EventQueue
    reevaluations: ReevaluationQueue
    marks: MarkStore
    archive: S3Archive
    shards: ShardStore
    results: ResultStore
    identities: IdentityStore
    profiles: ProfileStore
    history: HistoryStore
    memberships: MembershipStore
    summaries: CountSummaries
    splits: SplitStore
    ledger: LedgerStore
    wake_ups: WakeUpQueue
    sharing: SharingStore
    shared_changes: SharedChangeQueue
    logos: LogoFiles
    jobs: JobStore
    run_files: RunFiles
    export_files: ExportFiles
    mail: Mail
    signing_keys: SigningKeys


@dataclass(frozen=True, slots=True)
class Settings:
    """Names of tables, queues and the rest, as the template hands them to every function; "" for what one has not."""

    region: str
    values: Mapping[str, str]

    @classmethod
    def from_env(cls) -> Self:
        return cls(os.environ.get("AWS_REGION", "us-east-1"), dict(os.environ))

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


@cache
def settings() -> Settings:
    return Settings.from_env()


@cache
def stores() -> Stores:
    of, region = settings(), settings().region
    return Stores(
        accounts=DynamoAccountStore(of["ACCOUNTS_TABLE"], region),
        workspaces=DynamoWorkspaceStore(of["WORKSPACES_TABLE"], region),
        audiences=DynamoAudienceStore(of["AUDIENCES_TABLE"], region),
        outputs=DynamoOutputStore(of["OUTPUTS_TABLE"], region),
        secrets=SecretsManagerStore(region),
        log_ins=DynamoLogInStore(of["OUTPUTS_TABLE"], region),
        workflows=StepFunctionsWorkflows(
            {
                "backfill": of["BACKFILL_STATE_MACHINE_ARN"],
                "fill_connection": of["FILL_CONNECTION_STATE_MACHINE_ARN"],
                "compact_archive": of["COMPACTION_STATE_MACHINE_ARN"],
                "calculate_lifetime": of["LIFETIME_STATE_MACHINE_ARN"],
                "send_audience": of["SEND_STATE_MACHINE_ARN"],
                "connect_audiences": of["CONNECT_AUDIENCES_STATE_MACHINE_ARN"],
                "measure_ab_test": of["MEASURE_AB_TEST_STATE_MACHINE_ARN"],
                "export": of["EXPORT_STATE_MACHINE_ARN"],
                "erase_profile": of["ERASE_PROFILE_STATE_MACHINE_ARN"],
            },
            region,
        ),
        requests=DynamoRequestStore(of["REQUESTS_TABLE"], region),
        rates=DynamoRateStore(of["REQUESTS_TABLE"], region),
        events=SqsEventQueue(of["EVENTS_QUEUE_URL"], region),
        reevaluations=SqsReevaluationQueue(of["REEVALUATIONS_QUEUE_URL"], region),
        marks=DynamoMarkStore(of["MARKS_TABLE"], region),
        archive=S3Archive(of["ARCHIVE_BUCKET"], region),
        shards=S3ShardStore(of["ARCHIVE_BUCKET"], region),
        results=S3ResultStore(of["ARCHIVE_BUCKET"], region),
        identities=DynamoIdentityStore(of["IDENTITIES_TABLE"], region),
        profiles=DynamoProfileStore(of["PROFILES_TABLE"], of["CHUNKS_TABLE"], region),
        history=DynamoHistoryStore(of["HISTORY_TABLE"], region),
        memberships=DynamoMembershipStore(of["MEMBERSHIPS_TABLE"], of["COUNTS_TABLE"], region),
        summaries=DynamoCountSummaries(of["COUNTS_TABLE"], region),
        splits=DynamoSplitStore(of["COUNTS_TABLE"], region),
        ledger=DynamoLedgerStore(of["LEDGER_TABLE"], region),
        wake_ups=SqsWakeUpQueue(of["WAKE_UPS_QUEUE_URL"], region),
        sharing=DynamoSharingStore(of["SHARING_TABLE"], region),
        shared_changes=SqsSharedChangeQueue(of["SHARED_CHANGES_QUEUE_URL"], region),
        logos=S3LogoFiles(of["LOGOS_BUCKET"], region),
        jobs=DynamoJobStore(of["JOBS_TABLE"], region),
        run_files=S3RunFiles(of["RUN_FILES_BUCKET"], region),
        export_files=S3ExportFiles(of["EXPORTS_BUCKET"], region),
        mail=SesMail(of["SENDER_EMAIL"], region),
        signing_keys=SecretsManagerSigningKeys(of["LINK_KEY_SECRET"], region),
    )


@cache
def console_address() -> SsmConsoleAddress:
    return SsmConsoleAddress(settings()["CONSOLE_URL_PARAMETER"], settings().region)


@cache
def pipeline() -> Pipeline:
    """What `pipeline.process` works with; its compiled programs live as long as the process."""
    of = stores()
    return Pipeline(Programs(of.accounts, of.audiences), of.identities, of.profiles, of.events, of.archive)


@cache
def fan_out() -> FanOut:
    """What `pipeline.fan_out` works with."""
    of = stores()
    control, sets = (of.accounts, of.audiences, of.outputs), MemberSets(of.audiences)
    derived = (of.history, of.memberships, of.ledger)
    queues = of.reevaluations, of.wake_ups
    return FanOut(*control, *derived, *queues, of.identities, of.profiles, sets, of.shared_changes)


@cache
def fan_out_shared() -> FanOutShared:
    """What `pipeline.fan_out_shared` works with."""
    of = stores()
    return FanOutShared(of.outputs, of.profiles, of.ledger, of.wake_ups, MemberSets(of.audiences))


def own_and_received() -> OwnAndReceived:
    """Audiences of an account, those that are shared with it included."""
    of = stores()
    return OwnAndReceived(of.audiences, of.sharing)


def sharing() -> SharingStores:
    """What `management.sharing` works with."""
    of = stores()
    return SharingStores(of.accounts, of.audiences, of.sharing)


@cache
def backfill() -> Backfill:
    """What `pipeline.backfill` works with."""
    of = stores()
    return Backfill(pipeline(), of.audiences, of.memberships, of.jobs, of.run_files, of.outputs, of.workflows)


@cache
def notices() -> Notices:
    """What `pipeline.notify_fault` works with."""
    of = stores()
    bus, mail = _ways_to_owners()
    return Notices(of.accounts, of.audiences, of.outputs, of.marks, bus, mail, lambda: console_address().url)


@cache
def sharing_notices() -> SharingNotices:
    """What `pipeline.notify_sharing` works with."""
    of = stores()
    return SharingNotices(of.accounts, of.marks, *_ways_to_owners())


def _ways_to_owners() -> tuple[EventBridgeBus, SesMail | None]:
    region, sender = settings().region, settings()["SENDER_EMAIL"]
    return EventBridgeBus(settings()["EVENT_BUS"], region), SesMail(sender, region) if sender else None


def exports() -> ExportStores:
    """What `management.exports` works with."""
    of = stores()
    return ExportStores(of.audiences, of.jobs, of.workflows, of.export_files, of.signing_keys, of.sharing)


def exporter() -> Exporter:
    """What `pipeline.export` works with."""
    of = stores()
    people, job = (of.memberships, of.history, of.profiles), (of.jobs, of.run_files)
    return Exporter(
        of.accounts,
        of.audiences,
        *people,
        *job,
        files=of.export_files,
        mail=of.mail,
        keys=of.signing_keys,
        results=of.results,
        shards=of.shards,
        erasures=of.archive,
        sharing=of.sharing,
    )


@cache
def compaction() -> Compaction:
    """What `pipeline.compaction` works with."""
    of = stores()
    return Compaction(of.accounts, of.archive, of.archive, of.shards, of.jobs, of.run_files)


@cache
def calculation() -> Calculation:
    """What `pipeline.lifetime` works with."""
    of = stores()
    return Calculation(of.audiences, of.memberships, of.shards, of.results, of.jobs, of.run_files)


@cache
def sender() -> Sender:
    """What `pipeline.send` works with."""
    of = stores()
    members = (of.audiences, of.outputs, of.results, of.profiles, of.shards, of.archive)
    return Sender(*members, of.ledger, of.wake_ups, of.jobs, of.run_files, of.workflows)


def profiles() -> ProfileStores:
    """What `management.erasures` works with."""
    of = stores()
    return ProfileStores(of.profiles, of.identities, of.jobs, of.workflows)


@cache
def eraser() -> Eraser:
    """What `pipeline.erase` works with."""
    of, names, region = stores(), settings(), settings().region
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


@cache
def send() -> HttpSend:
    """The one way to partners; private addresses only where the stack says it is local."""
    return HttpSend(allow_private=settings()["ALLOW_PRIVATE_ENDPOINTS"] == "true")
