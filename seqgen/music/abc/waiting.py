"""What is written before a note and waits for it: marks, a broken rhythm, a tuplet."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from seqgen.music.abc.music_line import marks_of
from seqgen.music.abc.notation import SHORTHANDS
from seqgen.music.abc.values import Steps, in_steps
from seqgen.music.score import PLAIN, Attached, Chord, Event, Graces, Note, Rest

__all__ = [
    "Broken",
    "Pending",
    "attached_by",
    "shares",
    "together",
    "with_attached",
    "with_duration",
    "with_slur_closed",
]

_CLOSED_SLUR = Attached(slurs_close=1)
_OPEN_SLURS = tuple(Attached(slurs_open=count) for count in range(4))


@dataclass(slots=True)
class Pending:
    """Marks that stand before a note."""

    decorations: list[str]
    chord_symbols: list[str]
    annotations: list[str]
    graces: Graces | None = None
    slurs: int = 0

    def add(self, mark: str) -> None:
        """Add a slur, a shorthand or a text in quotes that has no accents."""
        if mark[-1] == "(":
            self.slurs += 1
        elif mark[0] != '"':
            self.decorations.append(SHORTHANDS[mark])
        elif mark[1] in "^_<>@":
            self.annotations.append(mark[1:-1])
        else:
            self.chord_symbols.append(mark[1:-1])

    def attached(self) -> Attached:
        """All of them, as they hang on the note."""
        if not (self.decorations or self.chord_symbols or self.annotations or self.graces):
            known = self.slurs < len(_OPEN_SLURS)
            return _OPEN_SLURS[self.slurs] if known else Attached(slurs_open=self.slurs)
        return Attached(
            tuple(self.decorations),
            tuple(self.chord_symbols),
            tuple(self.annotations),
            self.graces,
            self.slurs,
        )


@lru_cache(maxsize=1 << 12)
def attached_by(before: str) -> Attached:
    """What the marks before a note hang on it; grace notes may not be among them."""
    pending = Pending([], [], [])
    for mark in marks_of(before):
        pending.add(mark)
    return pending.attached()


def together(first: Attached, then: Attached) -> Attached:
    """The marks of both."""
    if then is PLAIN:
        return first
    return Attached(
        first.decorations + then.decorations,
        first.chord_symbols + then.chord_symbols,
        first.annotations + then.annotations,
        then.graces or first.graces,
        first.slurs_open + then.slurs_open,
        first.slurs_close + then.slurs_close,
    )


@dataclass(slots=True)
class Broken:
    """A broken rhythm before its second note (4.4); ``index`` is that of its first."""

    index: int
    marks: str
    offset: int


def shares(duration: Fraction, marks: str) -> tuple[Fraction, Fraction, Steps]:
    """What the notes before and after ``>`` or ``<`` get (4.4), both of a duration as written, and
    what the second has then given to the first."""
    return _shares(duration.numerator, duration.denominator, marks)


# A collection needs few of them. They are looked up by integers: Fractions hash slowly.
@lru_cache(maxsize=1 << 12)
def _shares(numerator: int, denominator: int, marks: str) -> tuple[Fraction, Fraction, Steps]:
    duration = Fraction(numerator, denominator)
    shorter = duration / 2 ** len(marks)
    longer = 2 * duration - shorter
    if marks[0] == "<":
        longer, shorter = shorter, longer
    return longer, shorter, in_steps(longer - duration)


def with_duration(event: Event, duration: Fraction) -> Event:
    """The event with another duration; a chord's notes share it."""
    # A named tuple's own _replace takes several times as long.
    if isinstance(event, Note):
        pitch, accidental, _, tie, joined, tuplet, attached = event
        return Note(pitch, accidental, duration, tie, joined, tuplet, attached)
    if isinstance(event, Chord):
        notes = tuple([note._replace(duration=duration) for note in event.notes])
        return event._replace(notes=notes, duration=duration)
    return Rest(duration, *event[1:])


def with_attached(event: Event, attached: Attached) -> Event:
    """The event with other marks."""
    if isinstance(event, Note):
        pitch, accidental, duration, tie, joined, tuplet, _ = event
        return Note(pitch, accidental, duration, tie, joined, tuplet, attached)
    return event._replace(attached=attached)


def with_slur_closed(attached: Attached) -> Attached:
    """Marks with one more slur that ends here."""
    if attached is PLAIN:
        return _CLOSED_SLUR
    return attached._replace(slurs_close=attached.slurs_close + 1)
