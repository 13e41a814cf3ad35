"""What a run leaves behind, before anybody judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paxoskv.checker import Operation
from paxoskv.verifier.gazette import News
from paxoskv.verifier.observer import Sample
from paxoskv.verifier.torment import Injection


@dataclass(frozen=True, slots=True)
class Final:
    """What a key held when everything was healed. modified: revision of its last change, 0 if it is absent."""

    value: bytes | None
    modified: int


@dataclass(frozen=True, slots=True)
class Counter:
    """How often a counter was surely added to, and how often perhaps."""

    added: int
    perhaps_added: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was seen in a run. Times are nanoseconds of the monotonic clock.

    settings: of all nodes, besides their addresses.
    began_ns, ended_ns: of the torment; the clients' work surrounds it a little.
    states: node -> (applied_slot, digest) when all stood at the same slot in the end; None if they never did.
    news: key -> what its watch has told. unbalanced: banks that were seen not to add up, in words.
    disagreements, surprises: in words; each one condemns the run.
    not_run: kind of fault -> why it was not injected. links: what the proxies did, by direction and kind.
    """

    nodes: int
    clients: int
    seed: int
    settings: Mapping[str, object]
    began_ns: int
    ended_ns: int
    operations: Sequence[Operation]
    injections: Sequence[Injection]
    samples: Sequence[Sample]
    states: Mapping[int, tuple[int, str]] | None
    disagreements: Sequence[str]
    surprises: Sequence[str]
    finals: Mapping[bytes, Final]
    counters: Mapping[bytes, Counter]
    not_run: Mapping[str, str]
    links: Mapping[str, Mapping[str, int]]
    news: Mapping[bytes, Sequence[News]]
    unbalanced: Sequence[str]
