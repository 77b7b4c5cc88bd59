"""Single lexemes among the notes that are read by themselves: bar lines' endings, tuplets, slurs,
ties, decorations and the like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from seqgen.music.abc.accents import accents
from seqgen.music.abc.bar_lines import parse_passes
from seqgen.music.abc.lexer import Kind
from seqgen.music.abc.notation import DECORATIONS
from seqgen.music.abc.values import parse_tuplet
from seqgen.music.abc.voice import VoiceBuilder
from seqgen.music.diagnostics import Severity
from seqgen.music.score import BarLine

__all__ = ["MARKS"]

Symbols: TypeAlias = Mapping[str, str]
"""What shorthands mean (4.16)."""


def _ending(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    words = text[2:-1] if text[1] == '"' else ""
    passes = () if text[1] == '"' else parse_passes(text[1:])
    voice.bar(BarLine("none"), offset, passes, words)


def _tuplet(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    try:
        group = parse_tuplet(text, voice.bars.meter.compound)
    except ValueError as error:
        voice.report("tuplet", Severity.ERROR, f"{error}", offset, len(text))
    else:
        voice.open.begin_tuplet(*group, offset)


def _chord_symbol(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    voice.open.wait().chord_symbols.append(accents(text[1:-1]))


def _annotation(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    voice.open.wait().annotations.append(accents(text[1:-1]))


def _decoration(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    name = text[1:-1]
    if name not in DECORATIONS:
        message = f"{text} is no decoration of the standard, and has no effect"
        voice.report("decoration", Severity.WARNING, message, offset, len(text))
    voice.open.wait().decorations.append(name)


def _shorthand(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    meaning = symbols.get(text)
    if meaning is None:
        message = f"{text} has no meaning here, unless a U: field gives it one"
        voice.report("symbol", Severity.WARNING, message, offset, 1)
    elif not meaning.startswith('"'):
        voice.open.wait().decorations.append(meaning)
    elif meaning[1:2] in tuple("^_<>@"):
        _annotation(voice, symbols, meaning, offset)
    else:
        _chord_symbol(voice, symbols, meaning, offset)


def _slur_open(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    voice.open.wait().slurs += 1


def _slur_close(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    if not voice.close_slur():
        message = "a slur must end after a note of its bar"
        voice.report("slur", Severity.WARNING, message, offset, 1)


def _tie(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    voice.tie(offset)


def _broken(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    if len(text) > 3 or not voice.open.begin_broken(text, offset):
        message = f"{text[:9]} must stand between two notes of one bar"
        voice.report("broken-rhythm", Severity.WARNING, message, offset, len(text))


def _overlay(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    if not voice.overlay():
        message = "this & has no notes of its bar before it to lay others over, and is ignored"
        voice.report("overlay", Severity.WARNING, message, offset, len(text))


def _line_break(voice: VoiceBuilder, symbols: Symbols, text: str, offset: int) -> None:
    voice.reader.part()
    voice.bars.break_line()


MARKS: dict[Kind, Callable[[VoiceBuilder, Symbols, str, int], None]] = {
    Kind.ENDING: _ending,
    Kind.TUPLET: _tuplet,
    Kind.CHORD_SYMBOL: _chord_symbol,
    Kind.ANNOTATION: _annotation,
    Kind.DECORATION: _decoration,
    Kind.SHORTHAND: _shorthand,
    Kind.SLUR_OPEN: _slur_open,
    Kind.SLUR_CLOSE: _slur_close,
    Kind.TIE: _tie,
    Kind.BROKEN: _broken,
    Kind.OVERLAY: _overlay,
    Kind.LINE_BREAK: _line_break,
}
"""What reads a lexeme, given the voice it stands in, its text and where it begins."""
