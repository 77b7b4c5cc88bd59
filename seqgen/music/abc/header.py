"""A tune's header, from ``X:`` to ``K:``, and the fields that a file sets for all its tunes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias, TypeVar

from seqgen.music.abc.accents import accents
from seqgen.music.abc.bars import Report
from seqgen.music.abc.definitions import read_macro, read_symbol
from seqgen.music.abc.fields import (
    VoiceField,
    default_unit,
    merge_voice,
    parse_key,
    parse_meter,
    parse_tempo,
    parse_unit,
    parse_voice,
)
from seqgen.music.abc.lexer import Kind, Lexeme, field_value
from seqgen.music.abc.notation import SHORTHANDS
from seqgen.music.diagnostics import Severity
from seqgen.music.score import Clef, Directive, Field, Key, Meter, Tempo, Tune, Voice

__all__ = ["Defaults", "FieldLine", "Header", "attempt", "field_at", "read_header"]

_T = TypeVar("_T")
_FIELD = Kind.FIELD  # a name is found more quickly than an Enum's member
_C_MAJOR, _NO_CLEF, _FREE, _EIGHTH = Key(), Clef(), Meter((), 1), Fraction(1, 8)


FieldLine: TypeAlias = tuple[str, str, int, int]
"""A field with the ``+:`` lines that continue it (3.3): its letter; its value, without comment and
outer spaces; the offset of the value (of the field where it has none); the index of the line after
it. A plain tuple, since a collection has many."""


def field_at(lines: Sequence[Lexeme], index: int) -> FieldLine:
    """Read the field that is the line at ``index``."""
    _, line, offset = lines[index]
    value = field_value(line) if "%" in line else line[2:].strip()
    if value:
        offset += line.index(value, 2)
    index += 1
    while index < len(lines) and lines[index][1][:2] == "+:" and lines[index][0] is _FIELD:
        _, further, at = lines[index]
        more = field_value(further)
        if more and not value:
            offset = at + further.index(more, 2)
        value = f"{value} {more}" if value and more else value or more
        index += 1
    return line[0], value, offset, index


def attempt(
    read: Callable[[str], _T], value: str, code: str, report: Report, offset: int
) -> _T | None:
    """``read(value)``; a ValueError becomes an error diagnostic and None."""
    try:
        return read(value)
    except ValueError as error:
        report(code, Severity.ERROR, f"{error}", offset, max(1, len(value)))
        return None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the file's header sets for every tune (2.2.2)."""

    fields: tuple[FieldLine, ...] = ()
    directives: tuple[Directive, ...] = ()

    @classmethod
    def read(cls, lines: Sequence[Lexeme]) -> Defaults:
        """Read the lines before the first tune; anything that is no field is free text."""
        fields: list[FieldLine] = []
        directives: list[Directive] = []
        index, end = 0, len(lines)
        while index < end:
            kind, text, _ = lines[index]
            if kind is _FIELD:
                line = field_at(lines, index)
                index = line[3]
                # K: would end a header, and is the tune's own.
                if line[0] not in "KXVPWw+":
                    fields.append(line)
                continue
            index += 1
            if kind is Kind.DIRECTIVE:
                directives.append(Directive(text[2:].strip()))
        return cls(tuple(fields), tuple(directives))


@dataclass(slots=True)
class Header:
    """What a tune's header says; ``body`` is the index of the first line of its music."""

    number: str = ""
    titles: list[str] = field(default_factory=list)
    key: Key = _C_MAJOR
    clef: Clef = _NO_CLEF
    meter: Meter = _FREE
    unit: Fraction = _EIGHTH
    tempo: Tempo | None = None
    parts: str = ""
    voices: dict[str, VoiceField] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=lambda: dict(SHORTHANDS))
    macros: dict[str, str] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    body: int | None = None

    def tune(
        self, voices: tuple[Voice, ...], words: tuple[str, ...], offset: int, line: int
    ) -> Tune:
        """The finished tune."""
        return Tune(
            self.number,
            tuple(self.titles),
            self.key,
            self.meter,
            self.unit,
            self.tempo,
            self.parts,
            voices,
            tuple(self.fields),
            tuple(self.directives),
            (*self.words, *words),
            offset,
            line,
        )


