"""Requests to AWS services of other people's accounts: signed, and what their errors mean."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audience_core.domain.output import FaultKind
from audience_core.errors import DeliveryError, RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import raise_for_status, retry_after_s
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.outputs.setting_types import SecretText

_SUCCESS = range(200, 300)
_XML_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,80})</Code>")
_FAULTS = {
    FaultKind.AUTHENTICATION: {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    },
    FaultKind.PERMISSIONS: {"AccessDenied", "AccessDeniedException", "AccountProblem", "AllAccessDisabled"},
    FaultKind.CONFIGURATION: {
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "InvalidBucketName",
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "NoSuchBucket",
        "PermanentRedirect",
        "ResourceNotFoundException",
        "ValidationException",
    },
}
_PASSING = {
    "InternalError": FaultKind.PARTNER_ERROR,
    "InternalException": FaultKind.PARTNER_ERROR,
    "InternalFailure": FaultKind.PARTNER_ERROR,
    "OperationAborted": FaultKind.PARTNER_ERROR,
    "RequestTimeTooSkewed": FaultKind.PARTNER_ERROR,
    "RequestTimeout": FaultKind.PARTNER_ERROR,
    "ServiceUnavailable": FaultKind.PARTNER_ERROR,
    "RequestLimitExceeded": FaultKind.RATE_LIMIT,
    "SlowDown": FaultKind.RATE_LIMIT,
    "Throttling": FaultKind.RATE_LIMIT,
    "ThrottlingException": FaultKind.RATE_LIMIT,
    "TooManyRequestsException": FaultKind.RATE_LIMIT,
}
_CONFIDENTIAL = {"confidential": True}


class AwsSettings(BaseModel):
    """Without access keys this stack signs as itself, and the other account must let it in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}$", examples=["eu-central-1"])]
    access_key_id: Annotated[
        SecretText | None,
        Field(description="Of a user who may write there; else this stack itself", json_schema_extra=_CONFIDENTIAL),
    ] = None
    secret_access_key: Annotated[SecretText | None, Field(json_schema_extra=_CONFIDENTIAL)] = None

    @property
    def domain(self) -> str:
        return "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"

    @model_validator(mode="after")
    def _has_both_keys_or_none(self) -> "AwsSettings":
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        return self


def signed(request: HttpRequest, service: str, settings: AwsSettings) -> HttpRequest:
    """The request with a Signature Version 4; its path must be percent-encoded already."""
    unsigned = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(_credentials(settings), service, settings.region).add_auth(unsigned)
    return HttpRequest(request.method, request.url, dict(unsigned.headers.items()), request.body)


def raise_for_aws(response: HttpResponse) -> None:
    """Raise what an error of an AWS service asks for: by its code, which counts more than the status, else by that."""
    if response.status in _SUCCESS:
        return
    if (meaning := meaning_of(_code(response), retry_after_s(response))) is not None:
        raise meaning
    raise_for_status(response)


def meaning_of(code: str, wait_s: float | None = None) -> DeliveryError | None:
    """What an error code asks for; None for codes that are not known here, which may hold anything."""
    message = f"the partner answered {code}"
    if code in _PASSING:
        return RetryableDeliveryError(message, wait_s, _PASSING[code])
    for kind, codes in _FAULTS.items():
        if code in codes:
            return TerminalDeliveryError(message, kind)
    return None


def json_of(response: HttpResponse) -> Mapping[str, Any]:
    """The JSON object of an answer; an empty one when it is none."""
    try:
        answer = json.loads(response.body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _code(response: HttpResponse) -> str:
    """From JSON (`__type`, with or without a namespace) or from XML."""
    kind = json_of(response).get("__type")
    if isinstance(kind, str):
        return kind.rpartition("#")[2]
    found = _XML_CODE.search(response.body)
    return found[1].decode() if found else ""


def _credentials(settings: AwsSettings) -> Credentials:
    if settings.access_key_id is not None:
        return Credentials(settings.access_key_id, settings.secret_access_key)
    own = own_session().get_credentials()
    if own is None:
        raise TerminalDeliveryError("this stack has no credentials of its own: give keys", FaultKind.CONFIGURATION)
    return own


@cache
def own_session() -> Session:
    return Session()
