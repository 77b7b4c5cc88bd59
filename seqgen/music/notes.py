"""What sounds in a score: notes, chords and rests, with what hangs on them.

All of it can be had from ``score``, of which it is a part.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple, TypeAlias

from seqgen.music.signs import Pitch, Tuplet

__all__ = [
    "EVENTS",
    "PLAIN",
    "Attached",
    "Chord",
    "Event",
    "Graces",
    "Note",
    "Rest",
    "Spacer",
    "Syllable",
]


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
