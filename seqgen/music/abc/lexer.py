"""Cuts ABC into lexemes without losing a character and without ever failing.

The granularity is that of a musician: a pitch with its accidental and octave marks is one lexeme, a
length another, a bar line with its repeat dots and ending a third. Lines of fields are cut in the
field's name (``K:``), white space, and value. The parser, the learner's tokenizer, the transposer
and the constrained decoder all stand on this.

What a line is depends on where it stands: free text between tunes, the header (from ``X:`` to
``K:``), or the music after it, until an empty line. That is the whole state, a :class:`Context`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from typing import TypeAlias

from seqgen.music.abc.notation import MUSIC

__all__ = ["Context", "Kind", "Lexeme", "kind_of", "lex", "lex_line", "lines", "notes_of"]


class Kind(StrEnum):
    """What a lexeme is; those of a line of music are explained in ``notation.MUSIC``."""

    # Enum's own hash runs in Python, and tables by kind are read for every lexeme.
    __hash__ = str.__hash__

    NOTES = "notes"  # a run of pitches, their lengths and blanks between them, for the parser
    PITCH = "pitch"
    LENGTH = "length"
    SPACE = "space"
    BAR = "bar"
    ENDING = "ending"
    TUPLET = "tuplet"
    INLINE_FIELD = "inline_field"
    CHORD_SYMBOL = "chord_symbol"
    ANNOTATION = "annotation"
    DECORATION = "decoration"
    SLUR_OPEN = "slur_open"
    SLUR_CLOSE = "slur_close"
    TIE = "tie"
    BROKEN = "broken"
    REST = "rest"
    BAR_REST = "bar_rest"
    SPACER = "spacer"
    CHORD_OPEN = "chord_open"
    CHORD_CLOSE = "chord_close"
    GRACE_OPEN = "grace_open"
    GRACE_CLOSE = "grace_close"
    SHORTHAND = "shorthand"
    OVERLAY = "overlay"
    CHORD_MARK = "chord_mark"
    LINE_BREAK = "line_break"
    CONTINUATION = "continuation"
    IGNORED = "ignored"
    COMMENT = "comment"
    UNKNOWN = "unknown"
    FIELD = "field"  # a field's letter and colon at the start of a line
    VALUE = "value"  # what stands after it, without the spaces around it
    DIRECTIVE = "directive"  # %%… to the end of the line
    NEWLINE = "newline"
    TEXT = "text"  # anything outside tunes, or in a header without being a field


Lexeme: TypeAlias = tuple[Kind, str, int]
"""A piece of ABC: what it is, its characters as they stand in the source, and where it begins, in
characters from the start of the text. Plain tuples, since a collection has millions of them.
"""


class Context(StrEnum):
    """Where a line stands, which decides what its characters mean."""

    __hash__ = str.__hash__

    FILE = "file"
    HEADER = "header"
    BODY = "body"
    # Between %%begintext and %%endtext, to go back to FILE, HEADER or BODY after it.
    FILE_BLOCK = "file block"
    HEADER_BLOCK = "header block"
    BODY_BLOCK = "body block"


_NOTE = rf"(?:{MUSIC['pitch']})(?:{MUSIC['length']})?"
_MUSIC_WITH_NOTES = {"notes": rf"{_NOTE}(?:(?:{MUSIC['space']})?{_NOTE})*"} | MUSIC
_ONE_NOTE = re.compile(_NOTE)
_LINE = re.compile(r"([^\r\n]*)(\r\n?|\n)|([^\r\n]+)")
_ANY_FIELD = re.compile(r"[A-Za-z+]:")
# `G:|` is a note before a repeat, but `w:|` a line of lyrics that begins with a bar.
_BODY_FIELD = re.compile(r"[mrsw+]:|[A-Z]:(?![|:])")
_BEGIN_BLOCK = re.compile(r"%%\s*begin[a-z]+")
_END_BLOCK = re.compile(r"%%\s*end[a-z]+")
_BLOCKS = {
    Context.FILE: Context.FILE_BLOCK,
    Context.HEADER: Context.HEADER_BLOCK,
    Context.BODY: Context.BODY_BLOCK,
}
_AFTER_BLOCK = {block: context for context, block in _BLOCKS.items()}


class _Kinds(dict[str, Kind]):
    """Kind by text: a tune repeats its lexemes, so each is classified once."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        super().__init__()
        named = (f"(?P<{kind}>{each})" for kind, each in patterns.items())
        self._pattern = re.compile("|".join(named))
        self.cut = re.compile("|".join(f"(?:{each})" for each in patterns.values())).findall

    def __missing__(self, text: str) -> Kind:
        match = self._pattern.fullmatch(text)
        kind = Kind(match.lastgroup) if match and match.lastgroup else Kind.TEXT
        if len(self) < 1 << 15:  # hostile input must not fill the memory
            self[text] = kind
        return kind


