"""Everything that one run is made of, as plain data: drawn from a seed, kept in a file, cut down by the shrinker."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

FORMAT = 1


class FaultEvent(NamedTuple):
    """A fault of a kind of the catalogue at a time; all it draws comes from its own seed, so others do not move it."""

    at_s: float
    kind: str
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """seed: of network, disks, clients and whatever else draws.

    settings: of `NodeConfig`, the same for every node; `forced` ones go beyond what it allows, to make bounds tiny.
    limits: of the state machine, those that a configuration does not name.
    knobs: constants of `simulator.knobs`. mood: of every link, fields of `network.Mood`.
    programs: how many client processes. habits: of each, fields of `client.Habits`.
    safety_s: simulated seconds in which anything goes. ending: seed of what is healed afterwards.
    """

    seed: int
    nodes: int
    safety_s: float
    settings: dict[str, Any] = field(default_factory=dict)
    forced: dict[str, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    knobs: dict[str, float] = field(default_factory=dict)
    mood: dict[str, Any] = field(default_factory=dict)
    habits: dict[str, Any] = field(default_factory=dict)
    programs: int = 2
    turn_s: float = 0.0
    sync_s: float = 0.0003
    kernel_bytes: int = 1 << 16
    ending: int = 0
    events: tuple[FaultEvent, ...] = ()

    def to_json(self) -> str:
        """Return the plan as a document that a person can read and cut down by hand."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan in a document. Raises: ValueError if it is none of this format."""
        fields = json.loads(text)
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            raise ValueError(f"not a simulation plan of format {FORMAT}")
        try:
            events = tuple(FaultEvent(*event) for event in fields.pop("events"))
            return cls(**fields, events=events)
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a simulation plan: {error}") from None
