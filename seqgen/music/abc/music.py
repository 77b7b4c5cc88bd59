"""Reads the music of a tune: its lexemes, line by line, into voices."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from seqgen.music.abc.bars import Report, parse_bar_line, parse_passes
from seqgen.music.abc.fields import parse_key, parse_meter, parse_tempo, parse_unit, parse_voice
from seqgen.music.abc.header import (
    FieldLine,
    Header,
    accents,
    attempt,
    field_at,
    merge_voice,
    read_macro,
    read_symbol,
    report_unknown,
)
from seqgen.music.abc.lexer import Context, Kind, Lexeme, lex, lex_runs, pieces_of
from seqgen.music.abc.lyrics import align_lyrics, align_symbols
from seqgen.music.abc.macros import expand_line
from seqgen.music.abc.notation import DECORATIONS
from seqgen.music.abc.values import parse_length, parse_tuplet
from seqgen.music.abc.voice import VoiceBuilder
from seqgen.music.diagnostics import Severity
from seqgen.music.score import (
    BarLine,
    Chord,
    Directive,
    Field,
    Graces,
    KeyChange,
    MeterChange,
    Note,
    PartMark,
    TempoChange,
    UnitChange,
    Voice,
)

__all__ = ["MAX_NOTES", "MusicReader"]

MAX_NOTES = 1_000_000
"""Notes and rests of a voice; and of a tune, grace notes and further notes of chords."""

_MAX_VOICES = 64
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
        self._start, self._end = start, end
        self._voices: dict[str, VoiceBuilder] = {}
        self._part: str | None = None
        self._voice = self._begin()
        self._words: list[str] = []
        self._verse = self._aligned = 0
        self._continued = False
        self._notes = 0

    def read(self, lines: list[Lexeme], index: int) -> tuple[tuple[Voice, ...], tuple[str, ...]]:
        """Read from the line at ``index`` to the last.

        Returns:
            The voices that hold anything, and the ``W:`` lines.
        """
        while index < len(lines):
            kind, text, offset = lines[index]
            index += 1
            if kind is Kind.MUSIC:
                self._line(text, offset)
                if self._too_many(offset + len(text)):
                    break
            elif kind is Kind.FIELD:
                line = field_at(lines, index - 1)
                self._field(line)
                index = line.next
            elif kind is Kind.DIRECTIVE:
                self._directive(text[2:].strip(), offset)
        if not self._voice.notes and not any(each.notes for each in self._voices.values()):
            message = "this tune holds no music; a blank line ends a tune, so none may follow K:"
            self._warn("no-music", message, self._start, len("X:"))
        voices = tuple([builder.finish(self._end) for builder in self._voices.values()])
        if len(voices) > 1:
            voices = tuple(filter(_says_anything, voices)) or voices[:1]
        return voices, tuple(self._words)

    def _too_many(self, offset: int) -> bool:
        if max(self._notes, self._voice.notes) <= MAX_NOTES:
            return False
        message = f"this tune has more than {MAX_NOTES:,} notes; split it"
        self._report("too-long", Severity.ERROR, message, offset, 1)
        return True

    def _warn(self, code: str, message: str, offset: int, length: int) -> None:
        self._report(code, Severity.WARNING, message, offset, length)

    # -- lines

    def _line(self, text: str, offset: int) -> None:
        """Read a line of music."""
        if not self._continued:
            self._voice.bars.begin_line()
            self._verse = self._aligned = 0
        macros = self._header.macros
        self._music(expand_line(text, offset, macros) if macros else lex_runs(text, offset))
        voice = self._voice
        voice.joined = False
        if not self._continued and voice.notes:
            voice.bars.break_line()

    def _music(self, lexemes: list[Lexeme]) -> None:
        voice = self._voice
        handlers = _HANDLERS
        notes_kind, space_kind, bar_kind = Kind.NOTES, Kind.SPACE, Kind.BAR
        continued = False
        index, end = 0, len(lexemes)
        while index < end:
            kind, text, offset = lexemes[index]
            index += 1
            if kind is notes_kind:
                continued = False
                voice.add_notes(text, offset)
            elif kind is bar_kind:
                continued = False
                line, passes, blanks = parse_bar_line(text)
                voice.bar(line, offset + blanks, passes)
            elif kind is space_kind:
                voice.joined = False
            elif kind is Kind.CONTINUATION:
                continued = True
            else:
                handler = handlers.get(kind)
                if handler is not None:
                    continued = False
                    index = handler(self, lexemes, index - 1)
                    voice = self._voice
        self._continued = continued

    # -- events

    def _bar_rest(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        index, length, at = self._length(lexemes, index + 1)
        bars = int(length) if length.isdigit() and len(length) <= 4 else 0
        if not length:
            bars = 1
        elif not 1 <= bars <= 1024:
            bars = 1
            message = f"{text} rests for whole bars, 1 to 1024; expected such as {text}4"
            self._warn("length", message, at, len(length))
        self._voice.bar_rest(bars, text == "Z", offset)
        return index

    def _length(self, lexemes: list[Lexeme], index: int) -> tuple[int, str, int]:
        if index < len(lexemes):
            kind, text, offset = lexemes[index]
            if kind is Kind.LENGTH:
                return index + 1, text, offset
        return index, "", 0

    def _notes_until(
        self, lexemes: list[Lexeme], index: int, closing: Kind
    ) -> tuple[list[Note], int | None]:
        """The notes of a chord that began before ``index``, and the index after its end.

        The index is None if the chord is not closed on its bar and line.
        """
        voice = self._voice
        notes: list[Note] = []
        while index < len(lexemes):
            kind, text, offset = lexemes[index]
            index += 1
            if kind is closing:
                return notes, index
            if kind is Kind.NOTES:
                notes += self._inner_notes(text, offset, self._not_in_chord)
            elif kind is Kind.TIE and notes:
                notes[-1] = notes[-1]._replace(tie=True)
            elif kind in (Kind.BAR, Kind.CHORD_OPEN, Kind.GRACE_OPEN):
                break
            elif kind is Kind.CHORD_SYMBOL:
                voice.wait().chord_symbols.append(text[1:-1])
            elif kind not in (Kind.SPACE, Kind.SHORTHAND, Kind.DECORATION, Kind.SLUR_OPEN,
                              Kind.SLUR_CLOSE, Kind.ANNOTATION, Kind.IGNORED):  # fmt: skip
                self._not_in_chord(kind, text, offset)
        return notes, None

    def _inner_notes(
        self, run: str, offset: int, other: Callable[[Kind, str, int], None]
    ) -> list[Note]:
        """The notes of a run in a chord or among grace notes; ``other`` takes what is none."""
        notes: list[Note] = []
        for text, at, _ in pieces_of(run):
            if text[0] in "zx<>":
                for kind, part, start in lex(text, Context.BODY):
                    other(kind, part, offset + at + start)
            else:
                notes.append(self._voice.reader.note(text, offset + at))
        return notes

    def _not_in_chord(self, _: Kind, text: str, offset: int) -> None:
        message = f"{text} has no meaning in a chord and is ignored"
        self._warn("chord", message, offset, len(text))

    def _chord(self, lexemes: list[Lexeme], index: int) -> int:
        kind, _, offset = lexemes[index]
        closing = Kind.CHORD_CLOSE if kind is Kind.CHORD_OPEN else Kind.CHORD_MARK
        notes, after = self._notes_until(lexemes, index + 1, closing)
        if after is None and kind is Kind.CHORD_MARK:
            return self._stray(lexemes, index)
        if after is None:
            message = "this [ begins a chord that is not closed; expected ] in its bar"
            self._report("chord", Severity.ERROR, message, offset, 1)
            return index + 1
        after, length, at = self._length(lexemes, after)
        if not notes:
            self._warn("chord", "this chord holds no note and is ignored", offset, 1)
            return after
        self._notes += len(notes) - 1
        self._voice.chord(notes, self._factor(length, at), offset)
        return after

    def _factor(self, length: str, offset: int) -> Fraction:
        if length:
            try:
                return parse_length(length)
            except ValueError as error:
                self._report("length", Severity.ERROR, f"{error}", offset, len(length))
        return Fraction(1)

    def _graces(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        events: list[Note | Chord] = []
        position = index + 1
        while position < len(lexemes):
            kind, inner, at = lexemes[position]
            position += 1
            if kind is Kind.GRACE_CLOSE:
                self._notes += len(events)
                if events:
                    self._voice.wait().graces = Graces(tuple(events), len(text) > 1)
                return position
            if kind is Kind.NOTES:
                events += self._inner_notes(inner, at, self._no_grace)
            elif kind is Kind.CHORD_OPEN:
                notes, after = self._notes_until(lexemes, position, Kind.CHORD_CLOSE)
                if after is None:
                    break
                position, length, where = self._length(lexemes, after)
                if notes:
                    factor = self._factor(length, where)
                    duration = notes[0].duration * factor
                    scaled = tuple(each._replace(duration=duration) for each in notes)
                    events.append(Chord(scaled, duration))
            elif kind in (Kind.BAR, Kind.GRACE_OPEN):
                break
            else:
                self._no_grace(kind, inner, at)
        message = "this { begins grace notes that are not closed; expected } in its bar"
        self._report("grace", Severity.ERROR, message, offset, len(text))
        return index + 1

    def _no_grace(self, kind: Kind, text: str, offset: int) -> None:
        if kind in (Kind.UNKNOWN, Kind.REST):
            message = f"{text} has no meaning among grace notes and is ignored"
            self._warn("grace", message, offset, len(text))

    # -- marks

    def _ending(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        words = text[2:-1] if text[1] == '"' else ""
        passes = () if text[1] == '"' else parse_passes(text[1:])
        self._voice.bar(BarLine("none"), offset, passes, words)
        return index + 1

    def _tuplet(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        try:
            group = parse_tuplet(text, self._voice.bars.meter.compound)
        except ValueError as error:
            self._report("tuplet", Severity.ERROR, f"{error}", offset, len(text))
        else:
            self._voice.tuplet(*group, offset)
        return index + 1

    def _quoted(self, lexemes: list[Lexeme], index: int) -> int:
        kind, text, _ = lexemes[index]
        self._attach_text(text, kind is Kind.ANNOTATION)
        return index + 1

    def _attach_text(self, text: str, annotation: bool) -> None:
        pending = self._voice.wait()
        (pending.annotations if annotation else pending.chord_symbols).append(accents(text[1:-1]))

    def _decoration(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        name = text[1:-1]
        if name not in DECORATIONS:
            self._warn("decoration", f"{text} is no decoration of the standard, and has no effect",
                       offset, len(text))  # fmt: skip
        self._voice.wait().decorations.append(name)
        return index + 1

    def _shorthand(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        meaning = self._header.symbols.get(text)
        if meaning is None:
            self._warn("symbol", f"{text} has no meaning here, unless a U: field gives it one",
                       offset, 1)  # fmt: skip
        elif meaning.startswith('"'):
            self._attach_text(meaning, meaning[1:2] in tuple("^_<>@"))
        else:
            self._voice.wait().decorations.append(meaning)
        return index + 1

    def _slur_open(self, lexemes: list[Lexeme], index: int) -> int:
        self._voice.wait().slurs += 1
        return index + 1

    def _slur_close(self, lexemes: list[Lexeme], index: int) -> int:
        if not self._voice.close_slur():
            self._warn("slur", "a slur must end after a note of its bar", lexemes[index][2], 1)
        return index + 1

    def _tie(self, lexemes: list[Lexeme], index: int) -> int:
        if not self._voice.tie():
            self._warn("tie", "a tie must stand directly after a note or chord",
                       lexemes[index][2], 1)  # fmt: skip
        return index + 1

    def _broken(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        if len(text) > 3 or not self._voice.broken(text, offset):
            self._warn("broken-rhythm", f"{text[:9]} must stand between two notes of one bar",
                       offset, len(text))  # fmt: skip
        return index + 1

    def _overlay(self, lexemes: list[Lexeme], index: int) -> int:
        self._voice.overlay()
        return index + 1

    def _spacer(self, lexemes: list[Lexeme], index: int) -> int:
        self._voice.spacer(lexemes[index][2])
        index, _, _ = self._length(lexemes, index + 1)
        return index

    def _line_break(self, lexemes: list[Lexeme], index: int) -> int:
        self._voice.joined = False
        self._voice.bars.break_line()
        return index + 1

    def _stray(self, lexemes: list[Lexeme], index: int) -> int:
        kind, text, offset = lexemes[index]
        code = "stray"
        if text == ":" and self._voice.open_repeat(offset):
            return index + 1
        if kind is Kind.LENGTH:
            message = f"the length {text[:12]} must stand directly after a note, and is ignored"
        elif kind is Kind.UNKNOWN:
            message = _UNKNOWN.get(text, f"{text} has no meaning in music and is ignored")
        else:
            message = f"this {text} closes nothing and is ignored"
        self._warn(code, message, offset, len(text))
        return index + 1

    # -- fields

    def _inline_field(self, lexemes: list[Lexeme], index: int) -> int:
        _, text, offset = lexemes[index]
        value = text[3:-1]
        start = offset + 3 + len(value) - len(value.lstrip())
        self._field(FieldLine(text[1], value.strip(), start, 0))
        if text[1] == "V":
            self._voice.bars.begin_line()
        return index + 1

    def _field(self, line: FieldLine) -> None:
        name, value, offset, _ = line
        voice, report = self._voice, self._report
        if name == "K":
            found = attempt(parse_key, value, "key", report, offset)
            if found is not None:
                key, clef, unknown = found
                report_unknown(unknown, report, offset, len(value))
                if key is not None:
                    voice.reader.set_key(key)
                if clef is not None:
                    voice.set_clef(clef)
                voice.change(KeyChange(key, clef), offset)
        elif name == "M":
            meter = attempt(parse_meter, value, "meter", report, offset)
            if meter is not None:
                voice.bars.meter = meter
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
            self._switch(value, offset)
        elif name == "P":
            self._part = value
            for builder in self._voices.values():
                builder.change(PartMark(value), offset)
        elif name in ("w", "s"):
            self._align(name, value, offset)
        elif name == "W":
            self._words.append(accents(value))
        elif name == "U":
            read_symbol(self._header.symbols, value)
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
            align_lyrics(accents(value), self._verse, self._voice.bars.line_layers())
        else:
            align_symbols(value, self._voice.bars.line_layers())

    def _directive(self, text: str, offset: int) -> None:
        words = text.split()
        if len(words) == 2 and words[0] == "propagate-accidentals":
            self._voice.reader.set_propagation(words[1])
        if words:
            self._voice.change(Directive(text), offset)

    def _switch(self, value: str, offset: int) -> None:
        """Go on in the voice that a ``V:`` names, which may be new."""
        parsed = attempt(parse_voice, value, "voice", self._report, offset)
        if parsed is None:
            return
        unnamed = self._voices.get("")
        if unnamed is not None and (unnamed.notes or unnamed.bars.items):
            # Music before the first V: is voice 1's, as abc2midi has it too.
            del self._voices[""]
            unnamed.id = "1"
            self._voices["1"] = unnamed
        known = self._voices.get(parsed.id)
        if known is None and len(self._voices) >= _MAX_VOICES:
            message = f"this tune has more than {_MAX_VOICES} voices"
            self._report("too-long", Severity.ERROR, message, offset, len(value))
            return
        if known is None:
            known = self._begin(parsed.id)
        if parsed.name is not None:
            known.name = parsed.name
        if parsed.clef is not None:
            known.set_clef(parsed.clef)
        self._header.voices[parsed.id] = merge_voice(self._header.voices.get(parsed.id), parsed)
        self._voice = known
        self._verse = 0

    def _begin(self, voice_id: str = "") -> VoiceBuilder:
        """A new voice, with what the header says of it."""
        header = self._header
        first = next(iter(self._voices.values()), None)
        marks = first is not None and all(isinstance(item, PartMark) for item in first.bars.items)
        if first is not None and first.id == "" and not first.notes and marks:
            del self._voices[""]  # nothing was written before the first V:
        if voice_id == "" and header.voices:
            voice_id = next(iter(header.voices))
        said = header.voices.get(voice_id)
        clef = said.clef if said and said.clef else header.clef
        builder = VoiceBuilder(voice_id, clef, header.key, header.meter, header.unit, self._report)
        builder.name = said.name or "" if said else ""
        for directive in header.directives:
            words = directive.text.split()
            if len(words) == 2 and words[0] == "propagate-accidentals":
                builder.reader.set_propagation(words[1])
        if self._part is not None:
            builder.change(PartMark(self._part), self._end)
        self._voices[voice_id] = builder
        return builder


def _says_anything(voice: Voice) -> bool:
    """Whether a voice holds more than the part that it was begun in."""
    return any(
        bar.overlays or bar.ending or any(not isinstance(item, PartMark) for item in bar.items)
        for bar in voice.bars
    )


# Of the class: a reader that held its own methods would live until the garbage collector runs.
_HANDLERS: dict[Kind, Callable[[MusicReader, list[Lexeme], int], int]] = {
    Kind.BAR_REST: MusicReader._bar_rest,
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
    Kind.CHORD_OPEN: MusicReader._chord,
    Kind.CHORD_MARK: MusicReader._chord,
    Kind.GRACE_OPEN: MusicReader._graces,
    Kind.OVERLAY: MusicReader._overlay,
    Kind.LINE_BREAK: MusicReader._line_break,
    Kind.SPACER: MusicReader._spacer,
    Kind.LENGTH: MusicReader._stray,
    Kind.CHORD_CLOSE: MusicReader._stray,
    Kind.GRACE_CLOSE: MusicReader._stray,
    Kind.UNKNOWN: MusicReader._stray,
}
