"""What stands in a score beside its notes: changes of key, metre and tempo, and words.

All of it can be had from ``score``, of which it is a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from seqgen.music.signs import Clef, Key, Meter, Tempo

__all__ = [
    "Change",
    "Directive",
    "Field",
    "KeyChange",
    "LineBreak",
    "MeterChange",
    "PartMark",
    "TempoChange",
    "UnitChange",
]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A ``K:`` among the music; ``key`` or ``clef`` is None where it does not change."""

    key: Key | None
    clef: Clef | None


@dataclass(frozen=True, slots=True)
class MeterChange:
    """An ``M:`` among the music."""

    meter: Meter


@dataclass(frozen=True, slots=True)
class UnitChange:
    """An ``L:`` among the music: changes how lengths are written, not how they sound."""

    unit: Fraction


@dataclass(frozen=True, slots=True)
class TempoChange:
    """A ``Q:`` among the music."""

    tempo: Tempo


@dataclass(frozen=True, slots=True)
class PartMark:
    """A ``P:`` among the music: here the part begins that the header's ``P:`` may order."""

    label: str


@dataclass(frozen=True, slots=True)
class Directive:
    """A ``%%`` line or ``I:`` field, without the marks: ``MIDI program 40``."""

    text: str


class Field(NamedTuple):
    """A field that means nothing to the music, such as ``T:`` or ``N:``, kept as written."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class LineBreak:
    """Here a line of the printed score ends."""


Change: TypeAlias = (
    KeyChange | MeterChange | UnitChange | TempoChange | PartMark | Directive | Field
)