_kinds = _Kinds(MUSIC)
_kinds_with_notes = _Kinds(_MUSIC_WITH_NOTES)


def kind_of(text: str) -> Kind:
    """The kind of one lexeme of a line of music, from its text alone."""
    return _kinds[text]


@lru_cache(maxsize=1 << 14)
def notes_of(run: str) -> tuple[tuple[str, int, bool], ...]:
    """Each note of NOTES: a pitch and its length, where it begins, and if a blank precedes it."""
    return tuple(
        (match[0], match.start(), bool(match.start()) and run[match.start() - 1].isspace())
        for match in _ONE_NOTE.finditer(run)
    )


def lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line and its end (LF, CR LF, CR, or nothing on the last)."""
    if "\r" not in text:
        *whole, rest = text.split("\n")
        for line in whole:
            yield line, "\n"
        if rest:
            yield rest, ""
        return
    for match in _LINE.finditer(text):
        line, end, last = match.groups()
        yield (last, "") if last is not None else (line, end)


def lex(text: str, context: Context = Context.FILE) -> list[Lexeme]:
    """Cut a text; the lexemes' texts joined give it back, whatever it holds.

    Args:
        context: where the text begins; BODY for a fragment of music, HEADER for one of a tune.
    """
    lexemes: list[Lexeme] = []
    offset = 0
    for line, end in lines(text):
        context = lex_line(line, context, offset, lexemes)
        offset += len(line)
        if end:
            lexemes.append((Kind.NEWLINE, end, offset))
            offset += len(end)
    return lexemes


def lex_line(
    line: str, context: Context, offset: int, lexemes: list[Lexeme], *, notes: bool = False
) -> Context:
    """Append one line's lexemes (its end not included) and say where the next line stands.

    Args:
        line: the line without its end.
        context: where it stands.
        offset: of its first character.
        lexemes: the list they are appended to.
        notes: pitches, their lengths and blanks between them are one lexeme, NOTES.
    """
    if context in _AFTER_BLOCK:
        kind = Kind.TEXT
        if _END_BLOCK.match(line):
            kind, context = Kind.DIRECTIVE, _AFTER_BLOCK[context]
        if line:
            lexemes.append((kind, line, offset))
        return context
    if line.startswith("%"):
        if not line.startswith("%%"):
            lexemes.append((Kind.COMMENT, line, offset))
            return context
        lexemes.append((Kind.DIRECTIVE, line, offset))
        return _BLOCKS[context] if _BEGIN_BLOCK.match(line) else context
    if not line or line.isspace():
        if line:
            lexemes.append((Kind.SPACE, line, offset))
        return Context.FILE
    if line.startswith("X:") and not line.startswith(("X:|", "X::")):
        context = Context.HEADER
    if (_BODY_FIELD if context is Context.BODY else _ANY_FIELD).match(line):
        _lex_field(line, offset, lexemes)
        return Context.BODY if context is Context.HEADER and line[0] == "K" else context
    if context is not Context.BODY:
        lexemes.append((Kind.TEXT, line, offset))
        return context
    # Without a Python-level step for each lexeme, which halves the time.
    kinds = _kinds_with_notes if notes else _kinds
    texts = kinds.cut(line)
    offsets = accumulate(map(len, texts), initial=offset)
    lexemes.extend(zip(map(kinds.__getitem__, texts), texts, offsets, strict=False))
    return context


def _lex_field(line: str, offset: int, lexemes: list[Lexeme]) -> None:
    lexemes.append((Kind.FIELD, line[:2], offset))
    offset += 2
    value, comment = line[2:], ""
    if value and value == value.strip() and "%" not in value:  # as most are
        lexemes.append((Kind.VALUE, value, offset))
        return
    # A % that is not escaped begins a comment, in free-text fields such as N: too (2.2.5).
    at = value.find("%")
    while at > 0 and value[at - 1] == "\\":
        at = value.find("%", at + 1)
    if at >= 0:
        value, comment = value[:at], value[at:]
    body = value.strip()
    before = len(value) - len(value.lstrip()) if body else len(value)
    for kind, text in (
        (Kind.SPACE, value[:before]),
        (Kind.VALUE, body),
        (Kind.SPACE, value[before + len(body) :]),
        (Kind.COMMENT, comment),
    ):
        if text:
            lexemes.append((kind, text, offset))
            offset += len(text)
