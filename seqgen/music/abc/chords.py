"""Reads chords and grace notes, within which few lexemes have a meaning (4.12, 4.17)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from seqgen.music.abc.bars import Report
from seqgen.music.abc.lexer import Context, Kind, Lexeme, lex
from seqgen.music.abc.microtones import after_microtone
from seqgen.music.abc.music_line import pieces_of
from seqgen.music.abc.values import parse_length
from seqgen.music.abc.voice import VoiceBuilder
from seqgen.music.diagnostics import Severity
from seqgen.music.score import Chord, Note

__all__ = ["length_at", "read_chord", "read_graces"]

_SILENT_IN_CHORD = (
    Kind.SPACE, Kind.SHORTHAND, Kind.DECORATION, Kind.SLUR_OPEN, Kind.SLUR_CLOSE, Kind.ANNOTATION,
    Kind.IGNORED,
)  # fmt: skip


def length_at(lexemes: list[Lexeme], index: int) -> tuple[int, str, int]:
    """The length at ``index``, if one is there.

    Returns:
        The index after it, its text (empty if none is there) and offset.
    """
    if index < len(lexemes):
        kind, text, offset = lexemes[index]
        if kind is Kind.LENGTH:
            return index + 1, text, offset
    return index, "", 0


def read_chord(
    lexemes: list[Lexeme], index: int, closing: Kind, voice: VoiceBuilder, report: Report
) -> tuple[list[Note], Fraction, int] | None:
    """Read a chord that began before ``index``.

    Returns:
        Its notes, the length after it in lengths of its notes, and the index after that; None if
        the chord is not closed on its bar and line.
    """

    def ignore(_: Kind, text: str, offset: int) -> None:
        message = f"{text} has no meaning in a chord and is ignored"
        report("chord", Severity.WARNING, message, offset, len(text))

    notes: list[Note] = []
    while index < len(lexemes):
        kind, text, offset = lexemes[index]
        index += 1
        if kind is closing:
            index, length, at = length_at(lexemes, index)
            return notes, _factor(length, at, report) if notes else Fraction(1), index
        if kind is Kind.NOTES:
            notes += _notes(text, offset, voice, ignore)
        elif kind is Kind.TIE and notes:
            notes[-1] = notes[-1]._replace(tie=True)
        elif kind in (Kind.BAR, Kind.CHORD_OPEN, Kind.GRACE_OPEN):
            break
        elif kind is Kind.CHORD_SYMBOL:
            voice.open.wait().chord_symbols.append(text[1:-1])
        elif kind is Kind.UNKNOWN and (after := after_microtone(lexemes, index - 1, report)):
            index = after
        elif kind not in _SILENT_IN_CHORD:
            ignore(kind, text, offset)
    return None


def read_graces(
    lexemes: list[Lexeme], index: int, voice: VoiceBuilder, report: Report
) -> tuple[tuple[Note | Chord, ...], int] | None:
    """Read grace notes that began before ``index``.

    Returns:
        They, and the index after them; None if they are not closed on their bar and line.
    """

    def ignore(kind: Kind, text: str, offset: int) -> None:
        if kind in (Kind.UNKNOWN, Kind.REST):
            message = f"{text} has no meaning among grace notes and is ignored"
            report("grace", Severity.WARNING, message, offset, len(text))

    events: list[Note | Chord] = []
    while index < len(lexemes):
        kind, text, offset = lexemes[index]
        index += 1
        if kind is Kind.GRACE_CLOSE:
            return tuple(events), index
        if kind is Kind.NOTES:
            events += _notes(text, offset, voice, ignore)
        elif kind is Kind.CHORD_OPEN:
            chord = read_chord(lexemes, index, Kind.CHORD_CLOSE, voice, report)
            if chord is None:
                break
            notes, length, index = chord
            if notes:
                duration = notes[0].duration * length
                scaled = tuple([each._replace(duration=duration) for each in notes])
                events.append(Chord(scaled, duration))
        elif kind in (Kind.BAR, Kind.GRACE_OPEN):
            break
        elif kind is Kind.UNKNOWN and (after := after_microtone(lexemes, index - 1, report)):
            index = after
        else:
            ignore(kind, text, offset)
    return None


def _notes(
    run: str, offset: int, voice: VoiceBuilder, ignore: Callable[[Kind, str, int], None]
) -> list[Note]:
    """The notes of a run; ``ignore`` takes what is none."""
    notes: list[Note] = []
    for text, at, _ in pieces_of(run):
        if text[0] in "zx<>":
            for kind, part, start in lex(text, Context.BODY):
                ignore(kind, part, offset + at + start)
        else:
            notes.append(voice.reader.note(text, offset + at))
    return notes


def _factor(length: str, offset: int, report: Report) -> Fraction:
    if length:
        try:
            return parse_length(length)
        except ValueError as error:
            report("length", Severity.ERROR, f"{error}", offset, len(length))
    return Fraction(1)
