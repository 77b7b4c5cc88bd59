"""The words of REMI+ and what they mean; see the package's docstring."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

__all__ = [
    "COMMON_TIME",
    "DRUMS",
    "DURATIONS",
    "METERS",
    "POSITIONS_PER_QUARTER",
    "TEMPOS",
    "VALUES",
    "VELOCITIES",
    "WORDS",
    "Event",
    "Kind",
    "bar_positions",
    "spell",
]

POSITIONS_PER_QUARTER = 12
DRUMS = -1
"""The program of the percussion channel."""

Kind = Literal[
    "Bar", "TimeSig", "Position", "Tempo", "Program", "Pitch", "PitchDrum", "Velocity", "Duration"
]


class Event(NamedTuple):
    """One word.

    Args:
        kind: what stands before its underscore.
        value: a pitch, program or velocity as MIDI has it; a position or duration in positions; a
            tempo in quarter notes a minute; of a metre its place in METERS; of a bar 0.
    """

    kind: Kind
    value: int


_LONGEST_BAR_QUARTERS = 8
METERS = tuple(
    (beats, unit)
    for unit in (2, 4, 8, 16)
    for beats in range(1, 17)
    if 4 * beats <= _LONGEST_BAR_QUARTERS * unit
)
COMMON_TIME = METERS.index((4, 4))
VELOCITIES = tuple(range(3, 128, 4))
TEMPOS = tuple(range(30, 241, 5))

# From so many quarter notes on, a quarter note has so many parts.
_PARTS = ((0, 12), (4, 4), (12, 1), (32, 0))
_SPELLED_DURATIONS: dict[int, str] = {
    quarters * POSITIONS_PER_QUARTER + part * POSITIONS_PER_QUARTER // parts: (
        f"{quarters}.{part}.{parts}"
    )
    for (begin, parts), (end, _) in pairwise(_PARTS)
    for quarters in range(begin, end)
    for part in range(parts)
    if quarters or part
} | {32 * POSITIONS_PER_QUARTER: "32.0.1"}
DURATIONS = tuple(_SPELLED_DURATIONS)
"""In positions, shortest first."""

VALUES: dict[Kind, tuple[int, ...]] = {
    "Bar": (0,),
    "TimeSig": tuple(range(len(METERS))),
    "Position": tuple(range(_LONGEST_BAR_QUARTERS * POSITIONS_PER_QUARTER)),
    "Tempo": TEMPOS,
    "Program": tuple(range(DRUMS, 128)),
    "Pitch": tuple(range(128)),
    "PitchDrum": tuple(range(128)),
    "Velocity": VELOCITIES,
    "Duration": DURATIONS,
}
"""All values of each kind, ascending."""


def spell(event: Event) -> str:
    """The word of an event."""
    kind, value = event
    match kind:
        case "Bar":
            return "Bar_None"
        case "TimeSig":
            beats, unit = METERS[value]
            return f"TimeSig_{beats}/{unit}"
        case "Tempo":
            return f"Tempo_{value}.0"
        case "Duration":
            return f"Duration_{_SPELLED_DURATIONS[value]}"
    return f"{kind}_{value}"


def _all() -> Iterator[Event]:
    for kind in get_args(Kind):
        for value in VALUES[kind]:
            yield Event(kind, value)


WORDS: dict[str, Event] = {spell(event): event for event in _all()}
"""Every word there is."""


def bar_positions(meter: int) -> int:
    """Positions of a bar in METERS[meter]."""
    beats, unit = METERS[meter]
    return beats * 4 * POSITIONS_PER_QUARTER // unit
