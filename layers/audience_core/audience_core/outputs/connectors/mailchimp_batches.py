"""Reads the results of a Mailchimp batch: a packed archive of JSON files, each a list of answers."""

import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any

from audience_core.errors import RetryableDeliveryError
from audience_core.outputs.http import HttpResponse

_MAX_FILE_BYTES = 33_554_432
_FIRST_FAILURE = 400


def failures(archive: bytes) -> list[HttpResponse]:
    """The answers to those operations that did not work.

    Raises:
        RetryableDeliveryError: the archive cannot be read.
    """
    try:
        return [response for each in _results(archive) if (response := _response(each)).status >= _FIRST_FAILURE]
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, TypeError, KeyError) as error:
        raise RetryableDeliveryError("the results of the partner's batch cannot be read") from error


def _results(archive: bytes) -> Iterator[dict[str, Any]]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        for each in files:
            file = files.extractfile(each)
            if file is None or not each.name.endswith(".json"):
                continue
            if each.size > _MAX_FILE_BYTES:
                raise ValueError("a file of results is too large")
            yield from json.load(file)


def _response(result: dict[str, Any]) -> HttpResponse:
    return HttpResponse(int(result["status_code"]), {}, str(result.get("response", "")).encode())
