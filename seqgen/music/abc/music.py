"""Reads the music of a tune: its lexemes, line by line, into voices."""

from __future__ import annotations

from collections.abc import Callable

from seqgen.music.abc.bar_lines import parse_passes
from seqgen.music.abc.bars import Report
from seqgen.music.abc.chords import length_at, read_chord, read_graces
from seqgen.music.abc.fields import parse_key, parse_meter, parse_tempo, parse_unit
from seqgen.music.abc.header import (
    FieldLine,
    Header,
    accents,
    attempt,
    field_at,
    read_macro,
    read_symbol,
    report_unknown,
)
from seqgen.music.abc.lexer import Kind, Lexeme
from seqgen.music.abc.lyrics import align_lyrics, align_symbols
from seqgen.music.abc.macros import expand_line
from seqgen.music.abc.microtones import after_microtone
from seqgen.music.abc.music_line import RUN_KINDS, MusicLine, lex_runs
from seqgen.music.abc.notation import DECORATIONS, SHORTHANDS
from seqgen.music.abc.overlays import bar_by_bar
from seqgen.music.abc.values import parse_tuplet
from seqgen.music.abc.voices import Voices
from seqgen.music.diagnostics import Severity
from seqgen.music.score import (
    BarLine,
    Directive,
    Field,
    Graces,
    KeyChange,
    MeterChange,
    TempoChange,
    UnitChange,
    Voice,
)

__all__ = ["MAX_NOTES", "MusicReader"]

MAX_NOTES = 1_000_000
"""Notes and rests of a voice; and of a tune, grace notes and further notes of chords."""

_MAX_VERSES = 64
_UNKNOWN = {
    '"': 'this " is not closed on its line; chord symbols and annotations end with another "',
    "^": "an accidental must stand directly before a note",
    "_": "an accidental must stand directly before a note",
    "=": "an accidental must stand directly before a note",
    "'": "an octave mark must stand directly after a note",
    ",": "an octave mark must stand directly after a note",
}


