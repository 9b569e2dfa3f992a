"""Clients of AWS's services, which all introduce themselves in the same words."""

from typing import Any

import boto3
from botocore.config import Config

# botocore would put the words together twice for each request, letter by letter, which is a quarter of what the request
# takes: docs/decisions/0057-clients-introduce-themselves-in-fixed-words.md.
INTRODUCED = Config(user_agent="audience-manager")


def client(service: str, region: str | None, own: Config | None = None) -> Any:
    """Args:
    service: as boto3 names it.
    region: None: the one of the environment.
    own: what this client needs besides.
    """
    return boto3.client(service, region_name=region, config=INTRODUCED.merge(own) if own else INTRODUCED)
