"""Reads the music of a tune: its lexemes, line by line, into voices."""

from __future__ import annotations

from seqgen.music.abc.accents import accents
from seqgen.music.abc.bars import Report
from seqgen.music.abc.definitions import read_macro, read_symbol
from seqgen.music.abc.events import READERS
from seqgen.music.abc.fields import parse_key, parse_meter, parse_tempo, parse_unit
from seqgen.music.abc.header import (
    FieldLine,
    Header,
    attempt,
    field_at,
    report_unknown,
)
from seqgen.music.abc.lexer import Kind, Lexeme
from seqgen.music.abc.lyrics import align_lyrics, align_symbols
from seqgen.music.abc.macros import expand_line
from seqgen.music.abc.marks import MARKS
from seqgen.music.abc.music_line import RUN_KINDS, MusicLine, lex_runs
from seqgen.music.abc.notation import SHORTHANDS
from seqgen.music.abc.overlays import bar_by_bar
from seqgen.music.abc.voices import Voices
from seqgen.music.diagnostics import Severity
from seqgen.music.score import (
    Directive,
    Field,
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
_MUSIC, _FIELD = Kind.MUSIC, Kind.FIELD  # a name is found more quickly than an Enum's member


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
            if kind is _MUSIC:
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
            elif kind is _FIELD:
                field = field_at(lines, index - 1)
                self._field(field)
                index = field[3]
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
            if read := READERS.get(kind):
                index = read(voice, line.take_apart(index), index)
                continue
            if mark := MARKS.get(kind):
                mark(voice, self._header.symbols, text, line.offsets[index])
            elif kind is Kind.INLINE_FIELD:
                self._inline_field(text, line.offsets[index])
                voice = self._voice
            index += 1
        self._continued = _is_continued(line)

    # -- fields

    def _inline_field(self, text: str, offset: int) -> None:
        value = text[3:-1]
        start = offset + 3 + len(value) - len(value.lstrip())
        self._field((text[1], value.strip(), start, 0))
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
            read_macro(self._header.macros, value, offset, report)
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
    for text in reversed(line.texts):
        if text == "\\":
            return True
        if text and text[0] not in "`%" and not text.isspace():
            break
    return False