class MusicReader:
    """Reads one tune's music.

    Args:
        header: of the tune; its symbols and macros change as the music is read.
        start: where the tune begins; end: where it ends.
        report: where diagnostics go.
    """

    def __init__(self, header: Header, start: int, end: int, report: Report) -> None:
        self._header = header
        self._report = report
        self._start = start
        self._voices = Voices(header, end, report)
        self._voice = self._voices.begin()
        self._words: list[str] = []
        self._verse = self._aligned = 0
        self._continued = False
        self._standard = header.symbols == SHORTHANDS
        self._room = MAX_NOTES  # characters of music until there may be too many notes

    def read(self, lines: list[Lexeme], index: int) -> tuple[tuple[Voice, ...], tuple[str, ...]]:
        """Read from the line at ``index`` to the last.

        Returns:
            The voices that hold anything, and the ``W:`` lines.
        """
        macros = self._header.macros
        overlaid = bar_by_bar(lines, macros, self._report)
        while index < len(lines):
            kind, text, offset = lines[index]
            index += 1
            if kind is Kind.MUSIC:
                if overlaid:
                    line = MusicLine.of(overlaid[index - 1])
                elif macros:
                    line = MusicLine.of(expand_line(text, offset, macros))
                elif self._standard:
                    line = MusicLine.cut(text, offset)
                else:
                    line = MusicLine.of(lex_runs(text, offset))
                if line.end or not overlaid:
                    self._line(line)
                self._room -= sum(map(len, line.texts)) if overlaid or macros else len(text)
                if self._room < 0 and self._has_too_many():
                    message = f"this tune has more than {MAX_NOTES:,} notes; split it"
                    self._report("too-long", Severity.ERROR, message, offset + len(text), 1)
                    break
            elif kind is Kind.FIELD:
                field = field_at(lines, index - 1)
                self._field(field)
                index = field.next
            elif kind is Kind.DIRECTIVE:
                self._directive(text[2:].strip(), offset)
        if not self._voice.notes and not self._voices.have_notes():
            message = "this tune holds no music; a blank line ends a tune, so none may follow K:"
            self._warn("no-music", message, self._start, len("X:"))
        return self._voices.finish(), tuple(self._words)

    def _has_too_many(self) -> bool:
        """Whether there are too many notes; if not, no note takes less than a character."""
        self._room = MAX_NOTES - self._voices.count()
        return self._room < 0

    def _warn(self, code: str, message: str, offset: int, length: int) -> None:
        self._report(code, Severity.WARNING, message, offset, length)

    # -- lines

    def _line(self, line: MusicLine) -> None:
        """Read a line of music."""
        if not self._continued:
            self._voice.bars.begin_line()
            self._verse = self._aligned = 0
        self._music(line)
        voice = self._voice
        voice.reader.part()
        if not self._continued and voice.notes:
            voice.bars.break_line()

    def _music(self, line: MusicLine) -> None:
        voice = self._voice
        index = 0
        while (index := voice.read(line, index)) < line.end:
            text = line.texts[index]
            kind = RUN_KINDS[text]
            if mark := _MARKS.get(kind):
                mark(self, kind, text, line.offsets[index])
                voice = self._voice
                index += 1
            elif handler := _HANDLERS.get(kind):
                index = handler(self, line.take_apart(index), index)
            else:
                index += 1
        self._continued = _is_continued(line)

    # -- events

    def _bar_rest(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        index, length, at = length_at(lexemes, index + 1)
        bars = int(length) if length.isdigit() and len(length) <= 4 else 0
        if not length:
            bars = 1
        elif not 1 <= bars <= 1024:
            bars = 1
            message = f"{text} rests for whole bars, 1 to 1024; expected such as {text}4"
            self._warn("length", message, at, len(length))
        self._voice.bar_rest(bars, text == "Z", offset)
        return index

    def _chord(self, lexemes: list[Lexeme], index: int) -> int:
        kind, _, offset = lexemes[index]
        closing = Kind.CHORD_CLOSE if kind is Kind.CHORD_OPEN else Kind.CHORD_MARK
        chord = read_chord(lexemes, index + 1, closing, self._voice, self._report)
        if chord is None and kind is Kind.CHORD_MARK:
            return self._stray(lexemes, index)
        if chord is None:
            message = "this [ begins a chord that is not closed; expected ] in its bar"
            self._report("chord", Severity.ERROR, message, offset, 1)
            return index + 1
        notes, length, after = chord
        if notes:
            self._voice.chord(notes, length, offset)
        else:
            self._warn("chord", "this chord holds no note and is ignored", offset, 1)
        return after

    def _graces(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        graces = read_graces(lexemes, index + 1, self._voice, self._report)
        if graces is None:
            message = "this { begins grace notes that are not closed; expected } in its bar"
            self._report("grace", Severity.ERROR, message, offset, len(text))
            return index + 1
        events, after = graces
        if events:
            self._voice.wait().graces = Graces(events, len(text) > 1)
        return after

    # -- marks

    def _ending(self, kind: Kind, text: str, offset: int) -> None:
        words = text[2:-1] if text[1] == '"' else ""
        passes = () if text[1] == '"' else parse_passes(text[1:])
        self._voice.bar(BarLine("none"), offset, passes, words)

    def _tuplet(self, kind: Kind, text: str, offset: int) -> None:
        try:
            group = parse_tuplet(text, self._voice.bars.meter.compound)
        except ValueError as error:
            self._report("tuplet", Severity.ERROR, f"{error}", offset, len(text))
        else:
            self._voice.tuplet(*group, offset)

    def _quoted(self, kind: Kind, text: str, offset: int) -> None:
        self._attach_text(text, kind is Kind.ANNOTATION)

    def _attach_text(self, text: str, annotation: bool) -> None:
        pending = self._voice.wait()
        (pending.annotations if annotation else pending.chord_symbols).append(accents(text[1:-1]))

    def _decoration(self, kind: Kind, text: str, offset: int) -> None:
        name = text[1:-1]
        if name not in DECORATIONS:
            self._warn("decoration", f"{text} is no decoration of the standard, and has no effect",
                       offset, len(text))  # fmt: skip
        self._voice.wait().decorations.append(name)

    def _shorthand(self, kind: Kind, text: str, offset: int) -> None:
        meaning = self._header.symbols.get(text)
        if meaning is None:
            self._warn("symbol", f"{text} has no meaning here, unless a U: field gives it one",
                       offset, 1)  # fmt: skip
        elif meaning.startswith('"'):
            self._attach_text(meaning, meaning[1:2] in tuple("^_<>@"))
        else:
            self._voice.wait().decorations.append(meaning)

    def _slur_open(self, kind: Kind, text: str, offset: int) -> None:
        self._voice.wait().slurs += 1

    def _slur_close(self, kind: Kind, text: str, offset: int) -> None:
        if not self._voice.close_slur():
            self._warn("slur", "a slur must end after a note of its bar", offset, 1)

    def _tie(self, kind: Kind, text: str, offset: int) -> None:
        self._voice.tie(offset)

    def _broken(self, kind: Kind, text: str, offset: int) -> None:
        if len(text) > 3 or not self._voice.broken(text, offset):
            self._warn("broken-rhythm", f"{text[:9]} must stand between two notes of one bar",
                       offset, len(text))  # fmt: skip

    def _overlay(self, kind: Kind, text: str, offset: int) -> None:
        if not self._voice.overlay():
            message = "this & has no notes of its bar before it to lay others over, and is ignored"
            self._warn("overlay", message, offset, len(text))

    def _spacer(self, lexemes: list[Lexeme], index: int) -> int:
        self._voice.spacer(lexemes[index][2])
        index, _, _ = length_at(lexemes, index + 1)
        return index

    def _line_break(self, kind: Kind, text: str, offset: int) -> None:
        self._voice.reader.part()
        self._voice.bars.break_line()

    def _stray(self, lexemes: list[Lexeme], index: int) -> int:
        kind, text, offset = lexemes[index]
        code = "stray"
        if text == ":" and self._voice.open_repeat(offset):
            return index + 1
        if kind is Kind.UNKNOWN and (after := after_microtone(lexemes, index, self._report)):
            return after
        if kind is Kind.LENGTH:
            message = f"the length {text[:12]} must stand directly after a note, and is ignored"
        elif kind is Kind.UNKNOWN:
            message = _UNKNOWN.get(text, f"{text} has no meaning in music and is ignored")
        else:
            message = f"this {text} closes nothing and is ignored"
        self._warn(code, message, offset, len(text))
        return index + 1

    # -- fields

    def _inline_field(self, kind: Kind, text: str, offset: int) -> None:
        value = text[3:-1]
        start = offset + 3 + len(value) - len(value.lstrip())
        self._field(FieldLine(text[1], value.strip(), start, 0))
        if text[1] == "V":
            self._voice.bars.begin_line()

    def _field(self, line: FieldLine) -> None:
        name, value, offset, _ = line
        voice, report = self._voice, self._report
        if name == "K":
            found = attempt(parse_key, value, "key", report, offset)
            if found is not None:
                key, clef, unknown = found
                report_unknown(unknown, report, offset, len(value))
                if key is not None:
                    voice.set_key(key)
                if clef is not None:
                    voice.set_clef(clef)
                voice.change(KeyChange(key, clef), offset)
        elif name == "M":
            meter = attempt(parse_meter, value, "meter", report, offset)
            if meter is not None:
                voice.bars.set_meter(meter)
                voice.change(MeterChange(meter), offset)
        elif name == "L":
            unit = attempt(parse_unit, value, "unit", report, offset)
            if unit is not None:
                voice.reader.set_unit(unit)
                voice.change(UnitChange(unit), offset)
        elif name == "Q":
            tempo = attempt(
                lambda text: parse_tempo(text, voice.reader.unit), value, "tempo", report, offset
            )
            if tempo is not None:
                voice.change(TempoChange(tempo), offset)
        elif name == "V":
            switched = self._voices.switch(value, offset)
            if switched is not None:
                self._voice, self._verse = switched, 0
        elif name == "P":
            self._voices.mark_part(value, offset)
        elif name in ("w", "s"):
            self._align(name, value, offset)
        elif name == "W":
            self._words.append(accents(value))
        elif name == "U":
            read_symbol(self._header.symbols, value)
            self._standard = self._header.symbols == SHORTHANDS
        elif name == "m":
            read_macro(self._header.macros, line, report)
        elif name == "I":
            self._directive(value.replace("=", " ", 1), offset)
        elif name != "r":
            voice.change(Field(name, value), offset)

    def _align(self, name: str, value: str, offset: int) -> None:
        """Hang a line of lyrics or symbols on the line of music before it."""
        self._aligned += 1
        if self._aligned > _MAX_VERSES:
            message = f"more than {_MAX_VERSES} lines of lyrics or symbols under a line of music"
            self._warn("lyrics", message, offset, max(1, len(value)))
        elif name == "w":
            self._verse += 1
            verse = self._verse
            self._voice.bars.hang(lambda layers: align_lyrics(accents(value), verse, layers))
        else:
            self._voice.bars.hang(lambda layers: align_symbols(value, layers))

    def _directive(self, text: str, offset: int) -> None:
        if text.strip():
            directive = Directive(text)
            self._voice.follow(directive)
            self._voice.change(directive, offset)


def _is_continued(line: MusicLine) -> bool:
    """Whether the line of the printed score goes on after a line of music (6.1.1)."""
    for index in range(line.end - 1, -1, -1):
        text = line.texts[index]
        if text == "\\":
            return True
        if text[0] not in "`%" and not text.isspace():
            break
    return False


# Of the class: a reader that held its own methods would live until the garbage collector runs.
_MARKS: dict[Kind, Callable[[MusicReader, Kind, str, int], None]] = {
    Kind.ENDING: MusicReader._ending,
    Kind.TUPLET: MusicReader._tuplet,
    Kind.INLINE_FIELD: MusicReader._inline_field,
    Kind.CHORD_SYMBOL: MusicReader._quoted,
    Kind.ANNOTATION: MusicReader._quoted,
    Kind.DECORATION: MusicReader._decoration,
    Kind.SHORTHAND: MusicReader._shorthand,
    Kind.SLUR_OPEN: MusicReader._slur_open,
    Kind.SLUR_CLOSE: MusicReader._slur_close,
    Kind.TIE: MusicReader._tie,
    Kind.BROKEN: MusicReader._broken,
    Kind.OVERLAY: MusicReader._overlay,
    Kind.LINE_BREAK: MusicReader._line_break,
}

# Those that may read on after their lexeme, and return the index after what they have read.
_HANDLERS: dict[Kind, Callable[[MusicReader, list[Lexeme], int], int]] = {
    Kind.BAR_REST: MusicReader._bar_rest,
    Kind.CHORD_OPEN: MusicReader._chord,
    Kind.CHORD_MARK: MusicReader._chord,
    Kind.GRACE_OPEN: MusicReader._graces,
    Kind.SPACER: MusicReader._spacer,
    Kind.LENGTH: MusicReader._stray,
    Kind.CHORD_CLOSE: MusicReader._stray,
    Kind.GRACE_CLOSE: MusicReader._stray,
    Kind.UNKNOWN: MusicReader._stray,
}
