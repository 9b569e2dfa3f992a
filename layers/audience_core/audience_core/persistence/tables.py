"""Binds a pynamodb model to the table that the environment names, so that importing a model needs no environment."""

from functools import cache
from typing import Any, cast

from botocore.session import Session
from pynamodb.connection import Connection
from pynamodb.models import Model

from audience_core.persistence.clients import INTRODUCED


class _Connection(Connection):
    @property
    def session(self) -> Session:
        """What the client is made of; it is asked for then alone."""
        session = super().session
        session.set_default_client_config(INTRODUCED)
        return session


@cache
def connection(region: str | None) -> Connection:
    """What transactions run on, and whose client all tables share."""
    return _Connection(region=region)


class _SharedClient(Connection):
    """Of one table. A client reads megabytes of API descriptions and keeps sockets open: one is for all tables."""

    @property
    def client(self) -> Any:
        return connection(self.region).client


def bind[M: Model](model: type[M], table_name: str, region: str | None, **indexes: Any) -> type[M]:
    """A subclass of the model for one table.

    Args:
        indexes: a fresh index object for each of the model's, because an index knows the model it belongs to.
    """
    meta = type("Meta", (), {"table_name": table_name, "region": region})
    bound = cast(type[M], type(model.__name__, (model,), {"Meta": meta, "__module__": model.__module__, **indexes}))
    table = bound._get_connection()
    known = table.get_meta_table()
    table.connection = _SharedClient(region=region)
    table.connection.add_meta_table(known)
    return bound
