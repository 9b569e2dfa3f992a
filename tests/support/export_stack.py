"""The stores that exports need, over an AWS in memory."""

import uuid
from types import SimpleNamespace

import boto3

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.membership import HistoryEntry, Membership, Reason
from audience_core.domain.profile import Profile
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.export_files import S3ExportFiles
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.notices import SesMail
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.results import S3ResultStore
from audience_core.persistence.run_files import S3RunFiles
from audience_core.persistence.shards import S3ShardStore
from audience_core.persistence.signing_keys import SecretsManagerSigningKeys
from audience_core.persistence.workflows import StepFunctionsWorkflows
from tests.support.control import ACCOUNT, AUDIENCE, an_audience
from tests.support.control_stack import REGION, create_profiles_table, create_table, emptied, state_machine

SENDER = "exports@example.com"


def export_stack(stack: SimpleNamespace) -> SimpleNamespace:
    """The control path's stack with fresh buckets, profiles and lists, and an active audience without members."""
    stores = emptied(stack)
    machine = state_machine("export")
    stores.workflows, stores.machines = StepFunctionsWorkflows({"export": machine}, REGION), (machine,)
    stores.exports_bucket, stores.run_bucket = (f"{name}-{uuid.uuid4()}" for name in ("exports", "runs"))
    for name in (stores.exports_bucket, stores.run_bucket):
        boto3.client("s3", region_name=REGION).create_bucket(Bucket=name)
    stores.secret = boto3.client("secretsmanager", region_name=REGION).create_secret(
        Name=str(uuid.uuid4()), SecretString=uuid.uuid4().hex
    )["ARN"]
    boto3.client("sesv2", region_name=REGION).create_email_identity(EmailIdentity=SENDER)
    stores.export_files = S3ExportFiles(stores.exports_bucket, REGION)
    stores.run_files = S3RunFiles(stores.run_bucket, REGION)
    stores.signing_keys, stores.mail = SecretsManagerSigningKeys(stores.secret, REGION), SesMail(SENDER, REGION)
    stores.profiles = DynamoProfileStore(create_profiles_table(), create_table("chunks"), REGION)
    stores.memberships = DynamoMembershipStore(create_table("members"), create_table("counts"), REGION)
    stores.archive_bucket = f"archive-{uuid.uuid4()}"
    boto3.client("s3", region_name=REGION).create_bucket(Bucket=stores.archive_bucket)
    stores.results, stores.shards = (kind(stores.archive_bucket, REGION) for kind in (S3ResultStore, S3ShardStore))
    stores.archive = S3Archive(stores.archive_bucket, REGION)
    stores.audiences.save(an_audience(status=AudienceStatus.ACTIVE))
    return stores


def join(stores: SimpleNamespace, mpid: int, at: int, *identities: tuple[str, str]) -> None:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(mpid))
    profile.identities = {Identity(*each): at for each in identities}
    stores.profiles.save(profile, at)
    entry = HistoryEntry(AUDIENCE, Mpid(mpid), True, at, Reason.EVENT, profile.version)
    stores.history.record(ACCOUNT, [entry], 90)
    stores.memberships.apply(ACCOUNT, [Membership(AUDIENCE, Mpid(mpid), at)], [])
