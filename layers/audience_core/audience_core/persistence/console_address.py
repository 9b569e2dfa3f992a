"""Where the console is, as the stack has written it down in Systems Manager.

An environment variable cannot say it: the console's distribution leads to the API, whose functions would have to wait
for the distribution in turn.
"""

from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from audience_core.errors import UnavailableError
from audience_core.persistence.clients import client


class SsmConsoleAddress:
    def __init__(self, parameter: str, region: str | None = None) -> None:
        self._parameter, self._region = parameter, region

    @cached_property
    def _client(self) -> Any:
        return client("ssm", self._region)

    @cached_property
    def url(self) -> str:
        """Without a slash at the end; asked for once in the life of a process.

        Raises:
            UnavailableError: nobody can tell it now.
        """
        try:
            return str(self._client.get_parameter(Name=self._parameter)["Parameter"]["Value"])
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the console's address cannot be read now") from error
