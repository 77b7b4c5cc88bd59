"""The signs of a score that have a meaning by themselves: pitches, keys, metres, bar lines.

They stand apart from what holds them (``seqgen.music.score``, which gives them out too), so that
whoever reads notation without building a score of it, as sampling does, needn't wait for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

__all__ = ["BarLine", "Clef", "Key", "Meter", "Pitch", "Tempo", "Tuplet", "pitch"]

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


class Pitch(NamedTuple):
    """A spelled pitch as it sounds (before any transposition of its voice).

    Args:
        step: letter, ``"A"`` to ``"G"``.
        alter: semitones up (sharp) or down (flat), key signature and bar's accidentals applied.
        octave: scientific; 4 is the octave from middle C, which ABC writes ``C``.
    """

    step: str
    alter: int
    octave: int

    @property
    def midi(self) -> int:
        """MIDI note number, 60 for middle C; may lie outside 0 to 127."""
        return 12 * (self.octave + 1) + _SEMITONES[self.step] + self.alter


@lru_cache(maxsize=4096)
def pitch(step: str, alter: int, octave: int) -> Pitch:
    """The one object for a pitch: a tune repeats few pitches many times."""
    return Pitch(step, alter, octave)


@lru_cache(maxsize=256)
def _fraction(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator)


class Tuplet(NamedTuple):
    """A group ``(p:q:r``: the next ``notes`` notes, ``actual`` in the time of ``normal`` (4.13).

    ``position`` counts a group's members from 0, which tells neighbouring groups apart.
    """

    actual: int
    normal: int
    notes: int
    position: int


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


class BarLine(NamedTuple):
    """A bar line.

    Args:
        style: ``thin`` (``|``), ``double`` (``||``), ``final`` (``|]``), ``start`` (``[|``),
            ``dotted``, ``invisible`` (``[|]``), or ``none`` where the music just begins or ends.
        closes: how often the passage before it is played: 2 for ``:|``, 3 for ``::|``; 0 if it
            closes no repeat.
        opens: how often the passage after it is played: 2 for ``|:``; 0 if it opens no repeat.
    """

    style: str
    closes: int = 0
    opens: int = 0
