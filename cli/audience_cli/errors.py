"""Every failure a user is told of in one sentence, each with the exit code that scripts can rely on."""


class CliError(Exception):
    """The command failed; the message says what to do next."""

    exit_code = 1


class UsageError(CliError):
    """The command, a mapping file or a definition file has to be changed."""

    exit_code = 2


class CredentialsError(CliError):
    """Nobody is logged in, or the server does not accept the credential."""

    exit_code = 3


class MissingError(CliError):
    """The server has nothing of that id."""

    exit_code = 4


class RefusedError(CliError):
    """The server understood and said no."""

    exit_code = 5


class UnreachableError(CliError):
    """The server did not answer, or kept answering that it is busy."""

    exit_code = 6
