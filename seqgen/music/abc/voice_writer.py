"""Writes one voice of a score as lines of ABC.

The writer follows the same state as the parser (unit note length, metre, octave of the clef, what
may be joined in a beam), so that what it writes is read back as the same score. Lengths are written
out and never as broken rhythm, on whose ratio programs differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

from seqgen.music.abc.formatting import (
    format_field,
    format_key,
    format_length,
    format_pitch,
    format_syllable,
    format_tempo,
    format_text,
    format_tuplet,
)
from seqgen.music.abc.pieces import Boundary, Overlay, Piece
from seqgen.music.abc.values import parse_tuplet
from seqgen.music.score import (
    PLAIN,
    Attached,
    Change,
    Chord,
    Clef,
    Directive,
    Graces,
    KeyChange,
    LineBreak,
    Meter,
    MeterChange,
    Note,
    PartMark,
    Rest,
    Spacer,
    Syllable,
    TempoChange,
    Tuplet,
    UnitChange,
)

__all__ = ["VoiceWriter"]

_LONG_LINE = 1000
_NAME = re.compile(r"[^\s!|\[\]\"]+")
_COMMENT = re.compile(r"(?:.*[^\\])?%")  # a % that is not escaped begins one


def _named(change: Change) -> tuple[str, str]:
    """A change as the letter and value of a field; ``%%`` for a directive."""
    if isinstance(change, KeyChange):
        return "K", format_key(change.key, change.clef)
    if isinstance(change, MeterChange):
        return "M", f"{change.meter}"
    if isinstance(change, UnitChange):
        return "L", f"{change.unit.numerator}/{change.unit.denominator}"
    if isinstance(change, TempoChange):
        return "Q", format_tempo(change.tempo)
    if isinstance(change, PartMark):
        return "P", change.label
    if isinstance(change, Directive):
        return "%%", change.text
    return change.name, change.value


def _on_own_line(change: Change) -> str | None:
    """A change as a line, or None if it can't stand on one."""
    name, value = _named(change)
    if name == "%%":
        return f"%%{value}"
    if not name.isupper() or name == "X" or _COMMENT.match(value):
        return None
    return format_field(name, value)


def _inline(change: Change) -> str | None:
    """A change among the notes of a line, or None if it can't stand there."""
    name, value = _named(change)
    if "]" in value or (name == "%%" and "=" in value):
        return None
    return f"[{'I' if name == '%%' else name}:{value}]"


def _at_bar_line(spacer: Spacer, following: list[Piece]) -> bool:
    """Whether marks stand before a bar line, which needs no ``y`` to carry them."""
    attached = spacer.attached
    return (
        attached != PLAIN
        and attached.graces is None
        and not attached.slurs_open
        and bool(following)
        and isinstance(following[0], Boundary | Overlay)
    )


