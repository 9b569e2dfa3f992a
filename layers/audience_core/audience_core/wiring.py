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
from audience_core.outputs.http import HttpSend
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.console_address import SsmConsoleAddress
from audience_core.persistence.export_files import S3ExportFiles
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
from audience_core.persistence.requests import DynamoRateStore, DynamoRequestStore
from audience_core.persistence.results import S3ResultStore
from audience_core.persistence.run_files import S3RunFiles
from audience_core.persistence.secrets import SecretsManagerStore
from audience_core.persistence.shards import S3ShardStore
from audience_core.persistence.sharing import DynamoSharingStore
from audience_core.persistence.signing_keys import SecretsManagerSigningKeys
from audience_core.persistence.splits import DynamoSplitStore
from audience_core.persistence.summaries import DynamoCountSummaries
from audience_core.persistence.workflows import StepFunctionsWorkflows
from audience_core.persistence.workspaces import DynamoWorkspaceStore
from audience_core.pipeline.notify_fault import Notices
from audience_core.pipeline.notify_sharing import SharingNotices


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


@cache
def send() -> HttpSend:
    """The one way to partners; private addresses only where the stack says it is local."""
    return HttpSend(allow_private=settings()["ALLOW_PRIVATE_ENDPOINTS"] == "true")
