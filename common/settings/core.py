"""What may the core's settings say?

Pure.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from common.settings.values import Endpoint, Name, Settings


class NodeEntry(Settings):
    """A satellite node that the inventory names."""

    name: Name
    site: Name


class TlsFiles(Settings):
    """The core's certificate, key, and the authority that signs the cluster's certificates."""

    certificate: str
    key: str
    authority: str


class CoreSettings(Settings):
    """One core."""

    cluster: Name
    name: Name
    http: Endpoint  # REST API, metrics, health
    grpc: Endpoint  # the satellites' link
    tls: TlsFiles
    token_file: str = "token"  # noqa: S105 - a file name; 0600; the bearer token of the API
    state: str = "state"  # folder for the database and the bodies
    database: str = ""  # SQLAlchemy URL; empty: SQLite in the state folder
    nodes: list[NodeEntry] = Field(default_factory=list)
    first_revision: str = "preferences.json"  # taken in when the store is empty
    bookmark_s: Annotated[float, Field(gt=0)] = 5.0  # between bookmarks on a quiet stream
    claim_wait_s: Annotated[float, Field(gt=0)] = 30.0  # an unclaimed release goes to another shard