class VoiceWriter:
    """Writes one voice, all at once or piece by piece.

    Args:
        unit, meter, clef: in force at its beginning.
        symbols: the one-character marks of decorations, by their names.
    """

    def __init__(
        self, unit: Fraction, meter: Meter, clef: Clef, symbols: Mapping[str, str]
    ) -> None:
        self._unit = unit
        self._meter = meter
        self._octave = clef.octave
        self._symbols = symbols
        self._lines: list[str] = []
        self._text: list[str] = []
        self._width = 0
        self._joined = False
        self._sung: list[tuple[Syllable, ...]] = []
        self._in_overlay = False

    def write(self, pieces: Iterable[Piece]) -> list[str]:
        """The lines of these pieces; the next call goes on in the state that they leave."""
        self._lines = []
        line: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, LineBreak):
                self._line(line, True)
                line = []
            else:
                line.append(piece)
        self._line(line, False)
        return self._lines

    def _line(self, line: list[Piece], broken: bool) -> None:
        """Write a line; changes before its music get lines of their own, as collections do.

        Only a line of music breaks the printed line, so one of mere changes keeps one of them.
        """
        leading = 0
        for piece in line[: len(line) - broken]:
            own = _on_own_line(piece) if isinstance(piece, Change) else None
            if own is None:
                break
            self._follow(piece)
            self._lines.append(own)
            leading += 1
        self._text, self._sung = [], []
        self._width, self._joined = 0, False
        for index, piece in enumerate(line[leading:], leading + 1):
            self._piece(piece)
            if isinstance(piece, Spacer) and not _at_bar_line(piece, line[index : index + 1]):
                self._put("y")
            if isinstance(piece, Boundary) and self._width > _LONG_LINE and index < len(line):
                self._put("\\\n")
                self._width = 0
        text = "".join(self._text).rstrip(" ")
        if text:
            self._lines.append(text)
        self._lyrics()

    def _lyrics(self) -> None:
        verses = max((each.verse for lyrics in self._sung for each in lyrics), default=0)
        for verse in range(1, verses + 1):
            words = []
            for lyrics in self._sung:
                syllable = next((each for each in lyrics if each.verse == verse), None)
                words.append("*" if syllable is None else format_syllable(syllable))
            self._lines.append(("w:" + " ".join(words)).rstrip(" *"))

    # -- pieces

    def _put(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._width += len(text)

    def _gap(self) -> None:
        if self._text and self._text[-1][-1] not in " \n":
            self._put(" ")
        self._joined = False

    def _piece(self, piece: Piece) -> None:
        if isinstance(piece, Note):
            self._begin(piece.joined, piece.tuplet, piece.attached)
            self._put(self._note(piece, piece.tuplet))
            self._put("-" * piece.tie + ")" * piece.attached.slurs_close)
            self._sing(piece.attached)
        elif isinstance(piece, Boundary):
            self._gap()
            self._put(f"{piece} ")
            self._in_overlay = False
        elif isinstance(piece, Rest):
            self._begin(False, piece.tuplet, piece.attached)
            self._put(self._rest(piece) + ")" * piece.attached.slurs_close)
            self._joined = True
        elif isinstance(piece, Chord):
            self._begin(piece.joined, piece.tuplet, piece.attached)
            self._put(self._chord(piece, piece.tuplet) + ")" * piece.attached.slurs_close)
            self._sing(piece.attached)
        elif isinstance(piece, Overlay):
            if piece.joined:
                self._put("&")
            else:
                self._gap()
                self._put("& ")
            self._in_overlay = True
        elif isinstance(piece, Spacer):
            self._attach(piece.attached, alone=True)
        elif not isinstance(piece, LineBreak):
            self._change(piece)

    def _change(self, change: Change) -> None:
        self._follow(change)
        text = _inline(change)
        if text is None:
            # A continued line may be interrupted by lines of fields (6.1.1).
            self._gap()
            own = _on_own_line(change)
            text = f"\\\n{own}\n" if own is not None else ""
        elif not self._joined:
            self._gap()
        self._put(text)

    def _follow(self, change: Piece) -> None:
        """Keep the state that decides how lengths, tuplets and octaves are written."""
        if isinstance(change, UnitChange):
            self._unit = change.unit
        elif isinstance(change, MeterChange):
            self._meter = change.meter
        elif isinstance(change, KeyChange) and change.clef is not None:
            self._octave = change.clef.octave

    def _begin(self, joined: bool, tuplet: Tuplet | None, attached: Attached) -> None:
        if self._joined and not joined:
            self._gap()
        if tuplet is not None and tuplet.position == 0:
            usual = parse_tuplet(f"({tuplet.actual}", self._meter.compound)
            self._put(format_tuplet(tuplet, usual))
        if attached is not PLAIN:
            self._attach(attached)

    def _attach(self, attached: Attached, alone: bool = False) -> None:
        for text in (*attached.chord_symbols, *attached.annotations):
            self._put(f'"{format_text(text)}"')
        # Slurs first, since .( is a dotted slur; decorations last, where abc2midi wants them. It
        # knows shorthands on notes only, and none before a name between ! marks.
        self._put("(" * attached.slurs_open)
        if attached.graces is not None:
            self._put(self._graces(attached.graces))
        names = attached.decorations
        if not alone and all(name in self._symbols for name in names):
            self._put("".join(self._symbols[name] for name in names))
            return
        for name in names:
            if _NAME.fullmatch(name):
                self._put(f"!{name}!")
            elif name in self._symbols:
                self._put(self._symbols[name])

    def _sing(self, attached: Attached) -> None:
        self._joined = True
        if not self._in_overlay:
            self._sung.append(attached.lyrics)

    # -- events

    def _length(self, duration: Fraction, tuplet: Tuplet | None) -> str:
        if tuplet is not None:
            duration *= Fraction(tuplet.actual, tuplet.normal)
        return format_length(duration / self._unit)

    def _note(self, note: Note, tuplet: Tuplet | None) -> str:
        step, _, octave = note.pitch
        written = format_pitch(step, note.accidental, octave - self._octave)
        return written + self._length(note.duration, tuplet)

    def _rest(self, rest: Rest) -> str:
        if rest.bars:
            return ("Z" if rest.visible else "X") + (f"{rest.bars}" if rest.bars > 1 else "")
        return ("z" if rest.visible else "x") + self._length(rest.duration, rest.tuplet)

    def _chord(self, chord: Chord, tuplet: Tuplet | None) -> str:
        notes = chord.notes
        together = all(note.tie for note in notes)
        equal = all(note.duration == notes[0].duration for note in notes)
        inner = []
        for note in notes:
            step, _, octave = note.pitch
            text = format_pitch(step, note.accidental, octave - self._octave)
            length = "" if equal else self._length(note.duration, tuplet)
            inner.append(text + length + "-" * (note.tie and not together))
        length = self._length(notes[0].duration, tuplet) if equal else ""
        return f"[{''.join(inner)}]{length}" + "-" * together

    def _graces(self, graces: Graces) -> str:
        notes = (
            self._note(each, None) if isinstance(each, Note) else self._chord(each, None)
            for each in graces.notes
        )  # fmt: skip
        return ("{/" if graces.slashed else "{") + "".join(notes) + "}"
