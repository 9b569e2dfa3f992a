"""Workspaces of an account, and their inputs with the keys and secrets that ingest asks for."""

import hashlib
import secrets
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from audience_core.domain.account import Input, InputKind, PreviousCredential, Workspace
from audience_core.domain.audience import Audience
from audience_core.domain.control_stores import AudienceStore, WorkspaceStore
from audience_core.domain.ids import AccountId, InputId, WorkspaceId
from audience_core.errors import ConflictError
from audience_core.management.versions import require_version

MAX_WORKSPACES = 50
# Names the deployment that issued a key, as client SDKs expect of one.
_KEY_PREFIX = "us1-"


class Rotation(BaseModel):
    """Args:
    grace_hours: for how long the key and secret before work beside the new ones; 0 ends them at once.
    """

    model_config = ConfigDict(extra="forbid")

    grace_hours: int = Field(default=24, ge=0, le=168)


def create(store: WorkspaceStore, account_id: AccountId, name: str, now: datetime) -> Workspace:
    """Raise `ConflictError` when the account has 50 workspaces."""
    if len(store.list(account_id)) >= MAX_WORKSPACES:
        raise ConflictError(f"an account has at most {MAX_WORKSPACES} workspaces")
    workspace_id = WorkspaceId(f"w-{secrets.token_hex(6)}")
    return store.save(Workspace(account_id=account_id, workspace_id=workspace_id, name=name, created_at=now))


def rename(
    store: WorkspaceStore, account_id: AccountId, workspace_id: WorkspaceId, version: int | None, name: str
) -> Workspace:
    workspace = store.get(account_id, workspace_id)
    require_version(workspace, version)
    return store.save(workspace.model_copy(update={"name": name}))


def delete(
    store: WorkspaceStore,
    audiences: AudienceStore,
    account_id: AccountId,
    workspace_id: WorkspaceId,
    version: int | None = None,
) -> None:
    """Delete it with its inputs; raise `ConflictError`, naming them, while audiences use it."""
    workspace = store.get(account_id, workspace_id)
    require_version(workspace, version)
    _refuse_if_used("workspace", [a for a in audiences.list(account_id) if workspace_id in a.workspaces])
    for an_input in store.list_inputs(account_id, workspace_id):
        store.delete_input(an_input)
    store.delete(workspace)


def create_input(
    store: WorkspaceStore,
    account_id: AccountId,
    workspace_id: WorkspaceId,
    name: str,
    kind: InputKind,
    now: datetime,
) -> tuple[Input, str]:
    """The input and its secret, which is told here and never again."""
    store.get(account_id, workspace_id)
    key, secret, digest = _credential()
    created = Input(
        account_id=account_id,
        workspace_id=workspace_id,
        input_id=InputId(f"i-{secrets.token_hex(6)}"),
        name=name,
        kind=kind,
        key=key,
        secret_sha256=digest,
        created_at=now,
    )
    return store.save_input(created), secret


def rename_input(
    store: WorkspaceStore,
    account_id: AccountId,
    workspace_id: WorkspaceId,
    input_id: InputId,
    version: int | None,
    name: str,
) -> Input:
    an_input = store.get_input(account_id, workspace_id, input_id)
    require_version(an_input, version)
    return store.save_input(an_input.model_copy(update={"name": name}))


def rotate_input(
    store: WorkspaceStore,
    account_id: AccountId,
    workspace_id: WorkspaceId,
    input_id: InputId,
    rotation: Rotation,
    now: datetime,
) -> tuple[Input, str]:
    """Give it a new key and secret. Those before stay good for the grace; those before them are refused from now on."""
    an_input = store.get_input(account_id, workspace_id, input_id)
    until = now + timedelta(hours=rotation.grace_hours)
    previous = PreviousCredential(key=an_input.key, secret_sha256=an_input.secret_sha256, valid_until=until)
    key, secret, digest = _credential()
    changes = {"key": key, "secret_sha256": digest, "previous": previous if rotation.grace_hours else None}
    return store.save_input(an_input.model_copy(update=changes)), secret


def revoke_previous(
    store: WorkspaceStore, account_id: AccountId, workspace_id: WorkspaceId, input_id: InputId
) -> Input:
    """End the grace of a rotation: the key and secret before are refused from now on."""
    an_input = store.get_input(account_id, workspace_id, input_id)
    if an_input.previous is None:
        return an_input
    return store.save_input(an_input.model_copy(update={"previous": None}))


def delete_input(
    store: WorkspaceStore,
    audiences: AudienceStore,
    account_id: AccountId,
    workspace_id: WorkspaceId,
    input_id: InputId,
    version: int | None = None,
) -> None:
    """Raise `ConflictError`, naming them, while audiences read its events."""
    an_input = store.get_input(account_id, workspace_id, input_id)
    require_version(an_input, version)
    _refuse_if_used("input", [a for a in audiences.list(account_id) if input_id in a.inputs])
    store.delete_input(an_input)


def _refuse_if_used(what: str, users: list[Audience]) -> None:
    if users:
        names = ", ".join(f"{audience.name} ({audience.audience_id})" for audience in users)
        raise ConflictError(f"the {what} is used by {names}")


def _credential() -> tuple[str, str, str]:
    """Key, secret and the digest that is stored in the secret's place."""
    secret = secrets.token_urlsafe(32)
    return _KEY_PREFIX + secrets.token_hex(10), secret, hashlib.sha256(secret.encode()).hexdigest()
