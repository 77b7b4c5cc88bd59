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
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from seqgen.music.signs import (
    Change,
    Clef,
    Directive,
    Field,
    Key,
    KeyChange,
    LineBreak,
    Meter,
    MeterChange,
    PartMark,
    Tempo,
    TempoChange,
    UnitChange,
)

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

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS = "FCGDAEB"


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


class Tuplet(NamedTuple):
    """A group ``(p:q:r``: the next ``notes`` notes, ``actual`` in the time of ``normal`` (4.13).

    ``position`` counts a group's members from 0, which tells neighbouring groups apart.
    """

    actual: int
    normal: int
    notes: int
    position: int


class Syllable(NamedTuple):
    """A piece of a lyric under one note.

    Args:
        verse: 1 for the first ``w:`` line under the music.
        text: its words; ``""`` where the syllable before it is held on.
        hyphen: whether the word goes on at the next note.
    """

    verse: int
    text: str
    hyphen: bool


class Graces(NamedTuple):
    """Grace notes before a note; ``slashed`` is an acciaccatura, ``{/g}`` (4.12)."""

    notes: tuple[Note | Chord, ...]
    slashed: bool


class Attached(NamedTuple):
    """What hangs on a note, chord or rest; most have nothing and share ``PLAIN``.

    Args:
        decorations: names without ``!``, in order.
        chord_symbols: such as ``"Am7"``, without quotes.
        annotations: with the placing character first (``^ _ < > @``).
        graces: before it.
        slurs_open: slurs that begin here; slurs_close: that end here.
        lyrics: one per verse.
    """

    decorations: tuple[str, ...] = ()
    chord_symbols: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    graces: Graces | None = None
    slurs_open: int = 0
    slurs_close: int = 0
    lyrics: tuple[Syllable, ...] = ()


PLAIN = Attached()


class Note(NamedTuple):
    """A note.

    Args:
        pitch: as it sounds.
        accidental: as written before it (-2 to 2; 0 is a natural), None if none is.
        duration: sounding, of a whole note: broken rhythm and tuplet are applied.
        tie: whether it is tied to the next note of its pitch.
        joined: whether no space stands between it and the note before, so that a beam may.
        tuplet: the group it belongs to.
        attached: what hangs on it.
    """

    pitch: Pitch
    accidental: int | None
    duration: Fraction
    tie: bool = False
    joined: bool = False
    tuplet: Tuplet | None = None
    attached: Attached = PLAIN


class Chord(NamedTuple):
    """Notes that begin together; time goes on by the first one's duration (4.17)."""

    notes: tuple[Note, ...]
    duration: Fraction
    joined: bool = False
    tuplet: Tuplet | None = None
    attached: Attached = PLAIN


class Rest(NamedTuple):
    """A rest.

    Args:
        duration: of a whole note; for whole bars, that many of the metre.
        visible: False for ``x`` and ``X``.
        bars: how many whole bars a ``Z`` or ``X`` stands for; 0 for ``z`` and ``x``.
        tuplet: the group it belongs to.
        attached: what hangs on it.
    """

    duration: Fraction
    visible: bool = True
    bars: int = 0
    tuplet: Tuplet | None = None
    attached: Attached = PLAIN


class Spacer(NamedTuple):
    """A ``y``, or the place of a chord symbol or decoration that no note follows; takes no time."""

    attached: Attached = PLAIN


Event: TypeAlias = Note | Chord | Rest
EVENTS = (Note, Chord, Rest)
"""For ``isinstance`` where it is called often: a union is made anew each time it is written."""
Item: TypeAlias = Event | Change | Spacer | LineBreak


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
