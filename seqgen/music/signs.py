"""What stands in a score beside its notes: key, clef, metre, tempo, and changes of them.

All of it can be had from ``score``, of which it is a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple, TypeAlias

__all__ = [
    "Change",
    "Clef",
    "Directive",
    "Field",
    "Key",
    "KeyChange",
    "LineBreak",
    "Meter",
    "MeterChange",
    "PartMark",
    "Tempo",
    "TempoChange",
    "UnitChange",
]


@lru_cache(maxsize=256)
def _fraction(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator)


@dataclass(frozen=True, slots=True)
class Key:
    """A key signature.

    Args:
        tonic: ``"D"``, ``"Bb"``, ``"F#"``; ``""`` for none; ``"HP"`` or ``"Hp"`` for the
            pipes, which sound alike; only ``Hp`` prints its signature.
        mode: ``maj min dor phr lyd mix loc``; ``""`` where there is no tonic.
        alters: semitones by letter, of the letters that are not natural.
        explicit: accidentals written after the tonic and mode, as (letter, semitones).
        replaces: whether those stand alone (``exp``) and are not added to the mode's.
    """

    tonic: str = "C"
    mode: str = "maj"
    alters: tuple[tuple[str, int], ...] = ()
    explicit: tuple[tuple[str, int], ...] = ()
    replaces: bool = False

    @property
    def fifths(self) -> int:
        """Sharps (positive) or flats (negative) of the signature; meaningful without explicit."""
        return sum(alter for _, alter in self.alters)


@dataclass(frozen=True, slots=True)
class Clef:
    """How a voice's written notes are placed and sound (4.6).

    Args:
        name: ``treble``, ``bass``, ``alto``, ``tenor``, ``perc``, ``none``, with a line number
            and ``+8``, ``-8``, ``+15`` or ``-15`` after it where written; ``""`` if unsaid.
        octave: octaves added to what is written (``octave=``).
        transpose: semitones added when it sounds (``transpose=``).
    """

    name: str = ""
    octave: int = 0
    transpose: int = 0


@dataclass(frozen=True, slots=True)
class Meter:
    """A metre.

    Args:
        beats: its numerator, in groups where written so: ``(3, 2)`` for ``3+2/8``; ``()`` if free.
        unit: its denominator.
        symbol: ``"C"`` or ``"C|"`` where written so.
    """

    beats: tuple[int, ...] = (4,)
    unit: int = 4
    symbol: str = ""

    @property
    def duration(self) -> Fraction | None:
        """A bar's length of a whole note; None for a free metre."""
        return _fraction(sum(self.beats), self.unit) if self.beats else None

    @property
    def compound(self) -> bool:
        """Whether beats divide in three (6/8, 9/8, 12/8)."""
        return len(self.beats) == 1 and self.beats[0] > 3 and self.beats[0] % 3 == 0

    def __str__(self) -> str:
        if not self.beats:
            return "none"
        return self.symbol or f"{'+'.join(map(str, self.beats))}/{self.unit}"


@dataclass(frozen=True, slots=True)
class Tempo:
    """A tempo.

    Args:
        beats: the durations that together are a beat; ``()`` if only words are given.
        per_minute: beats a minute; None if only words are given.
        text: words before or after the figure.
    """

    beats: tuple[Fraction, ...] = ()
    per_minute: Fraction | None = None
    text: str = ""

    @property
    def qpm(self) -> Fraction | None:
        """Quarter notes a minute; None if only words are given."""
        if self.per_minute is None:
            return None
        return sum(self.beats, Fraction(0)) * 4 * self.per_minute


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
