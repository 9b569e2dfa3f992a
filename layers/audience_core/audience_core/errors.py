"""Every deliberate error of the product, in one tree, each class named by what to do next."""


class AudienceError(Exception):
    """The root: catch it to catch everything this package raises on purpose."""


class InvalidInputError(AudienceError):
    """The caller must change the request (422); `problems` names each field.

    Args:
        problems: (JSON pointer of the field, what is wrong with it) pairs.
    """

    def __init__(self, message: str, problems: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class InvalidDefinitionError(InvalidInputError):
    """An audience definition cannot be used; `problems` names paths in its tree."""


class MissingPreconditionError(InvalidInputError):
    """An update must say which version it changes (428)."""


class UnsupportedMediaTypeError(InvalidInputError):
    """The body must be sent in another format (415)."""


class MalformedBatchError(AudienceError):
    """An event batch breaks the ingest contract (400); the message is what the client is told."""


class RequestTooLargeError(MalformedBatchError):
    """The request is larger than ingest takes (413): send less at a time."""


class UnavailableError(AudienceError):
    """Something this package depends on did not do its part (503): repeat the request later."""


class DamagedShardError(AudienceError):
    """A file of the archive is missing or not as it was written: restore it, then restart what stopped."""


class NotFoundError(AudienceError):
    """Nothing of that id in this account (404); never says whether another account has it."""


class GoneError(AudienceError):
    """It was there and is not any more (410): ask for it anew."""


class ConflictError(AudienceError):
    """The stored state does not allow it now (409)."""


class StaleVersionError(ConflictError):
    """Somebody wrote in between (412 at the API): reload and retry."""


class NotOursError(ConflictError):
    """A job was cancelled, or another run has taken over: stop working on it."""


class ForbiddenError(AudienceError):
    """The credential is good but its role or account does not allow this (403)."""


class UnauthenticatedError(AudienceError):
    """The credential is missing, wrong or revoked (401 or 403)."""


class QuotaExceededError(AudienceError):
    """Over a limit of the account (429): wait `retry_after_s` whole seconds."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeliveryError(AudienceError):
    """A partner was not told."""


class RetryableDeliveryError(DeliveryError):
    """Leave the rows dirty and try again, not before `retry_after_s` seconds when given.

    Args:
        fault_kind: a value of `domain.output.FaultKind`: the fault to raise when the attempts are exhausted.
    """

    def __init__(self, message: str, retry_after_s: float | None = None, fault_kind: str = "partner_error") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.fault_kind = fault_kind


class TerminalDeliveryError(DeliveryError):
    """Raise a fault of class `fault_kind` and stop forwarding until somebody resumes.

    Args:
        fault_kind: a value of `domain.output.FaultKind`.
    """

    def __init__(self, message: str, fault_kind: str) -> None:
        super().__init__(message)
        self.fault_kind = fault_kind
