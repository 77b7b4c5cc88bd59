"""A tune as a score: what is written, exactly, and nothing about files or sound.

Every duration is a :class:`~fractions.Fraction` of a whole note, so that a bar either fills its
metre or does not. A score keeps what a writer of notation needs (spelling, accidentals as written,
tuplets, slurs, lyrics, line breaks), in the order written; ``performance`` makes sound of it.

    Tune -> Voice -> Bar -> Note | Chord | Rest | Change

What stands in a bar by the dozen is a named tuple and not a data class, since a collection holds a
million of them.
Everything is immutable, and two scores are equal exactly if they say the same: places in the source
(``offset``, in characters) stand on bars and tunes only and don't count in comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from seqgen.music.changes import (
    Change,
    Directive,
    Field,
    KeyChange,
    LineBreak,
    MeterChange,
    PartMark,
    TempoChange,
    UnitChange,
)
from seqgen.music.notes import (
    EVENTS,
    PLAIN,
    Attached,
    Chord,
    Event,
    Graces,
    Note,
    Rest,
    Spacer,
    Syllable,
)
from seqgen.music.signs import BarLine, Clef, Key, Meter, Pitch, Tempo, Tuplet, pitch

__all__ = [
    "EVENTS",
    "PLAIN",
    "Attached",
    "Bar",
    "BarLine",
    "Change",
    "Chord",
    "Clef",
    "Directive",
    "Event",
    "Field",
    "Graces",
    "Item",
    "Key",
    "KeyChange",
    "LineBreak",
    "Meter",
    "MeterChange",
    "Note",
    "PartMark",
    "Pitch",
    "Rest",
    "Spacer",
    "Syllable",
    "Tempo",
    "TempoChange",
    "Tune",
    "Tuplet",
    "UnitChange",
    "Voice",
    "pitch",
]

Item: TypeAlias = Event | Change | Spacer | LineBreak


class Bar(NamedTuple):
    """The music between two bar lines.

    Args:
        left: the line it begins with (the same object as the ``right`` of the bar before).
        right: the line it ends with.
        items: what it holds, in order.
        overlays: further layers that begin with the bar, each after a ``&`` (7.4).
        ending: the passes on which it and what follows is played, when an ending begins here.
        ending_text: an ending's label where it is words and not numbers.
        offset: of its first character.
    """

    left: BarLine
    right: BarLine
    items: tuple[Item, ...]
    overlays: tuple[tuple[Item, ...], ...] = ()
    ending: tuple[int, ...] = ()
    ending_text: str = ""
    offset: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bar) and self[:-1] == other[:-1]

    def __ne__(self, other: object) -> bool:  # a tuple's own would count the offset
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:-1])

    @property
    def events(self) -> list[Event]:
        """The notes, chords and rests of its first layer."""
        return [item for item in self.items if isinstance(item, Note | Chord | Rest)]

    @property
    def duration(self) -> Fraction:
        """The sum of its first layer."""
        return sum((event.duration for event in self.events), Fraction(0))


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice.

    Args:
        id: as the ``V:`` field names it; ``""`` where a tune has no such field.
        name: for people, from ``name=``.
        clef: at its beginning.
        bars: its music.
    """

    id: str
    name: str
    clef: Clef
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Tune:
    """One tune.

    Args:
        number: after ``X:``.
        titles: after each ``T:`` of the header.
        key, meter, unit, tempo: as the header sets them (``tempo`` None if it does not).
        parts: the order of parts after the header's ``P:``, as written.
        voices: in the order they first appear; at least one.
        fields: every field of the header in order, those named above too.
        directives: ``%%`` lines of the header.
        words: lines of ``W:``.
        offset: of its ``X:`` in the source; line: of that, from 1.
    """

    number: str
    titles: tuple[str, ...]
    key: Key
    meter: Meter
    unit: Fraction
    tempo: Tempo | None
    parts: str
    voices: tuple[Voice, ...]
    fields: tuple[Field, ...] = ()
    directives: tuple[Directive, ...] = ()
    words: tuple[str, ...] = ()
    offset: int = field(default=0, compare=False)
    line: int = field(default=1, compare=False)

    @property
    def title(self) -> str:
        """Its first title, or its number."""
        return self.titles[0] if self.titles else f"tune {self.number}"
