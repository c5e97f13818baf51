"""What may the core's settings say?

Pure. The texts below the fields are those of docs/settings.md.
"""

from __future__ import annotations

from pydantic import Field

from common.settings.values import Endpoint, FilePath, Name, Seconds, Settings


class NodeEntry(Settings):
    """A satellite node that may link; any other is turned away."""

    name: Name
    """The node's name."""
    site: Name
    """The site that it belongs to."""


class TlsSettings(Settings):
    """The core's side of the link."""

    certificate: FilePath
    """The core's certificate."""
    key: FilePath
    """The private key of that certificate."""
    authority: FilePath
    """The certificate of the cluster's authority, which signs the nodes'."""


class CoreSettings(Settings):
    """One core."""

    cluster: Name
    """The cluster's name."""
    name: Name
    """The core's name."""
    http: Endpoint
    """Where the REST API, metrics and health are served."""
    grpc: Endpoint
    """Where the satellites' links are taken."""
    tls: TlsSettings
    token_file: FilePath = "token"  # noqa: S105 - a file name
    """The bearer token of the API; its mode is 0600."""
    state: FilePath = "state"
    """The folder of the database and of quarantined bodies."""
    database: str = ""
    """An SQLAlchemy URL; empty: SQLite in the state folder."""
    nodes: list[NodeEntry] = Field(default_factory=list)
    first_revision: FilePath = "preferences.json"
    """The documents that are taken in when the store is empty."""
    bookmark_s: Seconds = 5.0
    """Between two bookmarks on a quiet stream."""
    claim_wait_s: Seconds = 30.0
    """A release that no shard has claimed for so long goes to another one."""