def read_header(lines: Sequence[Lexeme], defaults: Defaults, report: Report) -> Header:
    """Read a header; its ``body`` stays None if no ``K:`` ends it."""

    def report_default(code: str, severity: Severity, message: str, *_: int) -> None:
        """A fault of the file's header is a fault of the tune, at whose X: it is shown."""
        report(code, severity, f"in the file's header: {message}", lines[0][2], 2)

    header = Header(directives=list(defaults.directives))
    unit: Fraction | None = None
    tempo: tuple[FieldLine, Report] | None = None

    def read(line: FieldLine, report: Report) -> None:
        nonlocal unit, tempo
        name, value, offset, following = line
        # In half the time that Field() takes, which does the same in Python.
        header.fields.append(tuple.__new__(Field, (name, value)))
        if name == "L":
            unit = attempt(parse_unit, value, "unit", report, offset) or unit
        elif name == "Q":
            tempo = line, report
        elif name == "K":
            _read_key(header, value, offset, report)
            header.body = following
        elif reader := _READERS.get(name):
            reader(header, value, offset, report)

    for line in defaults.fields:
        read(line, report_default)
    index, end = 0, len(lines)
    while index < end and header.body is None:
        kind, text, offset = lines[index]
        if kind is _FIELD:
            line = field_at(lines, index)
            index = line[3]
            read(line, report)
            continue
        index += 1
        if kind is Kind.DIRECTIVE:
            header.directives.append(Directive(text[2:].strip()))
        elif kind is Kind.TEXT and not text.startswith("%%"):
            report(
                "header",
                Severity.WARNING,
                "this line of the header is no field and is ignored; a header holds fields "
                "such as T:Title and ends with K:, the key",
                offset,
                len(text),
            )
    header.unit = unit or default_unit(header.meter)
    if tempo is not None and tempo[0][1]:
        (_, value, offset, _), report_tempo = tempo
        header.tempo = attempt(
            lambda text: parse_tempo(text, header.unit), value, "tempo", report_tempo, offset
        )
    if header.body is None:
        report(
            "no-key",
            Severity.ERROR,
            "this tune's header has no K: field; it names the key and ends the header",
            lines[0][2],
            2,
        )
    return header


def _read_key(header: Header, value: str, offset: int, report: Report) -> None:
    found = attempt(parse_key, value, "key", report, offset)
    if found is not None:
        key, clef, unknown = found
        header.key = key or header.key
        header.clef = clef or header.clef
        report_unknown(unknown, report, offset, len(value))


def report_unknown(words: tuple[str, ...], report: Report, offset: int, length: int) -> None:
    """Warn of the words of a ``K:`` field that mean nothing."""
    if words:
        report(
            "key",
            Severity.WARNING,
            f"'{' '.join(words)}' is no mode, accidental or clef, and is ignored",
            offset,
            max(1, length),
        )


def _number(header: Header, value: str, offset: int, report: Report) -> None:
    header.number = value


def _title(header: Header, value: str, offset: int, report: Report) -> None:
    header.titles.append(accents(value))


def _meter(header: Header, value: str, offset: int, report: Report) -> None:
    header.meter = attempt(parse_meter, value, "meter", report, offset) or header.meter


def _parts(header: Header, value: str, offset: int, report: Report) -> None:
    header.parts = value


def _voice(header: Header, value: str, offset: int, report: Report) -> None:
    voice = attempt(parse_voice, value, "voice", report, offset)
    if voice is not None:
        header.voices[voice.id] = merge_voice(header.voices.get(voice.id), voice)


def _words(header: Header, value: str, offset: int, report: Report) -> None:
    header.words.append(accents(value))


def _symbol(header: Header, value: str, offset: int, report: Report) -> None:
    read_symbol(header.symbols, value)


def _macro(header: Header, value: str, offset: int, report: Report) -> None:
    read_macro(header.macros, value, offset, report)


def _instruction(header: Header, value: str, offset: int, report: Report) -> None:
    header.directives.append(Directive(value.replace("=", " ", 1)))


# What reads a field, but K:, L: and Q:, which read_header does itself. Others change nothing.
_READERS: dict[str, Callable[[Header, str, int, Report], None]] = {
    "X": _number,
    "T": _title,
    "M": _meter,
    "P": _parts,
    "V": _voice,
    "W": _words,
    "U": _symbol,
    "m": _macro,
    "I": _instruction,
}
