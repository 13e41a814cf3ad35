"""Who a data directory is: the cluster and node it was made for, and which of that node's lives (P3)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from paxoskv.storage.errors import JournalCorrupt, UnknownFormat, WrongIdentity
from paxoskv.storage.records import Row, Seal, checked_payload

FORMAT = 1
"""Version of everything in the journal but the identity row itself, which every version must be able to read."""

IDENTITY_SEAL = Seal("")
"""The identity tells the cluster, so its checksum cannot be keyed by it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """cluster: id made from the founding members. node: its number. incarnation: made with the directory, unique."""

    cluster: str
    node: int
    incarnation: str

    @staticmethod
    def new(cluster: str, node: int) -> Identity:
        """Begin a new life of `node`."""
        return Identity(cluster, node, uuid.uuid4().hex)


def encode_identity(identity: Identity) -> Row:
    """Return (payload, checksum) in the current format."""
    payload = json.dumps(
        {
            "format": FORMAT,
            "written_by": _software(),
            "cluster": identity.cluster,
            "node": identity.node,
            "incarnation": identity.incarnation,
        },
        sort_keys=True,
    ).encode()
    return payload, IDENTITY_SEAL.checksum(b"identity", payload)


def decode_identity(row: Row, where: str) -> Identity:
    """Return the identity in (payload, checksum); `where` names the file in messages.

    Raises: JournalCorrupt; UnknownFormat, saying which version wrote it.
    """
    payload = checked_payload(IDENTITY_SEAL, b"identity", row)
    if payload is None:
        raise JournalCorrupt(f"{where}: the identity is damaged. Replace this node by a new one")
    fields = json.loads(payload)
    if fields["format"] != FORMAT:
        raise UnknownFormat(
            f"{where} has format {fields['format']}, made by {fields['written_by']}; this is {_software()}, "
            f"which reads format {FORMAT}. Start the node with the version that made it"
        )
    return Identity(fields["cluster"], fields["node"], fields["incarnation"])


def check_identity(found: Identity, cluster: str, node: int, where: str) -> None:
    """Refuse the journal of somebody else. Raises: WrongIdentity, naming both."""
    if (found.cluster, found.node) != (cluster, node):
        raise WrongIdentity(
            f"{where} belongs to node {found.node} of cluster {found.cluster}, "
            f"not to node {node} of cluster {cluster}. "
            "Give each node its own directory, and the cluster list it was founded with, and what else all members "
            "have agreed on: token, phase-2 quorum, idle time of sessions, leases"
        )


def _software() -> str:
    try:
        return f"paxoskv {version('paxoskv')}"
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "paxoskv (not installed)"
