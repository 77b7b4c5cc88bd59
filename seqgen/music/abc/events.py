"""Lexemes that are read with those after them: chords, grace notes, rests of whole bars, spacers;
and those that mean nothing where they stand."""

from __future__ import annotations

from collections.abc import Callable

from seqgen.music.abc.chords import length_at, read_chord, read_graces
from seqgen.music.abc.lexer import Kind, Lexeme
from seqgen.music.abc.microtones import after_microtone
from seqgen.music.abc.voice import VoiceBuilder
from seqgen.music.diagnostics import Severity
from seqgen.music.score import Graces

__all__ = ["READERS"]

_UNKNOWN = {
    '"': 'this " is not closed on its line; chord symbols and annotations end with another "',
    "^": "an accidental must stand directly before a note",
    "_": "an accidental must stand directly before a note",
    "=": "an accidental must stand directly before a note",
    "'": "an octave mark must stand directly after a note",
    ",": "an octave mark must stand directly after a note",
}


def _bar_rest(voice: VoiceBuilder, lexemes: list[Lexeme], index: int) -> int:
    _, text, offset = lexemes[index]
    index, length, at = length_at(lexemes, index + 1)
    bars = int(length) if length.isdigit() and len(length) <= 4 else 0
    if not length:
        bars = 1
    elif not 1 <= bars <= 1024:
        bars = 1
        message = f"{text} rests for whole bars, 1 to 1024; expected such as {text}4"
        voice.report("length", Severity.WARNING, message, at, len(length))
    voice.bar_rest(bars, text == "Z", offset)
    return index


def _chord(voice: VoiceBuilder, lexemes: list[Lexeme], index: int) -> int:
    kind, _, offset = lexemes[index]
    closing = Kind.CHORD_CLOSE if kind is Kind.CHORD_OPEN else Kind.CHORD_MARK
    chord = read_chord(lexemes, index + 1, closing, voice, voice.report)
    if chord is None and kind is Kind.CHORD_MARK:
        return _stray(voice, lexemes, index)
    if chord is None:
        message = "this [ begins a chord that is not closed; expected ] in its bar"
        voice.report("chord", Severity.ERROR, message, offset, 1)
        return index + 1
    notes, length, after = chord
    if notes:
        voice.chord(notes, length, offset)
    else:
        message = "this chord holds no note and is ignored"
        voice.report("chord", Severity.WARNING, message, offset, 1)
    return after


def _graces(voice: VoiceBuilder, lexemes: list[Lexeme], index: int) -> int:
    _, text, offset = lexemes[index]
    graces = read_graces(lexemes, index + 1, voice, voice.report)
    if graces is None:
        message = "this { begins grace notes that are not closed; expected } in its bar"
        voice.report("grace", Severity.ERROR, message, offset, len(text))
        return index + 1
    events, after = graces
    if events:
        voice.open.wait().graces = Graces(events, len(text) > 1)
    return after


def _spacer(voice: VoiceBuilder, lexemes: list[Lexeme], index: int) -> int:
    voice.spacer(lexemes[index][2])
    index, _, _ = length_at(lexemes, index + 1)
    return index


def _stray(voice: VoiceBuilder, lexemes: list[Lexeme], index: int) -> int:
    kind, text, offset = lexemes[index]
    if text == ":" and voice.open_repeat(offset):
        return index + 1
    if kind is Kind.UNKNOWN and (after := after_microtone(lexemes, index, voice.report)):
        return after
    if kind is Kind.LENGTH:
        message = f"the length {text[:12]} must stand directly after a note, and is ignored"
    elif kind is Kind.UNKNOWN:
        message = _UNKNOWN.get(text, f"{text} has no meaning in music and is ignored")
    else:
        message = f"this {text} closes nothing and is ignored"
    voice.report("stray", Severity.WARNING, message, offset, len(text))
    return index + 1


READERS: dict[Kind, Callable[[VoiceBuilder, list[Lexeme], int], int]] = {
    Kind.BAR_REST: _bar_rest,
    Kind.CHORD_OPEN: _chord,
    Kind.CHORD_MARK: _chord,
    Kind.GRACE_OPEN: _graces,
    Kind.SPACER: _spacer,
    Kind.LENGTH: _stray,
    Kind.CHORD_CLOSE: _stray,
    Kind.GRACE_CLOSE: _stray,
    Kind.UNKNOWN: _stray,
}
"""What reads the lexeme at an index, given the voice it stands in; the index after what it read."""
